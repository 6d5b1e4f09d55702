"""What a sync stores of a library that was read."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from service.app.synced.libraries import FoundItem, LibraryChanges
from service.ingest.libraries.library import Library

_LONGEST_KEY = 150


def changes_of(library: Library, collections: Mapping[str, tuple[str, ...]] | None = None) -> LibraryChanges:
    """Return the papers and items of a library as if it were whole.

    The key of an item is that of its entry. Entries without a key, or with a key that others have too, are told apart
    by their papers.

    Args:
        collections: Keys of the collections of each item that is in one, by the item's key.
    """
    in_collections = collections or {}
    counts = Counter(entry.key for entry in library.entries)
    items: dict[str, FoundItem] = {}
    for entry, place in zip(library.entries, library.places, strict=True):
        key = entry.key
        if not key or counts[key] > 1 or len(key) > _LONGEST_KEY:
            names = f"{key}\x1f{library.papers[place].paper.paper_id}"
            key = f"{key[:80]}#{hashlib.sha256(names.encode()).hexdigest()[:32]}"
        item = FoundItem(key, place, entry.added_at, in_collections.get(entry.key, ()))
        items.setdefault(key, item)
    return LibraryChanges(
        papers=tuple(entry.paper for entry in library.papers),
        items=tuple(items.values()),
        unread=frozenset(problem.key for problem in library.skipped if problem.key),
    )


def file_changes(library: Library, fingerprint: str) -> LibraryChanges:
    """Return what a library file holds now; ``fingerprint`` is that of its content."""
    return replace(changes_of(library), fingerprint=fingerprint)
