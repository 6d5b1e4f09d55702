"""Reading a Zotero library: rounds at one version, rate limits, refusals and answers that are cut off."""

import datetime as dt
import json
from collections.abc import Callable, Iterator

import pytest

from service.domain.errors import InvalidField, SourceUnavailable
from service.domain.libraries import LibrarySource
from service.fetch.http import Http, RetryLimits
from service.fetch.zotero import Zotero, ZoteroChanges, check_key, check_library, own_library, read_changes
from tests.service.fetch.web_server import Request, web_server
from tests.service.fetch.zotero_server import KEY, ZoteroServer, article, zotero_server

LIBRARY = "users/475425"
NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


class Reader:
    """Reads a library again and again, as syncs do, and keeps its state; ``waits`` has the seconds of each wait."""

    def __init__(self, server: ZoteroServer, key: str = KEY) -> None:
        self.waits: list[float] = []
        limits = RetryLimits(tries=3, pause_seconds=0, wait_seconds=0)
        self.http = Http("test", limits, sleep=self.waits.append)
        self.zotero = Zotero(self.http, server.url, key)
        self.before: LibrarySource | None = None
        self.found: ZoteroChanges | None = None

    def read(self, *chosen: str) -> ZoteroChanges | None:
        """Read what changed since the last call."""
        known = self.found.changes.collections if self.found else ()
        read = read_changes(self.zotero, LIBRARY, self.before, known, chosen)
        if read is not None:
            self.found, changes = read, read.changes
            self.before = LibrarySource("ada", LIBRARY, changes.version, "", changes.chosen, changes.reached, NOW)
        return read


@pytest.fixture
def server() -> Iterator[ZoteroServer]:
    """A server with 250 articles."""
    with zotero_server() as server:
        server.put_many({f"KEY{number:05d}": article(number) for number in range(250)})
        yield server


@pytest.fixture
def reader(server: ZoteroServer) -> Iterator[Reader]:
    """A reader of the server's library."""
    reader = Reader(server)
    with reader.http:
        yield reader


def keys(read: ZoteroChanges | None) -> list[str]:
    """Return the keys of the items that were read."""
    assert read is not None
    return [item.item_key for item in read.changes.items]


def once(answer: Callable[[Request], None], path: str, start: str = "") -> Callable[[Request], bool]:
    """Return a fault that answers the first request for this page."""
    done = []

    def fault(request: Request) -> bool:
        if done or path not in request.path or request.query.get("start", "") != start:
            return False
        done.append(True)
        answer(request)
        return True

    return fault


def test_everything_and_then_changes(server: ZoteroServer, reader: Reader) -> None:
    """The first round reads all pages; later ones ask for changes only, and one request shows that there are none."""
    first = reader.read()
    assert first is not None
    assert first.changes.is_whole
    assert len(first.changes.papers) == 250
    paper = first.changes.papers[7]
    assert (paper.paper_id, paper.title) == ("doi:10.9999/moss.7", "Field notes on moss number 7")
    assert (paper.authors, paper.abstract) == (("Ida Noll7",), "What grows on wall 7.")
    assert first.changes.items[7].added_at == dt.datetime(2025, 1, 2, 3, 0, 7, tzinfo=dt.UTC)
    assert server.asked() == [f"/{LIBRARY}/collections", *[f"/{LIBRARY}/items/top"] * 3]

    assert reader.read() is None
    assert server.asked() == [f"/{LIBRARY}/collections"]

    server.put("NEW00001", **article(300))
    server.put("KEY00001", deleted=1)
    server.delete("items", "KEY00002")
    second = reader.read()
    assert keys(second) == ["NEW00001"]
    assert second is not None
    assert not second.changes.is_whole
    assert second.changes.removed == {"KEY00001", "KEY00002"}


def test_a_restored_library_is_read_whole(server: ZoteroServer, reader: Reader) -> None:
    """If the version went back, numbers of changes say nothing, and everything is read again."""
    server.version += 50
    reader.read()
    server.version = 10
    read = reader.read()
    assert read is not None
    assert (read.changes.is_whole, read.changes.version, len(keys(read))) == (True, 10, 250)


