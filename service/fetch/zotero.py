"""Changes of a Zotero library since a version, by Zotero's web API (version 3). Only reads.

The library has one version, which every change increases. All answers of one round must have the same version, so that
a round shows the library at one moment; else the round begins again. The client waits when the server asks for it
(``Backoff`` and ``Retry-After``; see ``service.fetch.http``).

pyzotero is not used: it needs a second HTTP client, sends the key along redirects, and does not notice that a library
changes between two pages.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from service.app.synced.libraries import LibraryChanges
from service.domain.errors import InvalidField, SourceUnavailable
from service.domain.libraries import LibraryCollection, LibrarySource
from service.fetch.http import Answer, Http, check_json
from service.ingest.libraries.changes import changes_of
from service.ingest.libraries.library import library_of
from service.ingest.libraries.zotero_json import NOT_PAPERS, zotero_entry
from service.ingest.problems import Problem

PAGE_SIZE = 100
MAX_ROUNDS = 5
MAX_ITEMS = 200_000
KEYS_PAGE = "https://www.zotero.org/settings/keys"
_KEY = re.compile(r"[A-Za-z0-9]{1,200}")
_LIBRARY = re.compile(r"(users|groups)/[0-9]{1,18}")
_NO_ACCESS = f"the API key is not valid, or may not read this library; {KEYS_PAGE} lists your keys and their rights"


@dataclass(frozen=True, slots=True)
class Zotero:
    """Access to a server with Zotero's API. ``key`` may be empty for a public library."""

    http: Http
    base_url: str
    key: str = field(repr=False)

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"{self.base_url.rstrip('/')}/{path}"


@dataclass(frozen=True, slots=True)
class ZoteroChanges:
    """What a round read: the changes, the items that were left out, and those that were read although at fault."""

    changes: LibraryChanges
    skipped: tuple[Problem, ...]
    repaired: tuple[Problem, ...]


class _Changed(Exception):
    """The library changed during the round."""


def check_key(text: str) -> str:
    """Return an API key without surrounding white space.

    Raises:
        InvalidField: The text is no API key. The error does not show it.
    """
    key = text.strip()
    if not _KEY.fullmatch(key):
        raise InvalidField("key", f"is not an API key of Zotero, which has letters and digits only; see {KEYS_PAGE}")
    return key


def check_library(name: str, field: str = "library") -> str:
    """Return the name of a library, if it has the form of one. ``field`` is the name of the option or setting.

    Raises:
        InvalidField: It has not.
    """
    if not _LIBRARY.fullmatch(name):
        raise InvalidField(field, f"'{name}' is not users/ID or groups/ID, with the number of a user or group")
    return name


def own_library(zotero: Zotero) -> str:
    """Return the name of the library of the key's owner.

    Raises:
        SourceUnavailable: The server does not answer, or refuses the key.
    """
    url = zotero.url("keys/current")
    answer = _ask(zotero, url, {})
    found = json.loads(answer.body)
    user = found.get("userID") if isinstance(found, dict) else None
    if not isinstance(user, int):
        raise SourceUnavailable(url, "it did not say whose key this is; is this the address of a Zotero API?")
    access = found.get("access")
    own = access.get("user") if isinstance(access, dict) else None
    if not (isinstance(own, dict) and own.get("library")):
        raise SourceUnavailable(url, f"the API key may not read its owner's library; allow it at {KEYS_PAGE}")
    return f"users/{user}"


