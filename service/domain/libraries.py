"""Libraries of users in other programs that are synced: what was read of them, and up to which version."""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LibrarySource:
    """A library of a user as it was at the last sync.

    Attributes:
        source: Names the library: ``zotero:users/123``, ``zotero:groups/7`` or ``file:/path/refs.bib``.
        version: Version of a Zotero library; 0 for a file.
        fingerprint: SHA-256 of a file in hexadecimal; empty for a Zotero library.
        chosen: Keys of the collections that were asked for; empty means the whole library.
        reached: Keys of these collections and all collections inside them, sorted.
        synced_at: UTC.
        as_interests: Whether each collection with papers is an interest of the user.
    """

    user_id: str
    source: str
    version: int
    fingerprint: str
    chosen: tuple[str, ...]
    reached: tuple[str, ...]
    synced_at: dt.datetime
    as_interests: bool = False


@dataclass(frozen=True, slots=True)
class LibraryItem:
    """An item of a synced library and its paper.

    Attributes:
        item_key: The item's key in Zotero, or a citation key.
        added_at: UTC; None if the library does not say when the item was added.
        collections: Keys of the collections that hold the item.
    """

    item_key: str
    paper_id: str
    added_at: dt.datetime | None
    collections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LibraryCollection:
    """A collection of a Zotero library; ``parent_key`` is empty at the top."""

    collection_key: str
    name: str
    parent_key: str = ""


@dataclass(frozen=True, slots=True)
class SyncedLibrary:
    """A library with its collections, in an export."""

    library: LibrarySource
    collections: tuple[LibraryCollection, ...]


@dataclass(frozen=True, slots=True)
class SyncedItem:
    """An item with the ``source`` of its library, in an export."""

    source: str
    item: LibraryItem
