import numpy as np
import pytest

from testing.click_log import MORNING, logged
from training.data.snapshot import CLICKED, LIKED, SAVED
from training.feedback.joining import WINDOW_DAYS, LoggedEvent, outcomes_of

DAY = 86_400.0


def event(paper_id: str, kind: str, days: float = 0.1, slate_id: str = "s") -> LoggedEvent:
    """Return an event so many days after the slate was made."""
    return LoggedEvent(paper_id, kind, MORNING + days * DAY, slate_id)


def test_shown_and_graded() -> None:
    """Papers sent, seen or reacted to were shown; dismissed and untouched papers have the grade 0."""
    events = [event(f"p{i}", "sent") for i in range(4)]
    events += [event("p1", "click"), event("p2", "save"), event("p3", "click"), event("p3", "dismiss")]
    events += [event("p5", "impression"), event("p7", "like"), event("p8", "unlike"), event("p9", "complaint")]
    (outcome,) = outcomes_of([logged()], events)

    assert np.flatnonzero(outcome.shown).tolist() == [0, 1, 2, 3, 5, 7]
    assert outcome.grades.tolist() == [0, CLICKED, SAVED, 0, 0, 0, 0, LIKED, 0, 0, 0, 0]


def test_days_later() -> None:
    """An event that names its slate joins it at any time; a like that is taken back later has no grade."""
    events = [event("p0", "click", 200), event("p1", "like", 3), event("p1", "unlike", 90)]
    (outcome,) = outcomes_of([logged()], events)

    assert outcome.grades.tolist() == [CLICKED] + [0] * 11
    assert outcome.shown.tolist() == [True, True] + [False] * 10


@pytest.mark.parametrize(
    ("days", "joined"),
    [(0.0, "new"), (5.0, "new"), (WINDOW_DAYS, "new"), (WINDOW_DAYS + 0.01, None), (-1.0, "old"), (-20.0, None)],
)
def test_events_without_a_slate(days: float, joined: str | None) -> None:
    """They join the latest slate of the two weeks before them that holds the paper, if there is one."""
    slates = [logged("old", as_of=MORNING - 10 * DAY), logged("new"), logged("without", 3, as_of=MORNING)]
    outcomes = outcomes_of(slates, [event("p9", "click", days, "")])

    found = [slate.slate_id for slate, outcome in zip(slates, outcomes, strict=True) if outcome.grades.any()]
    assert found == ([joined] if joined else [])


def test_events_that_belong_nowhere() -> None:
    """Events with an unknown slate, with a paper that the slate lacks, or without slate and time join no slate."""
    timeless = LoggedEvent("p0", "click", float("nan"), "")
    named = LoggedEvent("p1", "click", float("nan"), "s")
    events = [event("p0", "click", slate_id="gone"), event("x", "click"), timeless, named]
    (outcome,) = outcomes_of([logged()], events)

    assert np.flatnonzero(outcome.shown).tolist() == [1]
