import pytest

from mailer.domain.address import parse_address
from mailer.errors import InvalidField


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Ada@EXAMPLE.org ", "Ada@example.org"), ("a+b@münchen.de", "a+b@xn--mnchen-3ya.de"), ("x@test", "x@test")],
)
def test_addresses(text: str, expected: str) -> None:
    """Domains become lower case and ASCII; local parts stay unchanged."""
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "ada", "ada@", "@x.org", "a b@x.org", "a@x.org\nBcc: b@x.org", "ü@x.org", "a@" + "x" * 300 + ".org"]
)
def test_invalid_addresses(text: str) -> None:
    """An invalid address, above all one with a line break, is refused with the name of the field."""
    with pytest.raises(InvalidField) as caught:
        parse_address(text)
    assert caught.value.field == "address"
