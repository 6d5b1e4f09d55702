import logging

import pytest

from service.domain.errors import InvalidFile
from service.ingest.third_party import third_party_parser


@pytest.mark.parametrize("surprise", [KeyError("x"), RecursionError(), ValueError("secret line of the file")])
def test_surprises_become_errors_of_the_file(surprise: Exception) -> None:
    """Any exception of a parser becomes one error, which quotes no text of the file."""
    with (
        pytest.raises(InvalidFile, match=r"^f: is not usable XYZ") as caught,
        third_party_parser("f", "XYZ", "xyz.parser"),
    ):
        raise surprise
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is surprise


def test_log_lines_stay_away(caplog: pytest.LogCaptureFixture) -> None:
    """Messages of a parser about a user's file reach no log."""
    with third_party_parser("f", "XYZ", "xyz.parser"):
        logging.getLogger("xyz.parser.deep").error("a line of the file")
    assert not caplog.records
