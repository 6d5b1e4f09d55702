import datetime as dt

import pytest

from service.domain.errors import InvalidField
from service.ingest.times import parse_date, parse_time
from tests.service.ingest.samples import NOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-11", "2024-03-11T00:00:00+00:00"),
        ("2024-03-11T08:30", "2024-03-11T08:30:00+00:00"),
        (" 2024-03-11 08:30:15Z ", "2024-03-11T08:30:15+00:00"),
        ("2024-03-11T08:30:15.123456+02:00", "2024-03-11T06:30:15.123456+00:00"),
        ("2024-03-11 08:30:15 +0100", "2024-03-11T07:30:15+00:00"),
    ],
)
def test_iso_times_become_utc(text: str, expected: str) -> None:
    """Dates, times without an offset (UTC) and times with an offset are parsed."""
    assert parse_time(text).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "20240311",
        "2024-W11-1",
        "2024-02-30",
        "2024-03-11T25:00",
        "0001-01-01T00:00+23:00",
        "٢٠٢٤-٠٣-١١",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    """A text that is not ISO 8601, and a time that does not exist, raise ValueError."""
    with pytest.raises(ValueError, match="is not"):
        parse_time(text)


@pytest.mark.parametrize("text", ["", "Mar 11", "2024-3-11", "2024-02-30", "1989-12-31", "2024-03-13"])
def test_dates_out_of_form_or_range_are_refused(text: str) -> None:
    """A digest's date must be an ISO date between 1990 and tomorrow."""
    with pytest.raises(InvalidField) as caught:
        parse_date(text, NOW)
    assert caught.value.field == "date"


def test_tomorrow_is_a_date() -> None:
    """Tomorrow's date is accepted, because it may be today's east of Greenwich."""
    assert parse_date(" 2024-03-12 ", NOW) == dt.date(2024, 3, 12)
