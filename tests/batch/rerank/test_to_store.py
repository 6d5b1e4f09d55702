"""Precomputed slates are served as long as the data they were made from has not changed."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from batch.cluster import Cluster
from batch.rerank.to_store import store_slates
from paperfeed.v1.catalog_pb2 import DeleteDigestRequest, GetDigestRequest, UpsertDigestRequest
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_NEW_USER,
    FALLBACK_REASON_NONE,
    FALLBACK_REASON_OVERLOAD,
    GetFeedRequest,
    GetFeedResponse,
    GetSlateRequest,
    Slate,
)
from paperfeed.v1.profile_pb2 import ExportUserRequest
from ranker.bundle.bundle import load_bundle
from ranker.features import SCHEMA
from service.domain.papers import Digest
from service.storage import open_store
from testing.calls import at, record
from testing.servers import Service, copied, serving
from tests.batch.reranks import Rerank, assert_agree, said
from tests.batch.worlds import DIGEST, NOW, fill
from tests.rpc.feed_calls import prefer, shown

PAGE = 10
USER = "u00042"
NEW_USER = "u00003"


@pytest.fixture(scope="module")
def template(bundle: Path, threads: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of fifty users with precomputed slates made just now; not to be written to."""
    folder = tmp_path_factory.mktemp("to_store")
    world = fill(f"sqlite:///{folder / 'world.db'}", 50)
    rerank = Rerank(bundle, load_bundle(bundle, encoder=None).version, folder / "out")
    made_at = dt.datetime.now(dt.UTC)
    outcome = rerank.run(rerank.request(world, as_of=made_at, page_size=PAGE, with_features=True), threads)
    store = open_store(world.url)
    try:
        assert store_slates(rerank.out, outcome.manifest, store, lambda _count: None) == 50
    finally:
        store.dispose()
    return folder / "world.db"


Start = Callable[..., Service]


