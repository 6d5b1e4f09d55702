import pytest

from service.domain.errors import InvalidFile
from service.ingest.json_record import JsonRecord, load_json


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("[" * 100_000, "nested too deep"),
        ("9" * 5000, "Exceeds the limit"),
    ],
)
def test_what_is_not_standard_json_is_refused(text: str, problem: str) -> None:
    """Broken, non-standard, deeply nested and too long values raise InvalidFile."""
    with pytest.raises(InvalidFile, match=problem) as caught:
        load_json(text, "f", line=7)
    assert caught.value.line == 7


def test_line_of_a_syntax_error_is_told() -> None:
    """In a file of one JSON value, the error names the line of the syntax error."""
    with pytest.raises(InvalidFile) as caught:
        load_json("[\n1,\n}", "f")
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("getter", "value", "problem"),
    [
        ("text", 1, "x: must be a string, not a number"),
        ("texts", ["a", None], r"x\[1\]: must be a string, not null"),
        ("texts", "a", "x: must be an array, not a string"),
        ("count", True, "x: must be an integer, not a boolean"),
        ("count", 1.0, "x: must be an integer, not a number"),
        ("time", "soon", "x: 'soon' is not an ISO 8601"),
        ("record", [], "x: must be an object, not an array"),
    ],
)
def test_wrong_types_name_the_field(getter: str, value: object, problem: str) -> None:
    """No value is converted from another type."""
    record = JsonRecord("f", {"x": value}, line=2)
    with pytest.raises(InvalidFile, match=f"^f, line 2: {problem}"):
        getattr(record, getter)("x")


def test_null_counts_as_absent() -> None:
    """A null field counts as missing; a missing required field is an error."""
    record = JsonRecord("f", {"x": None})

    assert (record.text("x"), record.texts("x"), record.count("x"), record.time("x")) == ("", (), None, None)
    with pytest.raises(InvalidFile, match="x: is missing"):
        record.text("x", required=True)
    with pytest.raises(InvalidFile, match="x: is missing"):
        record.record("x")
