"""Calls to parsers of others on bytes of anybody: their surprises become InvalidFile, their log lines stay away."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from service.domain.errors import InvalidFile


@contextmanager
def foreign_parser(source: str, format_name: str, logger_name: str) -> Iterator[None]:
    """Runs a parser that may raise or log anything. Its logger is silenced for good: its lines quote readers' files.

    Raises:
        InvalidFile: The parser raised; the message names ``format_name``.
    """
    logging.getLogger(logger_name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    except RecursionError as error:
        raise InvalidFile(source, f"is not usable {format_name}: nested too deep") from error
    except Exception as error:  # none of these parsers says what it may raise
        raise InvalidFile(source, f"is not usable {format_name} ({type(error).__name__})") from error