def test_what_is_no_paper(server: ZoteroServer, reader: Reader) -> None:
    """Notes and files are left out without a word, items without a title are named, and odd fields do no harm."""
    rows: dict[str, dict[str, object]] = {
        "NOTE0001": {"itemType": "note", "note": "to read"},
        "FILE0001": {"itemType": "attachment", "title": "paper.pdf"},
        "BARE0001": {"title": " "},
        "ODD00001": {"title": "Odd fields", "creators": "Ida", "date": 5, "dateAdded": "soon", "collections": 3},
        "ARXIV001": {"title": "A preprint", "itemType": "preprint", "archiveID": "arXiv:2401.00001"},
    }
    server.items.clear()
    server.put_many(rows)
    read = reader.read()
    assert read is not None
    assert keys(read) == ["ODD00001", "ARXIV001"]
    assert read.changes.papers[1].paper_id == "arxiv:2401.00001"
    assert [(problem.key, problem.reason) for problem in read.skipped] == [("BARE0001", "has no title")]
    assert read.changes.unread == {"BARE0001"}
    assert [problem.key for problem in read.repaired] == ["ODD00001"]


def test_collections(server: ZoteroServer, reader: Reader) -> None:
    """A collection is read with those inside it. Items and whole collections that leave it are removed."""
    server.put_collection("TOP00001", "Moss")
    server.put_collection("SUB00001", "Walls", "TOP00001")
    server.put_collection("OTHER001", "Sand")
    server.put("KEY00001", collections=["TOP00001"])
    server.put("KEY00002", collections=["SUB00001", "OTHER001"])
    server.put("KEY00003", collections=["OTHER001"])
    first = reader.read("TOP00001")
    assert keys(first) == ["KEY00001", "KEY00002"]
    assert first is not None
    assert first.changes.items[1].collections == ("OTHER001", "SUB00001")
    assert [(each.name, each.parent_key) for each in first.changes.collections] == [
        ("Sand", ""),
        ("Walls", "TOP00001"),
        ("Moss", ""),
    ]
    assert reader.read("TOP00001") is None

    server.put("KEY00001", collections=[])
    left = reader.read("TOP00001")
    assert left is not None
    assert (left.changes.is_whole, left.changes.removed) == (False, {"KEY00001"})

    server.delete("collections", "SUB00001")
    whole = reader.read("TOP00001")
    assert whole is not None
    assert (whole.changes.is_whole, keys(whole)) == (True, [])
    assert keys(reader.read("OTHER001")) == ["KEY00002", "KEY00003"]
    with pytest.raises(InvalidField, match=r"no collection SUB00001; it has: .*OTHER001 \(Sand\)"):
        reader.read("SUB00001")


def test_a_change_between_two_pages(server: ZoteroServer, reader: Reader) -> None:
    """A round that saw two versions begins again, so that it shows the library at one moment."""

    def change(request: Request) -> None:
        server.put("LATE0001", **article(400))
        server.answer(request)

    server.faults.append(once(change, "items/top", "100"))
    read = reader.read()
    assert len(keys(read)) == 251
    assert read is not None
    assert read.changes.version == server.version
    assert len(server.asked()) == 1 + 2 + 1 + 3


def test_a_library_that_never_rests(server: ZoteroServer, reader: Reader) -> None:
    """After five rounds the error says what happens."""

    def restless(request: Request) -> bool:
        server.version += 1
        return False

    server.faults.append(restless)
    with pytest.raises(SourceUnavailable, match="changed during each of 5 attempts"):
        reader.read()


def test_rate_limits(server: ZoteroServer, reader: Reader) -> None:
    """The reader waits as long as Retry-After says, and rests before the next request after Backoff."""
    server.faults.append(once(lambda request: request.reply(b"", 429, Retry_After="7"), "items/top", "0"))

    def slowly(request: Request) -> None:
        body = json.dumps([]).encode()
        request.reply(body, Last_Modified_Version=str(server.version), Total_Results="0", Backoff="11")

    server.faults.append(once(slowly, "collections", "0"))
    assert len(keys(reader.read())) == 250
    # The waits are only noted here, so each request within the 11 seconds asks for the rest of them.
    assert 7.0 in reader.waits
    assert any(10 < wait <= 11 for wait in reader.waits)


