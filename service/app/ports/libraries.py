"""The store of synced libraries."""

from collections.abc import Collection, Sequence
from typing import Protocol

from service.domain.libraries import LibraryCollection, LibraryItem, LibrarySource


class LibraryStore(Protocol):
    """Synced libraries. Everything of a user is deleted with the user, and an item with its paper."""

    def find(self, user_id: str, source: str) -> LibrarySource | None:
        """Return the library as it was at its last sync; None if it was never synced."""

    def of_user(self, user_id: str) -> list[LibrarySource]:
        """Return all libraries of a user, in order of source."""

    def save(self, library: LibrarySource) -> None:
        """Store the state of a library. The user must exist."""

    def items(self, user_id: str, source: str) -> dict[str, LibraryItem]:
        """Return all items of a library by key."""

    def put_items(self, user_id: str, source: str, items: Sequence[LibraryItem]) -> None:
        """Store items, which replace items of the same key. Their papers must be known."""

    def drop_items(self, user_id: str, source: str, item_keys: Sequence[str]) -> None:
        """Remove items; unknown keys do no harm."""

    def held(self, user_id: str, paper_ids: Collection[str]) -> set[str]:
        """Return those of the papers that an item of any of the user's libraries has."""

    def collections(self, user_id: str, source: str) -> list[LibraryCollection]:
        """Return the collections of a library, by key."""

    def replace_collections(self, user_id: str, source: str, collections: Sequence[LibraryCollection]) -> None:
        """Store all collections of a library in place of those before."""
