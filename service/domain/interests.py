"""Interests of a user: groups of papers with names and weights, found from the likes or named by the user.

Until the first edit nothing is stored: interests are clusters of the likes. The first edit writes them down. The
functions of this module edit what is written down; ``service.app.ranking.interests`` says which likes belong where.
"""

import enum
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from service.domain.errors import InvalidField

MAX_INTERESTS = 50
"""Number of interests that may be stored of one user."""
MAX_PAPERS = 2_000
"""Number of papers that one stored interest may list."""


class InterestOrigin(enum.Enum):
    """Where an interest comes from."""

    FOUND = "found"
    """A cluster of the user's likes."""
    COLLECTION = "collection"
    """A collection of a reference manager, which holds the list of papers."""
    LIST = "list"
    """Papers that the user has named."""


@dataclass(frozen=True, slots=True)
class StoredInterest:
    """An interest as it is stored.

    Attributes:
        interest_id: Unique among the interests of the user.
        paper_ids: Papers of the interest. For a found interest: the liked papers that it had at the last edit.
            Otherwise: the papers that the user gave.
        weight: Share of the interest before scaling; None until the first change of a weight. See
            ``service.app.ranking.interests``.
        merged_ids: Ids of interests that were merged into this one. These ids still lead to it.
    """

    interest_id: str
    name: str
    origin: InterestOrigin
    paper_ids: tuple[str, ...]
    weight: float | None = None
    paused: bool = False
    merged_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredInterests:
    """All that is written down about the interests of one user.

    Attributes:
        unsorted_paper_ids: Liked papers that belong to no interest, because the user took them out or deleted their
            interest. They are never grouped again, unless an interest lists them.
    """

    interests: tuple[StoredInterest, ...] = ()
    unsorted_paper_ids: frozenset[str] = frozenset()

    @property
    def paper_ids(self) -> tuple[str, ...]:
        """All papers of the interests, each once."""
        return tuple(dict.fromkeys(paper_id for each in self.interests for paper_id in each.paper_ids))

    def find(self, interest_id: str) -> StoredInterest | None:
        """Return the interest that has this id, or into which the interest of this id was merged."""
        return next((each for each in self.interests if interest_id in {each.interest_id, *each.merged_ids}), None)

    def put(self, interest: StoredInterest) -> "StoredInterests":
        """Return the interests with this one in place of the one with its id, or at the end."""
        kept = [interest if each.interest_id == interest.interest_id else each for each in self.interests]
        return replace(self, interests=tuple(kept if interest in kept else [*kept, interest]))

    def without(self, interest_ids: Collection[str]) -> "StoredInterests":
        """Return the interests without those of these ids."""
        return replace(self, interests=tuple(each for each in self.interests if each.interest_id not in interest_ids))


@dataclass(frozen=True, slots=True)
class Interest:
    """An interest as users see it.

    Attributes:
        like_count: Number of liked papers in the interest.
        weight: Share among the user's interests, 0 to 1; the weights of all interests sum to 1.
        paper_ids: Papers of the interest: the liked ones, newest like first, then the others.
        merged_ids: See ``StoredInterest``.
    """

    interest_id: str
    name: str
    origin: InterestOrigin
    weight: float
    paused: bool
    like_count: int
    paper_ids: tuple[str, ...]
    merged_ids: tuple[str, ...] = ()


def found_id(first_paper_id: str) -> str:
    """Return the id of a found interest, made from the paper with its earliest like."""
    return f"found-{hashlib.sha256(first_paper_id.encode()).hexdigest()[:16]}"


def list_id(origin: InterestOrigin, name: str) -> str:
    """Return the id of a new collection or list that was sent without one; equal names give equal ids."""
    return f"{origin.value}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def part_id(interest_id: str, paper_ids: Collection[str]) -> str:
    """Return the id of a part that is split from an interest; equal parts get equal ids."""
    key = "\x1f".join([interest_id, *sorted(paper_ids)])
    return f"part-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def written_down(stored: StoredInterests | None, present: Sequence[Interest]) -> StoredInterests:
    """Return what is stored before an edit: all present interests, those found with their present papers.

    Weights that are not fixed stay so.
    """
    before = stored or StoredInterests()
    known = {each.interest_id: each for each in before.interests}
    interests = []
    for each in present:
        held = known.get(each.interest_id)
        if held is None:
            interests.append(StoredInterest(each.interest_id, each.name, each.origin, each.paper_ids[:MAX_PAPERS]))
        elif held.origin is InterestOrigin.FOUND:
            interests.append(replace(held, paper_ids=each.paper_ids[:MAX_PAPERS]))
        else:
            interests.append(held)
    return replace(before, interests=tuple(interests))


