"""ExplainPaper: why a paper is at its rank, and what keeps it out. On each engine."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import EMBEDDING_STATE_PENDING
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_NEW_USER,
    PAPER_OUTCOME_BELOW_LENGTH,
    PAPER_OUTCOME_EXCLUDED,
    PAPER_OUTCOME_MUTED,
    PAPER_OUTCOME_NOT_IN_DIGEST,
    PAPER_OUTCOME_NOT_RECORDED,
    PAPER_OUTCOME_SEEN,
    PAPER_OUTCOME_SHOWN,
    ExplainPaperRequest,
    ExplainPaperResponse,
)
from paperfeed.v1.profile_pb2 import EVENT_TYPE_LIKE, EVENT_TYPE_SENT, EventType
from service.app.embedder import embed_pending
from service.encoder import HashingEncoder
from service.resources import SystemClock
from testing.calls import MONDAY, at, failing, fresh, ids, make_digest, make_papers, record, upsert, upsert_ready
from testing.servers import Service
from tests.rpc.feed_calls import get_feed, prefer, shown

SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def service(each_engine: Service) -> Service:
    return each_engine


def explain(client: Client, user: str, paper: str, **fields: Any) -> ExplainPaperResponse:
    return client.feeds.ExplainPaper(ExplainPaperRequest(user_id=user, paper_id=paper, **fields))


def reader(client: Client, topic: str = "vision", likes: int = 4) -> tuple[str, list[str]]:
    """Return a new user and the papers that the user likes."""
    user, liked = fresh("user"), upsert_ready(client, make_papers(likes, topic))
    record(client, user, "like", *liked, when=MONDAY)
    return user, liked


# ------------------------------------------------------------------------------------------------------ shown papers


def test_an_explanation_agrees_with_the_feed(client: Client) -> None:
    """Of each paper, slate and new ranking give the feed's rank, score and reasons; the contributions sum up."""
    user, liked = reader(client)
    papers = upsert_ready(client, [*make_papers(8), *make_papers(6, "biology")])
    digest = make_digest(client, papers)
    feed = get_feed(client, user, digest, explain=True)
    by_score = sorted(feed.items, key=lambda item: (-item.score, item.paper.paper_id))

    for item in feed.items:
        again = explain(client, user, item.paper.paper_id, digest_id=digest, as_of=feed.as_of)
        past = explain(client, user, item.paper.paper_id, slate_id=feed.slate_id)
        for found in (past, again):
            assert (found.outcome, found.paper) == (PAPER_OUTCOME_SHOWN, item.paper)
            assert (found.rank, found.score, found.total_size) == (item.rank, item.score, 14)
            assert found.rank_by_score == by_score.index(item) + 1
            assert found.rank_before_exploration == item.rank
            assert list(found.reasons) == list(item.reasons)
            assert (found.model_version, found.digest_ids) == (feed.model_version, [digest])
            total = found.base_score + sum(part.weighted_sum + part.trees for part in found.contributions)
            assert total == pytest.approx(item.score, abs=1e-5)
            assert {part.family for part in found.contributions} >= {"embedding", "text", "trend"}
            assert {like.paper_id for like in found.nearest_likes} == set(liked)
            assert not found.hidden_by
            assert not found.HasField("muted_by")
        if item.reasons and item.reasons[0].paper_id:
            nearest = again.nearest_likes[0]
            assert nearest.paper_id == item.reasons[0].paper_id
            assert nearest.similarity == pytest.approx(item.reasons[0].similarity, abs=1e-5)


def test_diversity_and_topic_limits(client: Client) -> None:
    """The ranks by score, without the limit for topics and with it are those of feeds made in these ways."""
    user, _ = reader(client)
    papers = upsert_ready(client, [*make_papers(14), *make_papers(6, "biology")])
    digest = make_digest(client, papers)
    plain, diverse = (shown(get_feed(client, user, digest, diversity=value)) for value in (0.0, 0.8))

    found = [explain(client, user, paper, digest_id=digest, diversity=0.8) for paper in diverse]

    assert [each.rank for each in found] == list(range(1, 21))
    assert [each.rank_by_score for each in found] == [plain.index(paper) + 1 for paper in diverse]
    spread = [each.rank_without_topic_limit for each in found]
    assert sorted(spread) == list(range(1, 21))
    assert spread != [each.rank for each in found], "at most four of ten places in a row may share a topic"
    usual = [explain(client, user, paper, digest_id=digest, diversity=0.0) for paper in plain]
    assert [(each.rank_by_score, each.rank_without_topic_limit) for each in usual] == [(r, r) for r in range(1, 21)]


