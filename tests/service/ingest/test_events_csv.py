import datetime as dt
import gzip

import pytest

from service.domain.errors import InvalidFile
from service.domain.events import Event, EventType, default_event_id
from service.ingest.events_csv import iter_events
from tests.service.ingest.real_data import data_file
from tests.service.ingest.samples import EVENTS, NOW

HEADER = "user_id,paper_id,event,occurred_at\n"


def test_events_are_read_with_all_columns() -> None:
    """An event without id gets the default id, and an empty time is unknown."""
    liked_at = dt.datetime(2024, 3, 10, 9, 30, tzinfo=dt.UTC)
    event_id = default_event_id("u1", "arxiv:2403.00001", EventType.LIKE, liked_at)

    expected = [
        Event(event_id, "u1", "arxiv:2403.00001", EventType.LIKE, liked_at),
        Event("e-1", "u1", "x:2", EventType.CLICK, None, "s-1"),
    ]
    assert list(iter_events(EVENTS, now=NOW)) == expected
    assert list(iter_events(gzip.compress(EVENTS), now=NOW)) == expected


def test_columns_may_stand_in_any_order() -> None:
    """The header defines the order of columns; unknown columns are ignored."""
    events = list(iter_events(b"event,note,occurred_at,paper_id,user_id\nlike,hm,,x:1,u1\n", now=NOW))
    assert [(event.user_id, event.paper_id) for event in events] == [("u1", "x:1")]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("user_id,paper_id,event", "the header lacks occurred_at; it reads 'user_id,paper_id,event'"),
        ("u1,x:1,like,", "the header lacks user_id, paper_id, event, occurred_at"),
        (HEADER.strip() + ",event", "the header names a column twice"),
    ],
)
def test_header_is_checked(header: str, problem: str) -> None:
    """A file without the right header is refused with its first line."""
    with pytest.raises(InvalidFile, match=f"line 1: {problem}"):
        list(iter_events(f"{header}\nu1,x:1,like,\n".encode(), now=NOW))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("u1,x:1,like", "has 3 fields, but the header has 4"),
        (",x:1,like,", "user_id: must not be empty"),
        ("u 1,x:1,like,", "user_id: must contain only printable"),
        ("u1,,like,", "paper_id: must not be empty"),
        ("u1,x:1,Like,", "event: 'Like' must be written in small letters: like"),
        ("u1,x:1,like,monday", "occurred_at: 'monday' is not an ISO 8601"),
        ("u1,x:1,like,2024-03-11T12:05:01Z", "occurred_at: 2024-03-11T12:05:01Z lies in the future"),
        ('u1,"x:1"2,like,', "is not CSV"),
        ('u1,"x:1,like,', "is not CSV"),
    ],
)
def test_faults_name_line_and_column(row: str, problem: str) -> None:
    """The error names the line and the column."""
    with pytest.raises(InvalidFile, match=f"line 3: {problem}"):
        list(iter_events(f"{HEADER}u1,x:1,like,\n{row}\n".encode(), now=NOW))


def test_clocks_may_differ_by_five_minutes() -> None:
    """An event up to five minutes in the future is accepted."""
    assert len(list(iter_events(f"{HEADER}u1,x:1,like,2024-03-11T12:05:00Z\n".encode(), now=NOW))) == 1


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("folder", "count"), [("arxiv-2016-2018", 9_375), ("citeulike-a", 204_986)])
def test_real_files_are_read(folder: str, count: int) -> None:
    """The shared data sets are valid."""
    assert sum(1 for _ in iter_events(data_file(folder, "interactions.csv.gz"), now=NOW)) == count
