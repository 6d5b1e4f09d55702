"""A local server with the reading part of Zotero's web API (version 3): versions, pages, deletions and conditions."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.service.fetch.web_server import Request, WebServer, web_server

KEY = "P9NiFoyLeZu2bZNvvuQPDWsd"


@dataclass
class ZoteroServer:
    """One library of user 475425 and one of group 7.

    Attributes:
        faults: Each is called with a request before it is answered, and says whether it has answered it.
    """

    web: WebServer
    version: int = 0
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    collections: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: dict[str, dict[str, int]] = field(default_factory=lambda: {"items": {}, "collections": {}})
    faults: list[Callable[[Request], bool]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The base URL."""
        return self.web.url

    def asked(self) -> list[str]:
        """Return the paths of all requests since the last call, without their queries."""
        paths = [urlsplit(path).path for path, _ in self.web.requests]
        self.web.requests.clear()
        return paths

    def put(self, key: str, **fields: Any) -> None:
        """Add or change an item, in a version of its own."""
        self.put_many({key: fields})

    def put_many(self, rows: dict[str, dict[str, Any]]) -> None:
        """Add or change items in one version."""
        self.version += 1
        for key, fields in rows.items():
            before = self.items.get(key, {"key": key, "itemType": "journalArticle", "collections": []})
            self.items[key] = before | fields | {"version": self.version}
            self.deleted["items"].pop(key, None)

    def put_collection(self, key: str, name: str, parent: str | bool = False) -> None:
        """Add or change a collection."""
        self.version += 1
        self.collections[key] = {"key": key, "name": name, "parentCollection": parent, "version": self.version}

    def delete(self, kind: str, key: str) -> None:
        """Delete an item or a collection permanently, without the trash."""
        self.version += 1
        getattr(self, kind).pop(key)
        self.deleted[kind][key] = self.version

    def answer(self, request: Request) -> None:
        """Answer as the web API does."""
        if any(fault(request) for fault in list(self.faults)):
            return
        path = urlsplit(request.path).path.strip("/")
        if request.headers.get("Zotero-API-Key") != KEY:
            request.reply(b"Invalid key", 403)
        elif path == "keys/current":
            access = {"user": {"library": True, "files": True}, "groups": {"all": {"library": True}}}
            self._send(request, {"key": KEY, "userID": 475425, "username": "Z", "access": access})
        elif path.startswith(("users/475425/", "groups/7/")):
            self._answer_library(request, path.split("/", 2)[2])
        else:
            request.reply(b"Not found", 404)

    def _answer_library(self, request: Request, path: str) -> None:
        query, known = request.query, request.headers.get("If-Modified-Since-Version")
        since = int(query.get("since", "0"))
        if known is not None and int(known) >= self.version:
            request.reply(b"", 304, Last_Modified_Version=str(self.version))
        elif path == "deleted":
            gone = {kind: [key for key, at in keys.items() if at > since] for kind, keys in self.deleted.items()}
            self._send(request, gone | {"searches": [], "tags": [], "settings": []})
        else:
            rows = list((self.items if path == "items/top" else self.collections).values())
            if query.get("includeTrashed") != "1":
                rows = [row for row in rows if not row.get("deleted")]
            rows = [row for row in rows if row["version"] > since]
            start, limit = int(query.get("start", "0")), min(int(query.get("limit", "25")), 100)
            page = [
                {"key": row["key"], "version": row["version"], "library": {}, "data": row}
                for row in rows[start : start + limit]
            ]
            self._send(request, page, Total_Results=str(len(rows)))

    def _send(self, request: Request, body: Any, **headers: str) -> None:
        request.reply(json.dumps(body).encode(), Last_Modified_Version=str(self.version), **headers)


def article(number: int, **fields: Any) -> dict[str, Any]:
    """Return the fields of an article, as Zotero has them."""
    return {
        "title": f"Field notes on moss number {number}",
        "creators": [{"creatorType": "author", "firstName": "Ida", "lastName": f"Noll{number}"}],
        "abstractNote": f"What grows on wall {number}.",
        "DOI": f"10.9999/moss.{number}",
        "date": "2024-05-06",
        "dateAdded": f"2025-01-02T03:{number // 60 % 60:02d}:{number % 60:02d}Z",
    } | fields


@contextmanager
def zotero_server() -> Iterator[ZoteroServer]:
    """Run a server with an empty library on a free port."""
    with web_server() as web:
        server = ZoteroServer(web)
        web.answer = server.answer
        yield server