def test_a_user_without_likes(client: Client) -> None:
    """An unknown user is explained as a new one: ranks by trend, no contributions, no likes."""
    papers = upsert_ready(client, make_papers(3))
    digest, user = make_digest(client, papers), fresh("user")

    found = [explain(client, user, paper, digest_id=digest) for paper in papers]

    assert [each.rank for each in found] == [1, 2, 3]
    assert {each.fallback_reason for each in found} == {FALLBACK_REASON_NEW_USER}
    assert not any(each.contributions or each.nearest_likes for each in found)


def test_a_paper_without_a_vector(start: Callable[..., Service], tiny_bundle: Path) -> None:
    """While a paper's vector is pending, the paper has a rank and contributions, but no nearest likes."""
    server = start(bundle=str(tiny_bundle), embeds=False)
    client, user = server.client, fresh("user")
    record(client, user, "like", *upsert(client, make_papers(3)))
    ready = upsert(client, make_papers(1))
    embed_pending(server.application.store, HashingEncoder(), SystemClock())
    (pending,) = upsert(client, make_papers(1))
    digest = make_digest(client, [*ready, pending])

    found, other = (explain(client, user, paper, digest_id=digest) for paper in (pending, *ready))

    assert (found.outcome, found.paper.embedding_state) == (PAPER_OUTCOME_SHOWN, EMBEDDING_STATE_PENDING)
    assert {found.rank, other.rank} == {1, 2}
    assert found.contributions
    assert (len(found.nearest_likes), len(other.nearest_likes)) == (0, 3)


# ---------------------------------------------------------------------------------------------------- papers left out


@pytest.mark.parametrize("kind", ["like", "save", "dislike", "dismiss", "sent", "complaint"])
def test_seen_papers(client: Client, kind: str) -> None:
    """A paper that the user reacted to names the event and its time, and the rank it would have without it."""
    user, _ = reader(client)
    papers = upsert_ready(client, make_papers(5))
    digest = make_digest(client, papers)
    before = explain(client, user, papers[0], digest_id=digest, as_of=at(MONDAY + SECOND))
    expected = explain(client, user, papers[0], digest_id=digest).rank
    record(client, user, kind, papers[0], when=MONDAY)

    found = explain(client, user, papers[0], digest_id=digest)

    assert before.outcome == PAPER_OUTCOME_SHOWN
    assert (found.outcome, found.rank, found.total_size) == (PAPER_OUTCOME_SEEN, expected, 5)
    (event,) = found.hidden_by
    assert event.event_type == EventType.Value(f"EVENT_TYPE_{kind.upper()}")
    assert (event.paper_id, event.occurred_at) == (papers[0], at(MONDAY))
    assert papers[0] not in ids(found.nearest_likes)


def test_only_events_in_force_hide(client: Client) -> None:
    """A like that was taken back hides nothing; of several events, those in force are named, newest first."""
    user, _ = reader(client)
    paper, other = upsert_ready(client, make_papers(2))
    digest = make_digest(client, [paper, other])
    for seconds, kind in enumerate(("like", "unlike")):
        record(client, user, kind, paper, when=MONDAY + seconds * SECOND)
    for seconds, kind in enumerate(("dislike", "sent", "like", "click")):
        record(client, user, kind, other, when=MONDAY + seconds * SECOND)

    assert explain(client, user, paper, digest_id=digest).outcome == PAPER_OUTCOME_SHOWN
    found = explain(client, user, other, digest_id=digest)
    assert [event.event_type for event in found.hidden_by] == [EVENT_TYPE_LIKE, EVENT_TYPE_SENT]


def test_muted_papers(client: Client) -> None:
    """A muted paper names exactly the muted topics, authors and keywords that match it."""
    user, _ = reader(client)
    paper, other = make_papers(2, authors=["Ada Lovelace"], categories=["cs.CV"])
    paper.title = f"robust pruning {paper.title}"
    digest = make_digest(client, upsert_ready(client, [paper, other]))
    prefer(
        client,
        user,
        muted_topics=["CS.cv", "cs.AI"],
        muted_authors=["ada lovelace", "Alan Turing"],
        muted_keywords=["robust pruning", "quantum"],
    )

    found = explain(client, user, paper.paper_id, digest_id=digest)

    assert found.outcome == PAPER_OUTCOME_MUTED
    assert found.rank in {1, 2}
    assert found.muted_by.topics == ["CS.cv"]
    assert found.muted_by.authors == ["ada lovelace"]
    assert found.muted_by.keywords == ["robust pruning"]
    assert not explain(client, user, other.paper_id, digest_id=digest).muted_by.keywords