def read_changes(
    zotero: Zotero,
    library: str,
    before: LibrarySource | None,
    known: Sequence[LibraryCollection],
    chosen: Sequence[str],
) -> ZoteroChanges | None:
    """Return what changed in a library since a sync; None if nothing did.

    Args:
        library: ``users/ID`` or ``groups/ID``.
        before: The library at the last sync; None reads everything.
        known: Its collections at that time.
        chosen: Keys of the collections to read, with the collections inside them; empty means the whole library.

    Raises:
        SourceUnavailable: The server does not answer, refuses the key, or the library changed in every round.
        InvalidField: The library has no collection of a chosen key.
    """
    chosen = tuple(sorted(set(chosen)))
    for _ in range(MAX_ROUNDS):
        # Collections that were chosen only now may hold items that have not changed since.
        old = before if before is not None and before.chosen == chosen else None
        try:
            return _Round(zotero, library).read(old, {each.collection_key: each for each in known}, chosen)
        except _Changed:
            continue
    problem = f"the library changed during each of {MAX_ROUNDS} attempts to read it; try again later"
    raise SourceUnavailable(zotero.url(library), problem)


class _Round:
    """One attempt to read a library at one version."""

    def __init__(self, zotero: Zotero, library: str) -> None:
        self._zotero = zotero
        self._library = library
        self._version: int | None = None

    def read(
        self, before: LibrarySource | None, known: Mapping[str, LibraryCollection], chosen: tuple[str, ...]
    ) -> ZoteroChanges | None:
        since = before.version if before else 0
        is_unchanged = bool(since) and self._is_unchanged(since)
        if self._version is not None and self._version < since:  # a library that was restored counts anew
            since = 0
        elif is_unchanged:
            return None
        collections = dict(known) if since else {}
        gone = self._deleted(since) if since else {"collections": [], "items": []}
        for row in self._rows("collections", since):
            found = _collection(row)
            collections[found.collection_key] = found
        for key in gone["collections"]:
            collections.pop(key, None)
        _check_chosen(chosen, collections)
        reached = _reached(chosen, collections)
        is_whole = not since or before is None or reached != before.reached
        rows = self._rows("items/top", 0 if is_whole else since, includeTrashed="1")
        found_items = _items(rows, set(reached), self._zotero.url(self._library))
        changes = replace(
            found_items.changes,
            removed=found_items.changes.removed | frozenset(gone["items"]),
            is_whole=is_whole,
            version=self._version or 0,
            chosen=chosen,
            reached=reached,
            collections=tuple(collections[key] for key in sorted(collections)),
        )
        return replace(found_items, changes=changes)

    def _is_unchanged(self, since: int) -> bool:
        query = {"since": str(since), "limit": "1"}
        return self._get("collections", query, {"If-Modified-Since-Version": str(since)}).status == 304

    def _deleted(self, since: int) -> dict[str, list[str]]:
        found = json.loads(self._get("deleted", {"since": str(since)}).body)
        lists = {name: found.get(name, []) if isinstance(found, dict) else None for name in ("collections", "items")}
        for keys in lists.values():
            if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
                raise SourceUnavailable(self._url("deleted"), "its answer is not a list of deleted keys")
        return lists  # type: ignore[return-value]  # checked above

    def _rows(self, path: str, since: int, **query: str) -> list[dict[str, Any]]:
        """Return the ``data`` of all objects that changed, from as many pages as there are."""
        return list({row["key"]: row for row in self._pages(path, since, query)}.values())

    def _pages(self, path: str, since: int, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        start, total = 0, 1
        keys: set[str] = set()
        while start < total:
            # Pages of the default order, by time of change, would shift with every change.
            order = {"sort": "dateAdded", "direction": "asc"} if path != "collections" else {}
            page = {"format": "json", "since": str(since), "limit": str(PAGE_SIZE), "start": str(start)}
            answer = self._get(path, query | order | page)
            total = self._number(answer, "Total-Results", path)
            if total > MAX_ITEMS:
                raise SourceUnavailable(self._url(path), f"it has {total:,} objects; at most {MAX_ITEMS:,} are read")
            rows = _objects(answer.body, self._url(path))
            if not rows and start < total:
                raise _Changed
            start += len(rows)
            keys.update(row["key"] for row in rows)
            yield from rows
        if len(keys) != total:
            raise _Changed

    def _get(self, path: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        answer = _ask(self._zotero, self._url(path), query, headers)
        if answer.status == 304 and "Last-Modified-Version" not in answer.headers:
            return answer
        version = self._number(answer, "Last-Modified-Version", path)
        if self._version not in {None, version}:
            raise _Changed
        self._version = version
        return answer

    def _url(self, path: str) -> str:
        return self._zotero.url(f"{self._library}/{path}")

    def _number(self, answer: Answer, name: str, path: str) -> int:
        text = answer.headers.get(name, "")
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise SourceUnavailable(self._url(path), f"it sent no {name}; is this the address of a Zotero API?")
        return int(text)


def _ask(zotero: Zotero, url: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer of 200 with JSON, or of 304.

    Raises:
        SourceUnavailable: See ``Http.ask``; also if the key or the library is refused.
        _Changed: The library changed meanwhile.
    """
    sent = {"Zotero-API-Version": "3"} | ({"Zotero-API-Key": zotero.key} if zotero.key else {}) | dict(headers or {})
    answer = zotero.http.ask(url, query, headers=sent, accepted=(200, 304, 401, 403, 404, 412), check=check_json)
    if answer.status in {401, 403} or (answer.status == 404 and url.endswith("keys/current")):
        raise SourceUnavailable(url, f"it answered {answer.status}: {_NO_ACCESS}")
    if answer.status == 404:
        raise SourceUnavailable(url, "it answered 404: there is no such library; --library names another one")
    if answer.status == 412:
        raise _Changed
    return answer


def _objects(body: bytes, url: str) -> list[dict[str, Any]]:
    """Return the ``data`` of each object of a page; each has a key."""
    found = json.loads(body)
    rows = [each.get("data") if isinstance(each, dict) else None for each in found] if isinstance(found, list) else [0]
    if not all(isinstance(row, dict) and isinstance(row.get("key"), str) for row in rows):
        raise SourceUnavailable(url, "its answer is not a list of objects with keys; is this a Zotero API?")
    return rows  # type: ignore[return-value]  # checked above


def _collection(row: Mapping[str, Any]) -> LibraryCollection:
    name, parent = row.get("name"), row.get("parentCollection")
    return LibraryCollection(
        row["key"], name if isinstance(name, str) else "", parent if isinstance(parent, str) else ""
    )


def _check_chosen(chosen: Sequence[str], collections: Mapping[str, LibraryCollection]) -> None:
    missing = [key for key in chosen if key not in collections]
    if missing:
        known = ", ".join(f"{each.collection_key} ({each.name})" for each in list(collections.values())[:30])
        raise InvalidField(
            "collection", f"the library has no collection {', '.join(missing)}; it has: {known or 'none'}"
        )


def _reached(chosen: Sequence[str], collections: Mapping[str, LibraryCollection]) -> tuple[str, ...]:
    reached, size = set(chosen), -1
    while size != len(reached):
        size = len(reached)
        reached |= {each.collection_key for each in collections.values() if each.parent_key in reached}
    return tuple(sorted(reached))


def _items(rows: Sequence[Mapping[str, Any]], reached: set[str], name: str) -> ZoteroChanges:
    """Return the papers among changed items, and the keys of the items that are none, or none any more."""
    papers, removed, collections = [], set(), {}
    for row in rows:
        listed = row.get("collections")
        of_item = tuple(sorted(key for key in listed if isinstance(key, str))) if isinstance(listed, list) else ()
        is_in = not reached or not reached.isdisjoint(of_item)
        if row.get("itemType") in NOT_PAPERS or row.get("deleted") or not is_in:
            removed.add(row["key"])
        else:
            papers.append(row)
            collections[row["key"]] = of_item
    library = library_of(map(zotero_entry, papers), name)
    changes = replace(changes_of(library, collections), removed=frozenset(removed))
    return ZoteroChanges(changes, tuple(library.skipped), tuple(library.repaired))
