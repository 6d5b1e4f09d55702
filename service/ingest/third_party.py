"""Calls of third-party parsers on untrusted bytes: any exception becomes InvalidFile, and nothing is logged."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from service.domain.errors import InvalidFile


@contextmanager
def third_party_parser(source: str, format_name: str, logger_name: str) -> Iterator[None]:
    """Guard a block that calls a parser. The parser's logger stays silent afterwards, because it quotes users' files.

    Raises:
        InvalidFile: The parser raised any exception. The message names ``format_name``.
    """
    logging.getLogger(logger_name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    except RecursionError as error:
        raise InvalidFile(source, f"is not usable {format_name}: nested too deep") from error
    except Exception as error:  # these parsers do not document what they raise
        raise InvalidFile(source, f"is not usable {format_name} ({type(error).__name__})") from error