def test_answers_that_are_cut_off(server: ZoteroServer, reader: Reader) -> None:
    """An answer that ends too early or is no JSON is asked for again; a page without the rest begins a new round."""
    server.faults += [
        once(
            lambda request: (request.send_response(200), request.end_headers(), request.break_off()), "items/top", "0"
        ),  # type: ignore[func-returns-value]
        once(lambda request: request.reply(b'[{"key": "KEY0'), "items/top", "100"),
        once(
            lambda request: request.reply(b"[]", Last_Modified_Version=str(server.version), Total_Results="250"),
            "items/top",
            "200",
        ),
    ]
    assert len(keys(reader.read())) == 250


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[{"data": {}}]', b'[{"data": {"key": 5}}]'])
def test_another_api(server: ZoteroServer, reader: Reader, body: bytes) -> None:
    """Answers of another kind are refused, with the address."""
    headers = {"Last_Modified_Version": "5", "Total_Results": "1"}
    server.faults.append(once(lambda request: request.reply(body, **headers), "items/top", "0"))
    server.version = 5
    with pytest.raises(SourceUnavailable, match=r"items/top: its answer is not a list of objects"):
        reader.read()


def test_a_server_without_versions(reader: Reader, server: ZoteroServer) -> None:
    """A server that sends no version has no such API."""
    server.faults.append(lambda request: bool(request.reply(b"[]") or True))
    with pytest.raises(SourceUnavailable, match="sent no Last-Modified-Version; is this the address of a Zotero API"):
        reader.read()


def test_a_wrong_key(server: ZoteroServer) -> None:
    """A wrong key is refused at once, and the error names the page of the keys but not the key."""
    reader = Reader(server, "WrongWrongWrong")
    with reader.http:
        for call in (lambda: own_library(reader.zotero), reader.read):
            with pytest.raises(SourceUnavailable, match=r"403: the API key is not valid.*settings/keys") as caught:
                call()
            assert "WrongWrongWrong" not in str(caught.value)
    assert "WrongWrongWrong" not in repr(reader.zotero)
    assert len(server.asked()) == 2


def test_the_owner_of_the_key(server: ZoteroServer, reader: Reader) -> None:
    """The key tells whose library it may read; a key without this right is refused."""
    assert own_library(reader.zotero) == LIBRARY
    body = json.dumps({"userID": 5, "access": {"user": {"notes": True}}}).encode()
    server.faults.append(once(lambda request: request.reply(body), "keys/current"))
    with pytest.raises(SourceUnavailable, match="may not read its owner's library"):
        own_library(reader.zotero)


def test_a_redirect_gets_no_key(server: ZoteroServer, reader: Reader) -> None:
    """The key goes to the named server only."""
    with web_server() as other:
        server.faults.append(lambda request: bool(request.reply(b"", 302, Location=other.url) or True))
        with pytest.raises(SourceUnavailable, match="which gets no key"):
            reader.read()
        assert other.requests == []


def test_names() -> None:
    """Keys and libraries are checked before anything is sent; errors do not show a key."""
    assert check_key(f" {KEY}\n") == KEY
    with pytest.raises(InvalidField, match="letters and digits only") as caught:
        check_key("secret-key\r\nX: y")
    assert "secret" not in str(caught.value)
    assert check_library("groups/7") == "groups/7"
    for name in ("me", "users/me", "users/1/items", "groups/"):
        with pytest.raises(InvalidField, match="is not users/ID or groups/ID"):
            check_library(name)


def test_an_unknown_library(server: ZoteroServer, reader: Reader) -> None:
    """A library that is not there is named."""
    with pytest.raises(SourceUnavailable, match="users/1/collections: it answered 404"):
        read_changes(reader.zotero, "users/1", None, (), ())