@pytest.fixture(scope="module")
def start(template: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts servers, each on a copy of the database of its own."""
    with ExitStack() as stack:

        def started(**settings: Any) -> Service:
            url = copied(template, tmp_path_factory.mktemp("served"))
            options = {"bundle": str(bundle), "precomputed": "always", **settings}
            return stack.enter_context(serving(url, embeds=False, **options))

        yield started


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """A server that serves precomputed slates whenever they fit; each test that writes has a user of its own."""
    return start()


def feed(service: Service, user: str = USER, **fields: Any) -> Slate:
    """Request a plain feed, as most calls do."""
    return page(service, user, **fields).slate


def page(service: Service, user: str = USER, **fields: Any) -> GetFeedResponse:
    """Request one page of a plain feed."""
    wish = {"user_id": user, "digest_id": DIGEST, "page_size": PAGE, "explain": True} | fields
    return service.client.feeds.GetFeed(GetFeedRequest(**wish))


def is_precomputed(answer: Slate) -> bool:
    """Return whether a feed ends where the precomputed slate does; other feeds are longer."""
    return bool(answer.total_size == PAGE)


def test_equals_a_computed_feed(service: Service) -> None:
    """A precomputed feed agrees with a feed computed for the same time, and is logged as a slate of its own."""
    ready, again = feed(service), feed(service)
    slate = service.client.feeds.GetSlate(GetSlateRequest(slate_id=ready.slate_id)).slate

    made = feed(service, as_of=slate.as_of)

    assert is_precomputed(ready)
    assert_agree(said(ready), said(made))
    assert [item.paper for item in ready.items] == [item.paper for item in made.items]
    assert ready.model_version == made.model_version
    assert ready.fallback_reason == made.fallback_reason == FALLBACK_REASON_NONE
    assert ready.slate_id != again.slate_id
    assert feed(service, NEW_USER).fallback_reason == FALLBACK_REASON_NEW_USER
    newest = feed(service, digest_id="")
    assert (is_precomputed(newest), newest.fallback_reason, newest.stale_digest) == (True, FALLBACK_REASON_NONE, True)
    with service.application.store.read() as tx:
        logged = tx.slates.find(ready.slate_id, with_features=True)
    assert logged is not None
    assert len(logged.items) == PAGE
    assert len(logged.features) == len(logged.items) * len(SCHEMA) * 4


def test_page_tokens_fit(service: Service) -> None:
    """The pages of a precomputed feed follow one another and end where it ends."""
    first = page(service, page_size=6)
    second = page(service, page_size=6, page_token=first.next_page_token)

    assert len(shown(first.slate)) == 6
    assert [*shown(first.slate), *shown(second.slate)] == shown(feed(service))
    assert second.next_page_token == ""


def test_exported(service: Service) -> None:
    """ExportUser sends the precomputed slate of the user."""
    records = service.client.profiles.ExportUser(ExportUserRequest(user_id="u00044"))
    (found,) = [record.precomputed_slate for record in records if record.HasField("precomputed_slate")]

    ready = feed(service, "u00044")
    assert (found.slate_id, list(found.digest_ids), found.as_of) == ("", [DIGEST], ready.as_of)
    assert list(found.paper_ids) == shown(ready)


def test_digest_deleted_and_stored_again(start: Start) -> None:
    """After DeleteDigest its precomputed slates are not served, also not from a digest of the same id and papers."""
    service = start()
    digest = service.client.catalog.GetDigest(GetDigestRequest(digest_id=DIGEST)).digest
    before = feed(service)
    service.client.catalog.DeleteDigest(DeleteDigestRequest(digest_id=DIGEST))
    service.client.catalog.UpsertDigest(UpsertDigestRequest(digest=digest))

    after = feed(service)

    assert is_precomputed(before)
    assert not is_precomputed(after)
    assert shown(service.client.feeds.GetSlate(GetSlateRequest(slate_id=before.slate_id)).slate) == shown(before)


class TestNotServed:
    """Precomputed slates that do not fit the call."""

    def test_own_events(self, service: Service) -> None:
        """After an event of the user the feed is computed again, without the paper that the event hides."""
        before = feed(service, "u00040")
        record(service.client, "u00040", "dismiss", shown(before)[0])

        after = feed(service, "u00040")

        assert is_precomputed(before)
        assert not is_precomputed(after)
        assert shown(before)[0] not in shown(after)
        assert is_precomputed(feed(service, "u00041"))

    def test_own_preferences(self, service: Service) -> None:
        """After a change of the user's preferences the feed is computed again."""
        prefer(service.client, "u00044", muted_topics=["cs.VI"])

        assert not is_precomputed(feed(service, "u00044"))

    def test_other_digest_papers(self, start: Start) -> None:
        """After a change of the digest the feed has the new papers."""
        service = start()
        with service.application.store.write() as tx:
            tx.digests.save(Digest(digest_id=DIGEST, date=NOW.date(), paper_ids=("d0001", "d0002", "d0003")), NOW)

        assert sorted(shown(feed(service, "u00001"))) <= ["d0001", "d0002", "d0003"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"as_of": at(NOW)},
            {"diversity": 0.7},
            {"page_size": PAGE + 1},
            {"exclude_paper_ids": ["d0001"]},
        ],
    )
    def test_other_options(self, service: Service, fields: dict[str, Any]) -> None:
        """A call with other options gets a computed feed."""
        assert not is_precomputed(feed(service, **fields))

    @pytest.mark.parametrize(
        "settings", [{"precomputed": "never"}, {"precomputed": "overload"}, {"precomputed_hours": 0.0}]
    )
    def test_settings(self, start: Start, settings: dict[str, Any]) -> None:
        """No precomputed slate is served if the settings forbid it, nothing is overloaded, or it is too old."""
        service = start(**settings)

        assert not is_precomputed(feed(service))


def test_overload(start: Start) -> None:
    """While all threads are busy, precomputed feeds are served. They say OVERLOAD, and if the digest is stale."""
    service = start(precomputed="overload", threads=2)
    reasons: dict[str, set[tuple[int, bool]]] = {DIGEST: set(), "": set()}
    lock = threading.Lock()

    def ask_many(digest_id: str) -> None:
        for number in range(30):
            answer = feed(service, f"u{number % 5 + 40:05d}", digest_id=digest_id)
            with lock:
                reasons[digest_id].add((answer.fallback_reason, answer.stale_digest))

    callers = [threading.Thread(target=ask_many, args=(digest_id,)) for digest_id in (DIGEST, "") for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert (FALLBACK_REASON_OVERLOAD, False) in reasons[DIGEST]
    assert (FALLBACK_REASON_OVERLOAD, True) in reasons[""]
    assert {is_stale for _, is_stale in reasons[""]} == {True}
    assert feed(service).fallback_reason == FALLBACK_REASON_NONE
