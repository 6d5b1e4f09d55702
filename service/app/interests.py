"""Use cases over interests: they are listed, created, changed, merged, split and deleted.

Every edit writes down all present interests of the user first; see ``service.domain.interests``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ranker.profile.joining import halves
from service.app.catalog import resolve_distinct
from service.app.ports import Clock, Store, Transaction
from service.app.ranking.prepared_user import PreparedUser
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.serving import ServingSlot
from service.domain.errors import InvalidField, NotFound
from service.domain.interests import (
    MAX_PAPERS,
    Interest,
    InterestOrigin,
    StoredInterest,
    StoredInterests,
    check_room,
    list_id,
    merged,
    part_id,
    split,
    weighted,
    with_papers,
    written_down,
)
from service.domain.papers import check_id, check_text

MAX_NAME = 200
EDITABLE = ("name", "weight", "paused", "paper_ids")


@dataclass(frozen=True)
class InterestChange:
    """New values of an interest; None leaves a value as it is. ``paper_ids`` may be aliases."""

    name: str | None = None
    weight: float | None = None
    paused: bool | None = None
    paper_ids: Sequence[str] | None = None


@dataclass(frozen=True)
class _Present:
    """The interests of a user at the start of an edit.

    Attributes:
        user: The user as prepared for ranking; it has the interests as users see them.
        stored: The same interests, written down.
    """

    tx: Transaction
    user: PreparedUser
    stored: StoredInterests

    @property
    def shares(self) -> dict[str, float]:
        """The weight of each interest."""
        return {each.interest_id: each.weight for each in self.user.interests}

    def find(self, interest_id: str, field: str = "interest_id") -> StoredInterest:
        """Return the interest of this id; raise NotFound if there is none."""
        if (found := self.stored.find(interest_id)) is None:
            raise NotFound("interest", interest_id, field=field)
        return found

    def seen(self, interest: StoredInterest) -> Interest:
        """Return the interest as users see it."""
        return next(each for each in self.user.interests if each.interest_id == interest.interest_id)


class Interests:
    """Use cases over the interests of users.

    Args:
        serving: Gives the vectors that group likes into interests.
        users: Cache of prepared users.
    """

    def __init__(self, store: Store, clock: Clock, serving: ServingSlot, users: PreparedUsers) -> None:
        self._store = store
        self._clock = clock
        self._serving = serving
        self._users = users

    def of_user(self, user_id: str) -> tuple[Interest, ...]:
        """Return the interests of a user with all their papers.

        Raises:
            NotFound: The user is unknown.
        """
        user_id = check_id(user_id, "user_id")
        with self._store.read() as tx:
            version = tx.users.version(user_id)
            if version is None:
                raise NotFound("user", user_id, field="user_id")
            return self._prepared(tx, user_id, version).interests

    def create(
        self, user_id: str, interest_id: str, name: str, origin: InterestOrigin, paper_ids: Sequence[str]
    ) -> Interest:
        """Add a collection or a list; create the user if needed. A repeat with equal values changes nothing.

        Args:
            interest_id: Empty derives the id from origin and name.
            paper_ids: Ids or aliases of stored papers.

        Raises:
            InvalidField: A value breaks a rule, or another interest has this id.
            NotFound: A paper is unknown.
        """
        if origin is InterestOrigin.FOUND:
            raise InvalidField("interest.origin", "must be COLLECTION or LIST: interests are found by the service")
        name = _check_name(name)
        wanted_id = check_id(interest_id, "interest_id") if interest_id else list_id(origin, name)

        def edit(present: _Present) -> StoredInterests:
            papers = _resolved(present.tx, paper_ids)
            new = StoredInterest(wanted_id, name, origin, papers)
            held = present.stored.find(wanted_id)
            if held is not None:
                if (held.name, held.origin, held.paper_ids) != (name, origin, papers):
                    raise InvalidField("interest_id", "is already the id of another interest of this user")
                return present.stored
            added = with_papers(present.stored.put(new), wanted_id, papers, ())
            return check_room(added)

        return self._edited(user_id, edit, wanted_id, creates=True)

    def update(self, user_id: str, interest_id: str, change: InterestChange) -> Interest:
        """Change an interest and return it.

        Raises:
            InvalidField: A value breaks a rule.
            NotFound: The user, the interest or a paper is unknown.
        """
        if change.weight is not None and not 0 <= change.weight <= 1:
            raise InvalidField("interest.weight", f"is {change.weight}; must be between 0 and 1")
        name = None if change.name is None else _check_name(change.name)

        def edit(present: _Present) -> StoredInterests:
            interest, stored = present.find(interest_id), present.stored
            if change.paper_ids is not None:
                papers = _resolved(present.tx, change.paper_ids)
                taken_out = set(present.seen(interest).paper_ids) - set(papers)
                stored = with_papers(stored, interest.interest_id, papers, taken_out & present.user.liked_ids)
            if change.weight is not None:
                stored = weighted(stored, present.shares, interest.interest_id, change.weight)
            changed = stored.find(interest_id) or interest
            paused = changed.paused if change.paused is None else change.paused
            return stored.put(replace(changed, name=name or changed.name, paused=paused))

        return self._edited(user_id, edit, interest_id)

    def delete(self, user_id: str, interest_id: str) -> None:
        """Delete an interest. Its likes stay likes, and belong to no interest; do nothing if there is no such interest.

        Raises:
            NotFound: The user is unknown.
        """

        def edit(present: _Present) -> StoredInterests:
            held = present.stored.find(interest_id)
            if held is None:
                return present.stored
            stored = present.stored.without([held.interest_id])
            listed = set(stored.paper_ids)
            lost = {each for each in present.seen(held).paper_ids if each not in listed} & present.user.liked_ids
            return replace(stored, unsorted_paper_ids=stored.unsorted_paper_ids | lost)

        self._edit(user_id, edit)

    def merge(self, user_id: str, interest_id: str, merged_ids: Sequence[str]) -> Interest:
        """Merge interests into another one and return it. A repeat changes nothing.

        Raises:
            InvalidField: No interest is named.
            NotFound: The user or an interest is unknown.
        """
        if not merged_ids:
            raise InvalidField("merged_interest_ids", "must name at least one interest")

        def edit(present: _Present) -> StoredInterests:
            whole = present.find(interest_id)
            parts = [
                present.find(each, f"merged_interest_ids[{place}]").interest_id for place, each in enumerate(merged_ids)
            ]
            others = [each for each in dict.fromkeys(parts) if each != whole.interest_id]
            return merged(present.stored, whole.interest_id, others, present.shares) if others else present.stored

        return self._edited(user_id, edit, interest_id)

    def split(
        self, user_id: str, interest_id: str, paper_ids: Sequence[str], new_id: str, name: str
    ) -> tuple[Interest, Interest]:
        """Move papers of an interest to a new one; return both, the new one last.

        Args:
            paper_ids: Papers to move; empty moves the smaller of the two groups that differ most.
            new_id: Id of the new interest. If the user has such an interest already, nothing changes. Empty derives it.
            name: Name of the new interest; empty names it after its papers.

        Raises:
            InvalidField: The papers are all or none of the interest, or too few to be split.
            NotFound: The user, the interest or a paper is unknown.
        """
        new_id = check_id(new_id, "new_interest_id") if new_id else ""
        chosen: list[str] = []

        def edit(present: _Present) -> StoredInterests:
            moved = list(_resolved(present.tx, paper_ids, "paper_ids"))
            wanted_id = new_id or (part_id(interest_id, moved) if moved else "")
            chosen[:] = [wanted_id]
            if wanted_id and present.stored.find(wanted_id) is not None:
                return present.stored
            whole = present.find(interest_id)
            own = present.seen(whole).paper_ids
            moved = moved or self._smaller_half(present, own)
            if not set(moved) < set(own):
                raise InvalidField("paper_ids", "must be some of the papers of the interest, and not all of them")
            chosen[:] = [wanted_id or part_id(interest_id, moved)]
            # The rest is written down too, or it would be sorted again.
            rest = [each for each in own if each not in set(moved)]
            stored = with_papers(present.stored, whole.interest_id, [*rest, *moved], ())
            title = _check_name(name) if name else self._name_of(present, moved)
            return check_room(split(stored, whole.interest_id, chosen[0], title, moved, len(moved) / len(own)))

        found = self._edit(user_id, edit)
        return _one(found, interest_id), _one(found, chosen[0])

    def _prepared(self, tx: Transaction, user_id: str, version: int) -> PreparedUser:
        return self._users.find(tx, self._serving.choice().of(user_id), user_id, version)

    def _edited(
        self, user_id: str, edit: Callable[[_Present], StoredInterests], interest_id: str, *, creates: bool = False
    ) -> Interest:
        return _one(self._edit(user_id, edit, creates=creates), interest_id)

    def _edit(
        self, user_id: str, edit: Callable[[_Present], StoredInterests], *, creates: bool = False
    ) -> tuple[Interest, ...]:
        """Store the result of an edit, if it differs from what is stored, and return the interests after it."""
        user_id = check_id(user_id, "user_id")
        with self._store.write() as tx:
            if not creates and tx.users.version(user_id) is None:
                raise NotFound("user", user_id, field="user_id")
            now = self._clock.now()
            tx.users.lock_preferences(user_id, now)
            # Read after the lock, so that no edit is lost.
            version = tx.users.version(user_id) or 0
            user = self._prepared(tx, user_id, version)
            held = user.state.interests if user.state else None
            present = _Present(tx, user, written_down(held, user.interests))
            wanted = edit(present)
            if wanted not in (held, present.stored):
                tx.users.save_interests(user_id, wanted, now)
        # In a transaction of its own: the cache must not keep what may be rolled back.
        return self.of_user(user_id)

    def _smaller_half(self, present: _Present, paper_ids: Sequence[str]) -> list[str]:
        user_id = present.user.state.user_id if present.user.state else ""
        vectors = present.tx.papers.vectors(paper_ids, self._serving.choice().of(user_id).encoder)
        known = [paper_id for paper_id in paper_ids if paper_id in vectors]
        if len(known) < 2:
            raise InvalidField("paper_ids", "must be given: too few papers of the interest have vectors")
        units = np.array([vectors[each] for each in known], dtype=np.float32)
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        return [paper_id for paper_id, is_moved in zip(known, halves(units), strict=True) if is_moved]

    def _name_of(self, present: _Present, paper_ids: Sequence[str]) -> str:
        papers = present.tx.papers.find_many(paper_ids)
        return present.user.name_of([papers[each].title for each in paper_ids if each in papers])


def _one(interests: Sequence[Interest], interest_id: str) -> Interest:
    """Return the interest of this id; raise NotFound if a concurrent edit has removed it."""
    for each in interests:
        if interest_id in {each.interest_id, *each.merged_ids}:
            return each
    raise NotFound("interest", interest_id, field="interest_id")


def _resolved(tx: Transaction, names: Sequence[str], field: str = "interest.paper_ids") -> tuple[str, ...]:
    """Return the ids of papers, each once."""
    if len(names) > MAX_PAPERS:
        raise InvalidField(field, f"has {len(names)} entries; at most {MAX_PAPERS} are allowed")
    return resolve_distinct(tx, names, field)


def _check_name(name: str) -> str:
    return check_text(name, "interest.name", max_length=MAX_NAME, required=True)
