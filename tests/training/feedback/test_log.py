from dataclasses import replace

import numpy as np
import pytest

from ranker.features import SCHEMA
from testing.click_log import MORNING, VERSION, logged, sent
from training.errors import TrainingError
from training.feedback.joining import LoggedEvent
from training.feedback.log import LogBuilder


def test_columns() -> None:
    """Places, places before exploration, outcomes and features stand in the order shown, slate after slate."""
    first, second = logged("a", 12, share=1.0), logged("b", 11)
    builder = LogBuilder(VERSION)
    builder.add([first], sent(first, 5))
    builder.add([], [])
    builder.add([second], [*sent(second, 4), LoggedEvent("p2", "click", MORNING, "b")])
    log = builder.built()

    assert log.users.tolist() == [0, 1]
    assert log.lengths.tolist() == [12, 11]
    assert log.shares.tolist() == [1.0, 0.0]
    assert log.depths.tolist() == [5, 4]
    assert log.slates.tolist() == [0] * 12 + [1] * 11
    assert log.places.tolist() == [*range(1, 13), *range(1, 12)]
    assert [f"p{before - 1}" for before in log.places_before[:12]] == list(first.paper_ids)
    assert log.shown.sum() == 9
    assert np.flatnonzero(log.grades).tolist() == [14]
    assert np.array_equal(log.features[:12], first.features, equal_nan=True)


def test_shown_papers_only() -> None:
    """With shown_only, other papers are dropped and shown papers keep their places."""
    slate = logged()
    builder = LogBuilder(VERSION, shown_only=True)
    builder.add([slate], [LoggedEvent(f"p{i}", "impression", MORNING, "s") for i in (1, 4, 7)])
    log = builder.built()

    assert log.places.tolist() == [2, 5, 8]
    assert log.depths.tolist() == [8]
    assert log.lengths.tolist() == [12]


def test_why_slates_are_left_out() -> None:
    """Each reason is counted, and the error gives them all if no slate is left."""
    slates = {
        "no paper shown (neither a sent event nor an impression)": logged("unseen"),
        "not scored by a model": logged("a", features_version="", width=0),
        "served by an older version, without a features_version": logged("b", features_version=""),
        "features of another bundle (ranked by m)": logged("c", features_version="other"),
        "features pruned": logged("d", width=0),
        "features of another schema": logged("e", width=3),
        "outside the given times": logged("f", as_of=MORNING + 10),
        "explored in a way unknown to this version": replace(logged("g"), action_propensities=np.full(12, 0.7)),
    }
    builder = LogBuilder(VERSION, until=MORNING + 5)
    builder.add(
        list(slates.values()), [each for slate in slates.values() if slate.slate_id != "unseen" for each in sent(slate)]
    )
    with pytest.raises(TrainingError, match=r"no slate can be used: .* \(1 slates\); .* \(1 slates\)"):
        builder.built()
    good = logged("good")
    builder.add([good], sent(good))

    assert builder.built().left_out == dict.fromkeys(slates, 1)


def test_no_slates() -> None:
    """Without any slate the error says so."""
    with pytest.raises(TrainingError, match="no slate can be used: no slate was served to a known user"):
        LogBuilder(VERSION).built()


def test_later_events_are_not_seen() -> None:
    """Events at or after the limit do not count, though their slate does."""
    slate = logged()
    builder = LogBuilder(VERSION, until=MORNING + 100)
    builder.add([slate], [*sent(slate), LoggedEvent("p1", "click", MORNING + 100, "s")])

    assert not builder.built().reacted.any()


def test_the_fingerprint_covers_the_columns() -> None:
    """Equal logs have equal fingerprints, and one more reaction changes the fingerprint."""
    prints = []
    for kinds in ((), (), ("click",)):
        slate = logged()
        builder = LogBuilder(VERSION)
        builder.add([slate], [*sent(slate), *(LoggedEvent("p1", kind, MORNING, "s") for kind in kinds)])
        prints.append(builder.built().fingerprint)

    assert prints[0] == prints[1] != prints[2]
    assert len(SCHEMA) > 3
