"""GetFeed: order, reasons and pending papers."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import Digest, UpsertDigestRequest
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_MODEL_UNAVAILABLE,
    FALLBACK_REASON_NONE,
    REASON_TYPE_FRESH,
    REASON_TYPE_SIMILAR_TO_LIKED,
    REASON_TYPE_TRENDING,
)
from paperfeed.v1.status_pb2 import GetStatusRequest
from ranker.features import SCHEMA
from service.app.embedder import embed_pending
from service.domain.papers import embedding_text
from service.encoder import HashingEncoder
from service.resources import SystemClock
from testing.calls import MONDAY, at, fresh, make_digest, make_papers, on, record, upsert, upsert_ready
from testing.servers import Service
from tests.rpc.feed_calls import get_feed, kinds, shown

DAY = dt.timedelta(days=1)


# ---------------------------------------------------------------------------------------------------------- ranking


def cosine(one: Any, other: Any) -> float:
    a, b = HashingEncoder().encode([embedding_text(paper.title, paper.abstract) for paper in (one, other)])
    return float(a @ b)


def test_trained_model_ranks_the_liked_topic_first(client: Client) -> None:
    """With a matching bundle, a user with likes of one topic gets its papers first, with fallback reason NONE."""
    likes, near, far = make_papers(5), make_papers(5), make_papers(5, "biology")
    upsert_ready(client, likes)
    digest = make_digest(client, upsert_ready(client, [*far, *near]))
    user = fresh("user")
    record(client, user, "like", *[paper.paper_id for paper in likes])

    feed = get_feed(client, user, digest, diversity=0.0)

    assert feed.fallback_reason == FALLBACK_REASON_NONE
    assert feed.model_version.startswith("tiny-")
    assert set(shown(feed)[:5]) == {paper.paper_id for paper in near}
    scores = [item.score for item in feed.items]
    assert scores == sorted(scores, reverse=True)
    assert scores == [round(score, 6) for score in scores]
    assert scores[4] > scores[5]


def test_served_features_are_stored(service: Service) -> None:
    """The slate stores the features: scoring them again gives the served scores."""
    client = service.client
    liked, *rest = upsert_ready(client, make_papers(4))
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)
    feed = get_feed(client, user, digest)

    with service.application.store.read() as tx:
        slate = tx.slates.find(feed.slate_id, with_features=True)

    assert slate is not None
    features = np.frombuffer(slate.features, "<f4").astype(np.float32).reshape(len(slate.items), -1)
    bundle = service.application.serving.current.bundle
    assert bundle is not None
    assert features.shape == (3, len(SCHEMA))
    assert bundle.model.scores(features, bundle.model.leaves(features)).tolist() == [item.score for item in feed.items]


def test_without_a_matching_bundle_cosine_ranks(bare: Service) -> None:
    """With a bundle of another encoder, the nearest papers come first, with MODEL_UNAVAILABLE."""
    client = bare.client
    liked, *near = make_papers(4)
    far = make_papers(1, "audio")
    upsert_ready(client, [liked])
    digest = make_digest(client, upsert_ready(client, [*far, *near]))
    record(client, "u", "like", liked.paper_id)

    feed = get_feed(client, "u", digest, diversity=0.0, explain=True)

    assert (feed.fallback_reason, feed.model_version) == (FALLBACK_REASON_MODEL_UNAVAILABLE, "cosine")
    expected = sorted([*near, *far], key=lambda paper: -cosine(paper, liked))
    assert shown(feed) == [paper.paper_id for paper in expected]
    assert [item.score for item in feed.items] == pytest.approx([cosine(p, liked) for p in expected], abs=1e-5)
    assert kinds(feed.items[0]) == [REASON_TYPE_SIMILAR_TO_LIKED]
    assert kinds(feed.items[-1]) == []
    status = client.status.GetStatus(GetStatusRequest())
    assert status.model_version == ""
    assert "other-384" in status.model_problem
    assert "hashing-384" in status.model_problem


def test_same_as_of_same_order_and_scores(client: Client) -> None:
    """The same request with the same as_of gives the same items in another slate."""
    liked, *rest = upsert_ready(client, [*make_papers(8, published_at=at(MONDAY)), *make_papers(8, "robots")])
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)

    one, two = (get_feed(client, user, digest, as_of=at(MONDAY + DAY), explain=True) for _ in range(2))

    assert list(one.items) == list(two.items)
    assert one.slate_id != two.slate_id


def test_age_is_counted_to_as_of(client: Client) -> None:
    """Ages are computed at as_of: a paper that is fresh at one is not at a later one."""
    liked, new = make_papers(2)
    new.published_at.CopyFrom(at(MONDAY))
    upsert_ready(client, [liked, new])
    digest, user = make_digest(client, [new.paper_id]), fresh("user")
    record(client, user, "like", liked.paper_id)

    def reasons(days: int) -> list[int]:
        return kinds(get_feed(client, user, digest, as_of=at(MONDAY + days * DAY), explain=True).items[0])

    assert REASON_TYPE_FRESH in reasons(0)
    assert REASON_TYPE_FRESH not in reasons(8)


def test_diversity_changes_the_order_only(client: Client) -> None:
    """Diversity 0 ranks by score and 1 ranks a different topic second; papers and scores stay the same."""
    likes, near, far = make_papers(3), make_papers(6), make_papers(3, "language")
    upsert_ready(client, likes)
    digest, user = make_digest(client, upsert_ready(client, [*near, *far])), fresh("user")
    record(client, user, "like", *[paper.paper_id for paper in likes])
    far_ids = {paper.paper_id for paper in far}

    by_score, varied = (get_feed(client, user, digest, as_of=at(MONDAY), diversity=d) for d in (0.0, 1.0))

    assert shown(by_score)[0] == shown(varied)[0]
    assert shown(by_score)[1] not in far_ids
    assert shown(varied)[1] in far_ids
    scores = [{item.paper.paper_id: item.score for item in feed.items} for feed in (by_score, varied)]
    assert scores[0] == scores[1]


def test_one_more_like_changes_the_next_feed(client: Client) -> None:
    """A new like changes the next feed."""
    vision, biology = make_papers(3), make_papers(3, "biology")
    digest_papers = [*make_papers(4), *make_papers(4, "biology")]
    upsert_ready(client, [*vision, *biology])
    digest, user = make_digest(client, upsert_ready(client, digest_papers)), fresh("user")
    record(client, user, "like", vision[0].paper_id)
    before = get_feed(client, user, digest, as_of=at(MONDAY), diversity=0.0)

    record(client, user, "unlike", vision[0].paper_id)
    record(client, user, "like", *[paper.paper_id for paper in biology])

    after = get_feed(client, user, digest, as_of=at(MONDAY), diversity=0.0)
    assert {name.split("-")[0] for name in shown(before)[:4]} == {"vision"}
    assert {name.split("-")[0] for name in shown(after)[:4]} == {"biology"}


# ---------------------------------------------------------------------------------------------------------- reasons


def test_similar_to_liked_names_the_nearest_like(client: Client) -> None:
    """SIMILAR_TO_LIKED has id, title and cosine of the nearest liked paper."""
    likes = [*make_papers(4), *make_papers(4, "graphs")]
    candidates = [*make_papers(6), *make_papers(6, "graphs"), *make_papers(2, "audio")]
    upsert_ready(client, likes)
    digest, user = make_digest(client, upsert_ready(client, candidates)), fresh("user")
    record(client, user, "like", *[paper.paper_id for paper in likes])
    by_id = {paper.paper_id: paper for paper in (*likes, *candidates)}

    feed = get_feed(client, user, digest, explain=True)

    named = 0
    for item in feed.items:
        for reason in item.reasons:
            if reason.type != REASON_TYPE_SIMILAR_TO_LIKED:
                continue
            named += 1
            cosines = {like.paper_id: cosine(like, by_id[item.paper.paper_id]) for like in likes}
            assert reason.subject == by_id[reason.paper_id].title
            assert cosines[reason.paper_id] == pytest.approx(max(cosines.values()), abs=1e-5)
            assert reason.similarity == pytest.approx(cosines[reason.paper_id], abs=1e-5)
            assert not item.paper.paper_id.startswith("audio")
    assert named >= 6


def test_no_reason_without_data(client: Client) -> None:
    """Papers without dates and upvotes are never FRESH or TRENDING, for known and unknown users."""
    liked, *rest = upsert_ready(client, make_papers(10))
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)

    for each in (user, fresh("user")):
        feed = get_feed(client, each, digest, explain=True)
        told = {kind for item in feed.items for kind in kinds(item)}
        assert not told & {REASON_TYPE_FRESH, REASON_TYPE_TRENDING}


def test_fresh_needs_a_date_of_the_last_seven_days(client: Client) -> None:
    """Of a new, an old and an undated paper, only the new one is FRESH."""
    liked, new, old, undated = make_papers(4)
    new.published_at.CopyFrom(at(MONDAY - DAY))
    old.published_at.CopyFrom(at(MONDAY - 8 * DAY))
    upsert_ready(client, [liked, new, old, undated])
    digest, user = make_digest(client, [new.paper_id, old.paper_id, undated.paper_id]), fresh("user")
    record(client, user, "like", liked.paper_id)

    feed = get_feed(client, user, digest, explain=True, as_of=at(MONDAY))

    fresh_ones = {item.paper.paper_id for item in feed.items if REASON_TYPE_FRESH in kinds(item)}
    assert fresh_ones == {new.paper_id}


def test_a_paper_of_the_future_is_not_fresh(client: Client) -> None:
    """A paper published after as_of is not FRESH."""
    liked, future = make_papers(2)
    future.published_at.CopyFrom(at(MONDAY + 300 * DAY))
    upsert_ready(client, [liked, future])
    digest, user = make_digest(client, [future.paper_id]), fresh("user")
    record(client, user, "like", liked.paper_id)

    feed = get_feed(client, user, digest, explain=True, as_of=at(MONDAY))

    assert REASON_TYPE_FRESH not in kinds(feed.items[0])


def test_reasons_only_when_asked_for(client: Client) -> None:
    """Without explain no item has a reason."""
    liked, *rest = upsert_ready(client, make_papers(4, upvotes=5))
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)

    for each in (user, fresh("user")):
        assert [kinds(item) for item in get_feed(client, each, digest).items] == [[]] * 3


# ---------------------------------------------------------------------------------------------------------- pending


@pytest.mark.parametrize("has_bundle", [False, True])
def test_pending_papers_are_ranked_and_counted(
    start: Callable[..., Service], tiny_bundle: Any, has_bundle: bool
) -> None:
    """Papers without a vector are in the feed and counted, until they are embedded."""
    service = start(embeds=False, bundle=str(tiny_bundle) if has_bundle else "")
    client = service.client
    liked, first, *rest = upsert(client, make_papers(5))
    with service.application.store.write() as tx:
        vector = HashingEncoder().encode(["something"])[0]
        texts = tx.papers.claim_pending("hashing-384", limit=2, now=SystemClock().now(), lease=DAY)
        tx.papers.store_vectors("hashing-384", {each.paper_id: (each.text_hash, vector) for each in texts})
    record(client, "u", "like", liked)
    make_digest(client, [first, *rest], digest_id="d")

    feed = get_feed(client, "u", "d")
    assert set(shown(feed)) == {first, *rest}
    assert [each.paper_id for each in texts] == [liked, first]
    assert feed.pending_paper_count == 3

    assert embed_pending(service.application.store, service.application.encoder, SystemClock()) == 3
    assert get_feed(client, "u", "d").pending_paper_count == 0


def test_no_vector_of_a_digest_yet_under_another_width(start: Callable[..., Service]) -> None:
    """While vectors of another dimension serve, a digest without any of them is still ranked."""
    service = start(embeds=False)
    client, store = service.client, service.application.store
    likes = upsert(client, make_papers(3))
    with store.write() as tx:
        now = SystemClock().now()
        texts = tx.papers.claim_pending("wide-768", limit=10, now=now, lease=DAY)
        wide = np.full(768, 768**-0.5, np.float32)
        tx.papers.store_vectors("wide-768", {each.paper_id: (each.text_hash, wide) for each in texts})
    service.application.serving.refresh()
    assert service.application.serving.current.encoder == "wide-768"
    record(client, "u", "like", *likes)
    new = upsert(client, make_papers(2))

    feed = get_feed(client, "u", make_digest(client, new), explain=True)

    assert set(shown(feed)) == set(new)
    assert (feed.pending_paper_count, feed.fallback_reason) == (2, FALLBACK_REASON_MODEL_UNAVAILABLE)


def test_digest_is_named_in_the_answer(client: Client) -> None:
    """The answer has the stored id of the digest."""
    digest = Digest(date=on("2026-03-09"), source=fresh("src"))
    client.catalog.UpsertDigest(UpsertDigestRequest(digest=digest))

    assert list(get_feed(client, "u", f"{digest.source}-2026-03-09").digest_ids) == [f"{digest.source}-2026-03-09"]
