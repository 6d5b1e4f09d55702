"""The filter of the users that a bundle was trained on."""

import hashlib

import numpy as np
import pytest

from ranker.bundle.learned_users import LEARNED_USERS, code_of_id, learned_params, which_learned


def hashes(*user_ids: str) -> list[str]:
    return [hashlib.sha256(user_id.encode()).hexdigest() for user_id in user_ids]


def codes(*user_ids: str) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([code_of_id(user_id) for user_id in user_ids], dtype=np.int64)


def test_no_learned_user_is_missed() -> None:
    """Every user of every source is found, and of 5,000 others almost none."""
    ours, others = ([f"{kind}-{number}" for number in range(5_000)] for kind in ("ours", "other"))
    params = learned_params([("database", codes(*ours[:2_000])), ("export", codes(*ours[2_000:]))])

    assert which_learned(params, hashes(*ours)) == hashes(*ours)
    found = which_learned(params, hashes(*others))
    assert found is not None
    assert len(found) <= 2
    assert params[LEARNED_USERS]["sources"] == ["database", "export"]


def test_users_are_inherited() -> None:
    """A bundle that was trained on top of another one also learned from the users of that one."""
    base = learned_params([("database", codes("ada"))])
    params = learned_params([("slates", codes("bob"))], base)

    assert which_learned(params, hashes("ada", "bob", "cleo")) == hashes("ada", "bob")
    assert params[LEARNED_USERS]["sources"] == ["database", "slates"]


def test_unknown_stays_unknown() -> None:
    """Without a record nothing is known, and neither about a bundle on top; with an empty record no user is found."""
    assert which_learned({}, hashes("ada")) is None
    assert learned_params([("slates", codes("bob"))], {}) == {}
    assert which_learned(learned_params([]), hashes("ada")) == []


@pytest.mark.parametrize("data", ["", "AAAA", "%", 7, learned_params([])[LEARNED_USERS]["filter"][:-8]])
def test_damage(data: object) -> None:
    """A damaged filter is an error; it never says that a user was not learned."""
    with pytest.raises(ValueError, match="is damaged"):
        which_learned({LEARNED_USERS: {"sources": [], "filter": data}}, hashes("ada"))