def test_other_papers_that_are_left_out(client: Client) -> None:
    """Excluded papers, papers of other digests and papers below the last place say so."""
    user, _ = reader(client)
    paper, outside = upsert(client, make_papers(2))
    digest = make_digest(client, [paper])
    many = upsert(client, make_papers(501))
    long = make_digest(client, many)

    excluded = explain(client, user, paper, digest_id=digest, exclude_paper_ids=[paper])
    elsewhere = explain(client, user, outside, digest_id=digest)
    last = explain(client, fresh("user"), many[-1], digest_id=long)

    assert (excluded.outcome, excluded.rank) == (PAPER_OUTCOME_EXCLUDED, 1)
    assert (elsewhere.outcome, elsewhere.rank, elsewhere.total_size) == (PAPER_OUTCOME_NOT_IN_DIGEST, 0, 1)
    assert (last.outcome, last.rank, last.total_size) == (PAPER_OUTCOME_BELOW_LENGTH, 501, 501)
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "paper_id"):
        explain(client, user, fresh("paper"), digest_id=digest)
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "digest_id"):
        explain(client, user, paper, digest_id=fresh("digest"))


# ------------------------------------------------------------------------------------------------------ the past


def test_a_slate_is_explained_as_of_its_time(client: Client) -> None:
    """Events after a slate do not change its explanations; what was left out before it names the event."""
    user, _ = reader(client)
    seen, muted, kept, late, outside = upsert_ready(client, make_papers(5))
    digest = make_digest(client, [seen, muted, kept])
    record(client, user, "dismiss", seen)
    feed = get_feed(client, user, digest, exclude_paper_ids=[muted])
    record(client, user, "like", kept)
    make_digest(client, [seen, muted, kept, late], digest_id=digest)

    found = {
        paper: explain(client, user, paper, slate_id=feed.slate_id) for paper in (seen, muted, kept, late, outside)
    }

    assert [found[paper].outcome for paper in (seen, muted, kept, late, outside)] == [
        PAPER_OUTCOME_SEEN,
        PAPER_OUTCOME_NOT_RECORDED,
        PAPER_OUTCOME_SHOWN,
        PAPER_OUTCOME_NOT_RECORDED,
        PAPER_OUTCOME_NOT_IN_DIGEST,
    ]
    assert not found[kept].hidden_by
    assert len(found[seen].hidden_by) == 1
    assert explain(client, user, kept, digest_id=digest).outcome == PAPER_OUTCOME_SEEN
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "slate_id"):
        explain(client, fresh("user"), kept, slate_id=feed.slate_id)


def test_events_recorded_after_as_of_are_ignored(client: Client) -> None:
    """With as_of, later events count neither as likes nor as reasons to hide, even if they claim an earlier time."""
    user, liked = reader(client)
    paper, other = upsert_ready(client, make_papers(2))
    digest = make_digest(client, [paper, other])
    then = get_feed(client, user, digest).created_at
    record(client, user, "like", paper, when=MONDAY)

    found = explain(client, user, paper, digest_id=digest, as_of=then)
    beginning = explain(client, user, paper, digest_id=digest, as_of=at(MONDAY))

    assert (found.outcome, found.as_of) == (PAPER_OUTCOME_SHOWN, then)
    assert set(ids(found.nearest_likes)) == set(liked)
    assert (beginning.outcome, beginning.fallback_reason) == (PAPER_OUTCOME_SHOWN, FALLBACK_REASON_NEW_USER)
    assert paper in ids(explain(client, user, other, digest_id=digest).nearest_likes)


@pytest.mark.parametrize("field", ["as_of", "diversity", "exclude_paper_ids"])
def test_options_of_a_new_ranking_do_not_fit_a_slate(client: Client, field: str) -> None:
    """Options of a new ranking are refused together with a slate, by name."""
    value = {"as_of": at(MONDAY), "diversity": 0.0, "exclude_paper_ids": ["p"]}[field]
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", field):
        explain(client, "user", "paper", slate_id="slate", **{field: value})
