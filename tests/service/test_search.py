"""The query that a person types becomes wanted and excluded terms."""

import pytest

from service.domain.errors import InvalidField
from service.domain.search import SearchQuery, parse_query


@pytest.mark.parametrize(
    ("text", "wanted", "excluded"),
    [
        ("graph neural", ("graph", "neural"), ()),
        (' "graph  neural" networks ', ("graph neural", "networks"), ()),
        ('graph -survey -"large language"', ("graph",), ("survey", "large language")),
        ('"never closed', ("never closed",), ()),
        ("co-training", ("co-training",), ()),
        ("a AND b OR (c) NEAR * ^ : & | !", ("a", "AND", "b", "OR", "(c)", "NEAR"), ()),
        ("日本語 ★", ("日本語",), ()),
    ],
)
def test_terms(text: str, wanted: tuple[str, ...], excluded: tuple[str, ...]) -> None:
    """Only quotes and a leading minus have a meaning; terms without a letter or digit are left out."""
    assert parse_query(text) == SearchQuery(wanted, excluded)


@pytest.mark.parametrize("text", ["", "  ", '""', "-all -excluded", "★ & -", "x" * 501, "a " * 33, "a\x00b"])
def test_refused(text: str) -> None:
    """A query without a word to find, or one that is too long, is refused."""
    with pytest.raises(InvalidField, match="query"):
        parse_query(text)
