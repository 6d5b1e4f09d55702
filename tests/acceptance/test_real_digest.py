"""Feeds of users with known tastes from a real digest, with the real encoder and the shipped bundle."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paperfeed.client import Client
from paperfeed.v1 import feed_pb2
from paperfeed.v1.catalog_pb2 import Paper, UpsertPapersRequest
from paperfeed.v1.feed_pb2 import GetFeedRequest
from paperfeed.v1.profile_pb2 import EVENT_TYPE_LIKE, Event, GetProfileRequest, RecordEventsRequest
from service.api.convert import from_paper
from service.app.embedder import embed_pending
from service.bootstrap import Application
from service.config import Settings
from service.ingest.digests.digest import read_digest
from service.ingest.times import parse_date
from service.resources import SystemClock
from testing.calls import make_digest, rank_request
from tests.requirements import require

pytestmark = [pytest.mark.model, pytest.mark.data, pytest.mark.slow]

DATA = Path(os.environ.get("PAPERFEED_DATA", "../shared/data"))
PAGE = DATA / "digests" / "hf-trending-mar-11.txt"

# Each taste has three liked papers and the beginnings of the titles that belong in the top 10. The liked papers are not
# on the page, and their abstracts are paraphrased.
TASTES = json.loads((Path(__file__).parent / "tastes.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a real server with the real page and one user for each taste."""
    require("data", PAGE.exists(), "needs the public data sets: set PAPERFEED_DATA")
    folder = tmp_path_factory.mktemp("digest")
    cache = os.environ.get("PAPERFEED_EMBEDDING_CACHE", str(folder / "cache.sqlite"))
    application = Application(
        Settings(db=f"sqlite:///{folder / 'p.db'}", port=0, embedding_cache=cache, exploration=0.0)
    )
    with Client(f"127.0.0.1:{application.start()}", timeout=120) as client:
        now = SystemClock().now()
        parsed = read_digest(PAGE, date=parse_date("2026-03-11", now=now), now=now)
        stored = client.catalog.UpsertPapers(UpsertPapersRequest(papers=[from_paper(paper) for paper in parsed.papers]))
        make_digest(client, [result.paper_id for result in stored.results], "2026-03-11", "page")
        for user_id, taste in TASTES.items():
            papers = [Paper(**liked) for liked in taste["liked"]]
            results = client.catalog.UpsertPapers(UpsertPapersRequest(papers=papers)).results
            events = [Event(user_id=user_id, paper_id=each.paper_id, event_type=EVENT_TYPE_LIKE) for each in results]
            client.profiles.RecordEvents(RecordEventsRequest(events=events))
        embed_pending(application.store, application.encoder, SystemClock())
        _wait_until_embedded(application)
        yield client
    application.stop()


def _wait_until_embedded(application: Application) -> None:
    """Wait for the server's own embedder, which may hold a lease on some of the texts."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with application.store.read() as tx:
            if tx.papers.pending_count(application.encoder.name) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the papers were not embedded in time")


@pytest.mark.parametrize("taste", sorted(TASTES))
def test_three_likes_bring_the_field_to_the_top(client: Client, taste: str) -> None:
    """A user who liked three papers of a field gets the page's papers of that field in the top 10, but for one.

    The one is LangCell for the user of genomics: it is on cells, and shares no rare word with three likes on DNA.
    """
    feed = client.feeds.GetFeed(GetFeedRequest(user_id=taste, digest_id="page", page_size=10, explain=True)).slate

    assert feed.fallback_reason == feed_pb2.FALLBACK_REASON_NONE
    assert feed.pending_paper_count == 0
    titles = [item.paper.title for item in feed.items]
    missing = [
        start for start in TASTES[taste]["expected_in_top_10"] if not any(title.startswith(start) for title in titles)
    ]
    assert missing in ([], ["LangCell"]), titles


@pytest.mark.parametrize("taste", sorted(TASTES))
def test_reasons_of_a_page_without_dates_name_likes_only(client: Client, taste: str) -> None:
    """On a page without dates and upvotes, reasons name only likes and interests, and the first paper has one."""
    feed = client.feeds.GetFeed(GetFeedRequest(user_id=taste, digest_id="page", page_size=77, explain=True)).slate

    kinds = {reason.type for item in feed.items for reason in item.reasons}
    interests = client.profiles.GetProfile(GetProfileRequest(user_id=taste)).profile.interests
    assert kinds - {feed_pb2.REASON_TYPE_TOPIC} == {feed_pb2.REASON_TYPE_SIMILAR_TO_LIKED}
    known = {each["title"] for each in TASTES[taste]["liked"]} | {interest.name for interest in interests}
    assert {reason.subject for item in feed.items for reason in item.reasons} <= known
    assert feed.items[0].reasons


def test_new_user_gets_the_whole_page(client: Client) -> None:
    """A user without likes gets all papers with fallback_reason NEW_USER and without reasons."""
    feed = client.feeds.GetFeed(GetFeedRequest(user_id="stranger", digest_id="page", page_size=100, explain=True)).slate

    assert feed.fallback_reason == feed_pb2.FALLBACK_REASON_NEW_USER
    assert len(feed.items) == 77
    assert not [item for item in feed.items if item.reasons]


def test_inline_text_ranks_like_stored_text(client: Client) -> None:
    """RankPapers with the likes as text gives the order and scores of the feed of a user with these likes."""
    liked = [Paper(**each) for each in TASTES["code"]["liked"]]
    feed = client.feeds.GetFeed(GetFeedRequest(user_id="code", digest_id="page", page_size=77, diversity=0.0)).slate
    names = [item.paper.paper_id for item in feed.items]

    ranked = client.feeds.RankPapers(rank_request(liked_papers=liked, candidate_paper_ids=names, as_of=feed.as_of))

    assert [item.paper_id for item in ranked.items] == names
    assert [item.score for item in ranked.items] == pytest.approx([item.score for item in feed.items], abs=1e-5)
