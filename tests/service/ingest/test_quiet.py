import logging

import pytest

from service.domain.errors import InvalidFile
from service.ingest.quiet import foreign_parser


@pytest.mark.parametrize("surprise", [KeyError("x"), RecursionError(), ValueError("secret line of the file")])
def test_surprises_become_errors_of_the_file(surprise: Exception) -> None:
    """Whatever a parser raises, the caller sees one error, without text of the file."""
    with pytest.raises(InvalidFile, match=r"^f: is not usable XYZ") as caught, foreign_parser("f", "XYZ", "xyz.parser"):
        raise surprise
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is surprise


def test_log_lines_stay_away(caplog: pytest.LogCaptureFixture) -> None:
    """A parser's complaints about a reader's file reach no log."""
    with foreign_parser("f", "XYZ", "xyz.parser"):
        logging.getLogger("xyz.parser.deep").error("a line of the file")
    assert not caplog.records
