"""Edits of written-down interests: weights, papers, merges and splits, without a store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.interests import (
    MAX_INTERESTS,
    InterestOrigin,
    StoredInterest,
    StoredInterests,
    check_room,
    merged,
    split,
    weighted,
    with_papers,
)

FOUND, LIST = InterestOrigin.FOUND, InterestOrigin.LIST


def stored(*weights: float | None, origin: InterestOrigin = FOUND) -> StoredInterests:
    """Return interests i0, i1 and so on with these weights, each with two papers of its own."""
    return StoredInterests(
        tuple(
            StoredInterest(f"i{place}", f"Name {place}", origin, (f"p{place}", f"q{place}"), weight)
            for place, weight in enumerate(weights)
        )
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 1))
def test_weights_sum_to_one(shares: list[float], weight: float) -> None:
    """After a change the weights sum to 1, the chosen one is as asked, and the others keep their proportions."""
    total = sum(shares)
    before = {f"i{place}": share / total if total else 1 / len(shares) for place, share in enumerate(shares)}

    found = weighted(stored(*([None] * len(shares))), before, "i0", weight)

    after = {each.interest_id: each.weight or 0.0 for each in found.interests}
    assert sum(after.values()) == pytest.approx(1)
    if len(shares) > 1:
        assert after["i0"] == weight
    rest = sum(before[name] for name in before if name != "i0")
    if rest > 1e-9:
        for name in list(before)[1:]:
            assert after[name] == pytest.approx((1 - weight) * before[name] / rest)


def test_papers_move_between_found_interests() -> None:
    """A paper leaves the found interest that had it, and lists keep theirs; a found interest without papers ends."""
    both = StoredInterests((*stored(None, None).interests, *stored(origin=LIST).interests))
    named = both.put(StoredInterest("named", "Named", LIST, ("p1", "q1")))

    found = with_papers(named, "i0", ("p0", "p1", "q1"), {"q0"})

    assert {each.interest_id: each.paper_ids for each in found.interests} == {
        "i0": ("p0", "p1", "q1"),
        "named": ("p1", "q1"),
    }
    assert found.unsorted_paper_ids == {"q0"}
    assert with_papers(found, "named", ("q0",), ()).unsorted_paper_ids == frozenset()


def test_merge_adds_papers_weights_and_ids() -> None:
    """The merged interest has all papers once, the sum of the weights and all former ids."""
    shares = {"i0": 0.5, "i1": 0.3, "i2": 0.2}
    once = merged(stored(0.5, 0.3, 0.2), "i2", ["i0"], shares)
    (whole,) = merged(once, "i1", ["i2"], {"i1": 0.3, "i2": 0.7}).interests
    assert whole.weight == pytest.approx(1)
    assert set(whole.paper_ids) == {"p0", "q0", "p1", "q1", "p2", "q2"}
    assert set(whole.merged_ids) == {"i0", "i2"}
    (free,) = merged(stored(None, None), "i0", ["i1"], {"i0": 0.9, "i1": 0.1}).interests
    assert free.weight is None


def test_split_divides_papers_and_weight() -> None:
    """The new part gets the papers and its share of a fixed weight; of a list it is a list."""
    found = split(stored(0.6, 0.4), "i0", "part", "Part", ["q0"], 0.5)
    assert [(each.interest_id, each.paper_ids, each.weight) for each in found.interests] == [
        ("i0", ("p0",), 0.3),
        ("i1", ("p1", "q1"), 0.4),
        ("part", ("q0",), 0.3),
    ]
    assert split(stored(None, origin=LIST), "i0", "part", "Part", ["q0"], 0.5).interests[1].origin is LIST


def test_no_room() -> None:
    """One interest more than allowed is refused."""
    assert check_room(stored(*([None] * MAX_INTERESTS)))
    with pytest.raises(InvalidField, match="at most"):
        check_room(stored(*([None] * (MAX_INTERESTS + 1))))