def weighted(stored: StoredInterests, shares: Mapping[str, float], interest_id: str, weight: float) -> StoredInterests:
    """Give an interest a share; the other interests share the rest in their present proportions.

    From then on, the weights of all present interests are fixed.

    Args:
        shares: Present weight of each interest; they sum to 1.
        weight: The new share, 0 to 1.
    """
    others = [each.interest_id for each in stored.interests if each.interest_id != interest_id]
    rest = sum(shares[name] for name in others)
    fixed = {name: (1 - weight) * (shares[name] / rest if rest > 0 else 1 / len(others)) for name in others}
    fixed[interest_id] = weight if others else 1.0
    interests = tuple(replace(each, weight=fixed[each.interest_id]) for each in stored.interests)
    return replace(stored, interests=interests)


def with_papers(
    stored: StoredInterests, interest_id: str, paper_ids: Sequence[str], taken_out: Collection[str]
) -> StoredInterests:
    """Replace the papers of an interest. Found interests lose the papers that it gets, and end if they lose all.

    Args:
        taken_out: Papers of the interest that are not in ``paper_ids``; they belong to no interest that does not list
            them.
    """
    wanted = frozenset(paper_ids)
    interests = []
    for each in stored.interests:
        kept = each.paper_ids
        if each.interest_id == interest_id:
            kept = tuple(paper_ids)
        elif each.origin is InterestOrigin.FOUND:
            kept = tuple(paper_id for paper_id in kept if paper_id not in wanted)
            if each.paper_ids and not kept:
                continue
        interests.append(replace(each, paper_ids=kept))
    unsorted = (stored.unsorted_paper_ids | set(taken_out)) - wanted
    return StoredInterests(tuple(interests), unsorted)


def merged(
    stored: StoredInterests, interest_id: str, merged_ids: Sequence[str], shares: Mapping[str, float]
) -> StoredInterests:
    """Move the papers and the weights of some interests into another one, and remove those interests.

    Args:
        merged_ids: Other interests of the user, at least one.
        shares: Present weight of each interest.
    """
    parts = [each for each in stored.interests if each.interest_id in {interest_id, *merged_ids}]
    whole = next(each for each in parts if each.interest_id == interest_id)
    former = [name for each in parts if each is not whole for name in (each.interest_id, *each.merged_ids)]
    papers = dict.fromkeys(
        paper_id for each in (whole, *(part for part in parts if part is not whole)) for paper_id in each.paper_ids
    )
    is_fixed = any(each.weight is not None for each in parts)
    joined = replace(
        whole,
        paper_ids=tuple(papers)[:MAX_PAPERS],
        weight=sum(shares[each.interest_id] for each in parts) if is_fixed else None,
        merged_ids=(*whole.merged_ids, *former),
    )
    return stored.put(joined).without(merged_ids)


def split(
    stored: StoredInterests, interest_id: str, new_id: str, name: str, paper_ids: Sequence[str], share: float
) -> StoredInterests:
    """Move some papers of an interest to a new interest.

    Args:
        share: Part of the old interest's weight that the new one gets, 0 to 1.
    """
    whole = next(each for each in stored.interests if each.interest_id == interest_id)
    moved = frozenset(paper_ids)
    fixed = whole.weight
    rest = replace(
        whole,
        paper_ids=tuple(paper_id for paper_id in whole.paper_ids if paper_id not in moved),
        weight=None if fixed is None else fixed * (1 - share),
    )
    origin = InterestOrigin.FOUND if whole.origin is InterestOrigin.FOUND else InterestOrigin.LIST
    part = StoredInterest(
        new_id, name, origin, tuple(paper_ids), None if fixed is None else fixed * share, whole.paused
    )
    return stored.put(rest).put(part)


def check_room(stored: StoredInterests) -> StoredInterests:
    """Return the interests; raise InvalidField if there are too many."""
    if len(stored.interests) > MAX_INTERESTS:
        raise InvalidField("interest", f"a user may have at most {MAX_INTERESTS} interests")
    return stored
