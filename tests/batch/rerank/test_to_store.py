"""Precomputed slates are served as long as what they were made from has not changed."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from batch.cluster import Cluster
from batch.rerank.to_store import store_slates
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_NEW_USER,
    FALLBACK_REASON_NONE,
    FALLBACK_REASON_OVERLOAD,
    FALLBACK_REASON_STALE_DIGEST,
    GetFeedRequest,
    GetFeedResponse,
    GetSlateRequest,
)
from ranker.features import SCHEMA
from service.domain.papers import Digest
from service.storage import open_store
from testing.calls import at, record
from testing.servers import Service, serving
from tests.batch.asking import Asking
from tests.batch.worlds import DIGEST, NOW, World, fill
from tests.rpc.feed_calls import prefer, shown

pytestmark = pytest.mark.cluster
PAGE = 10
USER = "u00042"
NEW_USER = "u00003"


@pytest.fixture
def world(ask: Asking, cluster: Cluster, tmp_path: Path) -> World:
    """Fifty readers with precomputed slates made just now."""
    found = fill(f"sqlite:///{tmp_path / 'world.db'}", 50)
    made_at = dt.datetime.now(dt.UTC)
    outcome = ask.run(ask.request(found, as_of=made_at, page_size=PAGE, with_features=True), cluster)
    store = open_store(found.url)
    try:
        assert store_slates(ask.out, outcome.manifest, store, lambda _count: None) == 50
    finally:
        store.dispose()
    return found


Start = Callable[..., Service]


@pytest.fixture
def start(world: World, bundle: Path) -> Iterator[Start]:
    """Starts servers on the readers."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            serving(world.url, embeds=False, **{"bundle": str(bundle), "precomputed": "always", **settings})
        )


def feed(service: Service, user: str = USER, **fields: Any) -> GetFeedResponse:
    """A plain feed, as most are asked for."""
    wish = {"user_id": user, "digest_id": DIGEST, "page_size": PAGE, "explain": True} | fields
    return service.client.feeds.GetFeed(GetFeedRequest(**wish))


def is_precomputed(answer: GetFeedResponse) -> bool:
    """Whether a feed ends where the precomputed slate does; those made anew are longer."""
    return bool(answer.total_size == PAGE)


def test_is_what_would_be_made(start: Start) -> None:
    """A precomputed feed has the papers, scores and reasons of one made at the same time, and is a slate of its own."""
    service = start()
    ready, again = feed(service), feed(service)
    slate = service.client.feeds.GetSlate(GetSlateRequest(slate_id=ready.slate_id))

    made = feed(service, as_of=slate.as_of)

    assert is_precomputed(ready)
    assert list(ready.items) == list(made.items)
    assert ready.model_version == made.model_version
    assert ready.fallback_reason == made.fallback_reason == FALLBACK_REASON_NONE
    assert ready.slate_id != again.slate_id
    assert feed(service, NEW_USER).fallback_reason == FALLBACK_REASON_NEW_USER
    assert feed(service, digest_id="").fallback_reason == FALLBACK_REASON_STALE_DIGEST
    with service.application.store.read() as tx:
        logged = tx.slates.find(ready.slate_id, with_features=True)
    assert logged is not None
    assert len(logged.items) == PAGE
    assert len(logged.features) == len(logged.items) * len(SCHEMA) * 4


def test_page_tokens_fit(start: Start) -> None:
    """Its pages follow one another and end where it ends."""
    service = start()

    first = feed(service, page_size=6)
    second = feed(service, page_size=6, page_token=first.next_page_token)

    assert len(shown(first)) == 6
    assert [*shown(first), *shown(second)] == shown(feed(service))
    assert second.next_page_token == ""


class TestNoLonger:
    """What ends it."""

    def test_own_events(self, start: Start) -> None:
        """After an event of the user the feed is made anew, and what the event hides is gone."""
        service = start()
        before = feed(service)
        record(service.client, USER, "dismiss", shown(before)[0])

        after = feed(service)

        assert is_precomputed(before)
        assert not is_precomputed(after)
        assert shown(before)[0] not in shown(after)
        assert is_precomputed(feed(service, "u00041"))

    def test_own_preferences(self, start: Start) -> None:
        """After a change of preferences too."""
        service = start()
        prefer(service.client, USER, muted_topics=["cs.VI"])

        assert not is_precomputed(feed(service))

    def test_other_digest_papers(self, start: Start, world: World) -> None:
        """After a change of the digest, or when a newer one is there."""
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
    def test_other_wishes(self, start: Start, fields: dict[str, Any]) -> None:
        """A call that asks for something else gets just that."""
        service = start()
        assert not is_precomputed(feed(service, **fields))

    @pytest.mark.parametrize(
        "settings", [{"precomputed": "never"}, {"precomputed": "overload"}, {"precomputed_hours": 0.0}]
    )
    def test_settings(self, start: Start, settings: dict[str, Any]) -> None:
        """It is not served where the settings say so, where nothing is overloaded, or when it is too old."""
        service = start(**settings)

        assert not is_precomputed(feed(service))


def test_overload(start: Start) -> None:
    """With all threads at work a feed is the precomputed one and says OVERLOAD, unless the newest digest is stale."""
    service = start(precomputed="overload", threads=2)
    reasons: dict[str, set[int]] = {DIGEST: set(), "": set()}
    lock = threading.Lock()

    def ask_many(digest_id: str) -> None:
        for number in range(30):
            answer = feed(service, f"u{number % 5 + 40:05d}", digest_id=digest_id)
            with lock:
                reasons[digest_id].add(answer.fallback_reason)

    callers = [threading.Thread(target=ask_many, args=(digest_id,)) for digest_id in (DIGEST, "") for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert FALLBACK_REASON_OVERLOAD in reasons[DIGEST]
    assert reasons[""] == {FALLBACK_REASON_STALE_DIGEST}
    assert feed(service).fallback_reason == FALLBACK_REASON_NONE
