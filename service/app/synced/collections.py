"""The collections of a synced library as interests of the user (docs/adr/0039).

An interest follows what changes in its collection. What the user did to the interest in paperfeed stays: another name,
papers taken out or added, a merge, a deletion.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from service.domain.interests import (
    MAX_INTERESTS,
    MAX_PAPERS,
    InterestOrigin,
    StoredInterest,
    StoredInterests,
    with_papers,
)
from service.domain.libraries import LibraryCollection, LibraryItem

MAX_NAME = 200


@dataclass(frozen=True)
class Collections:
    """The collections of a library at one time.

    Attributes:
        names: Name of each collection by key.
        papers: Papers of each collection by key, newest item first; collections without papers are missing.
    """

    names: Mapping[str, str]
    papers: Mapping[str, Sequence[str]]


def collections_of(
    collections: Iterable[LibraryCollection], items: Iterable[LibraryItem], reached: Collection[str]
) -> Collections:
    """Return the collections with the papers that lie in them, without those of the collections inside them.

    Args:
        reached: Keys of the collections that are read; empty means all.
    """
    names = {each.collection_key: " ".join(each.name.split())[:MAX_NAME] or each.collection_key for each in collections}
    papers: dict[str, dict[str, None]] = defaultdict(dict)
    in_time = sorted(items, key=lambda item: (item.added_at is not None, item.added_at, item.item_key), reverse=True)
    for item in in_time:
        for key in item.collections:
            if key in names and (not reached or key in reached):
                papers[key][item.paper_id] = None
    return Collections(names, {key: tuple(found) for key, found in papers.items()})


def follow(
    stored: StoredInterests, source: str, before: Collections | None, now: Collections
) -> tuple[StoredInterests, int]:
    """Return the interests after a sync, and the number of collections that found no room among them.

    Args:
        source: Names the library.
        before: The collections at the last sync; None if they were no interests then.
    """
    old = before or Collections({}, {})
    left_out = 0
    # The largest collections come first, because a user has a limited number of interests.
    for key in sorted({*old.papers, *now.papers}, key=lambda key: (-len(now.papers.get(key, ())), key)):
        interest_id = f"{source}/{key}"
        held, papers, had = stored.find(interest_id), now.papers.get(key, ()), old.papers.get(key, ())
        if held is not None:
            stored = _changed(stored, held, interest_id, papers, had, old.names.get(key, ""), now.names.get(key, ""))
        elif papers and not had:
            # A collection with papers that is no interest any more was deleted by the user.
            if len(stored.interests) >= MAX_INTERESTS:
                left_out += 1
                continue
            name, listed = now.names[key], tuple(papers[:MAX_PAPERS])
            stored = stored.put(StoredInterest(interest_id, name, InterestOrigin.COLLECTION, listed))
            stored = with_papers(stored, interest_id, listed, ())
    return stored, left_out


def _changed(
    stored: StoredInterests,
    held: StoredInterest,
    interest_id: str,
    papers: Sequence[str],
    had: Sequence[str],
    old_name: str,
    new_name: str,
) -> StoredInterests:
    """Return the interests after the collection of one has changed its papers from ``had`` to ``papers``."""
    gone, new = set(had) - set(papers), [each for each in papers if each not in {*had, *held.paper_ids}]
    listed = (*new, *(each for each in held.paper_ids if each not in gone))[:MAX_PAPERS]
    if not listed:
        return stored.without([held.interest_id])
    is_own = held.interest_id == interest_id
    name = new_name if is_own and new_name and held.name == old_name else held.name
    if (name, listed) == (held.name, held.paper_ids):
        return stored
    return with_papers(stored.put(replace(held, name=name)), held.interest_id, listed, ())
