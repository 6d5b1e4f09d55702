import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.events import EventType
from service.domain.states import DECIDING_EVENTS, verdicts
from training.data.reactions import GRADED_EVENTS, Event, reactions_of
from training.data.snapshot import CLICKED, LIKED, SAVED

UNKNOWN = float("nan")


@pytest.mark.parametrize(
    ("kinds", "grade"),
    [
        ("like", LIKED),
        ("save", SAVED),
        ("click", CLICKED),
        ("click like", LIKED),
        ("like save", LIKED),
        ("save click", SAVED),
        ("click dislike", 0),
        ("click dismiss", 0),
        ("dismiss click", 0),
        ("like dismiss", LIKED),
        ("like dislike", 0),
        ("dislike like", LIKED),
        ("dislike click", 0),
        ("like unlike", None),
        ("click like unlike", None),
        ("like unlike click", CLICKED),
        ("dislike unlike", None),
        ("dismiss dislike unlike", 0),
        ("sent impression complaint", None),
    ],
)
def test_grades(kinds: str, grade: int | None) -> None:
    """The events of one user and paper, in this order, give this grade."""
    found = reactions_of(Event("u", 7, kind, float(time)) for time, kind in enumerate(kinds.split()))
    parts = (found.likes, found.clicks, found.dislikes)
    assert [int(each) for part in parts for each in part.grades] == ([] if grade is None else [grade])
    assert len(found.dislikes) == (grade == 0)


def test_times_and_users() -> None:
    """Events count in the order of time, unknown times first; a like has its first time, a dislike its last."""
    found = reactions_of(
        [
            Event("b", 1, "like", 9.0),
            Event("b", 1, "like", 4.0),
            Event("b", 2, "unlike", UNKNOWN),
            Event("b", 2, "like", 1.0),
            Event("a", 3, "dismiss", 2.0),
            Event("a", 3, "dislike", 5.0),
            Event("c", 3, "save", UNKNOWN),
        ]
    )
    assert found.users == ("a", "b", "c")
    assert found.likes.users.tolist() == [1, 1, 2]
    assert found.likes.papers.tolist() == [2, 1, 3]
    assert found.likes.liked_at.tolist()[:2] == [1.0, 4.0]
    assert math.isnan(found.likes.liked_at[2])
    assert (found.dislikes.users.tolist(), found.dislikes.liked_at.tolist()) == ([0], [5.0])


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(DECIDING_EVENTS), st.one_of(st.none(), st.integers(0, 3))),
        max_size=14,
    )
)
def test_training_agrees_with_the_service(given: list[tuple[int, EventType, int | None]]) -> None:
    """For any events, training and service agree on the liked and the disliked papers."""
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    found = reactions_of(
        Event("u", paper, kind.value, UNKNOWN if at is None else float(at)) for paper, kind, at in given
    )
    in_order = sorted(given, key=lambda each: -1 if each[2] is None else each[2])
    served = verdicts(
        (str(paper), kind, None if at is None else start + dt.timedelta(seconds=at)) for paper, kind, at in in_order
    )
    assert {str(paper) for paper in found.likes.papers} == {like.paper_id for like in served.likes}
    assert {str(paper) for paper in found.dislikes.papers} == {each.paper_id for each in served.dislikes}


def test_all_kinds_are_known() -> None:
    """Every kind of event that the service records has a grade, except those that do not change any reaction."""
    assert {kind.value for kind in EventType} - GRADED_EVENTS == {"impression", "sent", "complaint"}
    assert {kind.value for kind in EventType} >= GRADED_EVENTS
