"""GetFeed: candidates, hidden papers and feeds of new users."""

import datetime as dt

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import DeletePaperRequest
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_EMPTY_DIGEST,
    FALLBACK_REASON_NEW_USER,
    FALLBACK_REASON_NONE,
    REASON_TYPE_FOLLOWED_AUTHOR,
    REASON_TYPE_FRESH,
    REASON_TYPE_TOPIC,
    REASON_TYPE_TRENDING,
    GetSlateRequest,
    TimeWindow,
)
from paperfeed.v1.status_pb2 import GetStatusRequest
from testing.calls import (
    MONDAY,
    at,
    failing,
    fresh,
    make_digest,
    make_papers,
    record,
    upsert,
    upsert_ready,
)
from testing.servers import Service
from tests.rpc.feed_calls import get_feed, kinds, prefer, shown

DAY = dt.timedelta(days=1)


# ----------------------------------------------------------------------------------------- shown and hidden papers


def test_unknown_user_gets_trending_papers(client: Client) -> None:
    """An unknown user gets all papers by trend and NEW_USER; only those well above the usual have TRENDING."""
    cold, warm, hot = make_papers(3, published_at=at(MONDAY))
    warm.upvotes, hot.upvotes = 5, 50
    digest = make_digest(client, upsert_ready(client, [cold, warm, hot]))

    feed = get_feed(client, fresh("user"), digest, explain=True)

    assert (feed.fallback_reason, feed.model_version) == (FALLBACK_REASON_NEW_USER, "trending")
    assert (feed.digest_ids, feed.pending_paper_count, feed.total_size) == ([digest], 0, 3)
    assert shown(feed) == [hot.paper_id, warm.paper_id, cold.paper_id]
    assert [item.rank for item in feed.items] == [1, 2, 3]
    assert [kinds(item) for item in feed.items] == [[REASON_TYPE_TRENDING], [], []]

    earlier = get_feed(client, fresh("user"), digest, explain=True, as_of=at(MONDAY + DAY))

    assert earlier.as_of == at(MONDAY + DAY)
    assert [kinds(item) for item in earlier.items] == [[], [], []], "the upvotes came later"


@pytest.mark.parametrize("upvotes", [[0, 0, 0, 0], [1, 1, 1, 1], [7, 8, 9, 10]])
@pytest.mark.parametrize("ages", [[1, 2, 30, 60], [1, 2, 3, 4], [30, 40, 50, 60]])
def test_nothing_trends_for_an_unknown_user(client: Client, upvotes: list[int], ages: list[int]) -> None:
    """If all papers have about as many upvotes, none is called trending; new ones are called so among older ones."""
    now = dt.datetime.now(dt.UTC)
    papers = [
        paper
        for age, count in zip(ages, upvotes, strict=True)
        for paper in make_papers(1, published_at=at(now - age * DAY), upvotes=count)
    ]
    digest = make_digest(client, upsert_ready(client, papers))

    feed = get_feed(client, fresh("user"), digest, explain=True)

    new = [REASON_TYPE_FRESH] if min(ages) <= 7 < max(ages) else []
    expected = {paper.paper_id: new if age <= 7 else [] for paper, age in zip(papers, ages, strict=True)}
    assert {item.paper.paper_id: kinds(item) for item in feed.items} == expected


def test_new_user_sees_followed_topics_and_authors_first(client: Client) -> None:
    """Papers with a followed category, word or author come before more popular ones, with the reason."""
    popular, by_topic, by_word, by_author = make_papers(4)
    popular.upvotes = 1_000
    by_topic.categories.append("cs.LG")
    by_word.abstract += " on Quantum   Widgets."
    by_author.authors.append("Ada Lovelace")
    digest = make_digest(client, upsert(client, [popular, by_topic, by_word, by_author]))
    user = fresh("user")
    prefer(client, user, followed_topics=["CS.lg", "quantum widgets"], followed_authors=["ada LOVELACE"])

    feed = get_feed(client, user, digest, explain=True)

    assert feed.fallback_reason == FALLBACK_REASON_NEW_USER
    assert set(shown(feed)[:3]) == {by_topic.paper_id, by_word.paper_id, by_author.paper_id}
    assert shown(feed)[3] == popular.paper_id
    why = {item.paper.paper_id: [(r.type, r.subject) for r in item.reasons] for item in feed.items}
    assert why[by_topic.paper_id] == [(REASON_TYPE_TOPIC, "CS.lg")]
    assert why[by_word.paper_id] == [(REASON_TYPE_TOPIC, "quantum widgets")]
    assert why[by_author.paper_id] == [(REASON_TYPE_FOLLOWED_AUTHOR, "ada LOVELACE")]


@pytest.mark.parametrize("has_likes", [False, True])
def test_muted_is_never_shown(client: Client, has_likes: bool) -> None:
    """Papers of muted topics, authors and keywords are hidden, for new and known users, whatever their case."""
    liked, plain, topic, author, keyword, part = make_papers(6)
    topic.categories.append("cs.CR")
    author.authors.append("Charles Babbage")
    keyword.abstract += " with Block-Chain inside"
    part.abstract += " with blockchains inside"
    digest = make_digest(client, upsert_ready(client, [plain, topic, author, keyword, part]))
    upsert_ready(client, [liked])
    user = fresh("user")
    prefer(
        client,
        user,
        muted_topics=["CS.cr"],
        muted_authors=["charles babbage"],
        muted_keywords=["block chain"],
        followed_topics=["cs.CR"],
    )
    if has_likes:
        record(client, user, "like", liked.paper_id)

    assert set(shown(get_feed(client, user, digest))) == {plain.paper_id, part.paper_id}


@pytest.mark.parametrize("kind", ["like", "save", "dislike", "dismiss", "sent", "complaint"])
def test_what_was_reacted_to_is_never_shown(client: Client, kind: str) -> None:
    """An event that hides its paper does so in the next feed, for users with and without other likes."""
    liked, seen, *rest = upsert_ready(client, make_papers(4))
    digest = make_digest(client, [seen, *rest])
    unknown, user = fresh("user"), fresh("user")
    record(client, user, "like", liked)
    record(client, unknown, kind, seen)
    record(client, user, kind, seen)

    for each in (unknown, user):
        assert set(shown(get_feed(client, each, digest))) == set(rest)


@pytest.mark.parametrize("kind", ["click", "impression"])
def test_what_was_only_looked_at_stays(client: Client, kind: str) -> None:
    """A click, an impression or a served feed hides nothing."""
    papers = upsert_ready(client, make_papers(3))
    digest, user = make_digest(client, papers), fresh("user")
    record(client, user, kind, papers[0])

    assert set(shown(get_feed(client, user, digest))) == set(papers)
    assert set(shown(get_feed(client, user, digest))) == set(papers)


@pytest.mark.parametrize("kind", ["like", "save", "dislike"])
def test_unlike_brings_back(client: Client, kind: str) -> None:
    """A reaction that was taken back no longer hides the paper."""
    papers = upsert_ready(client, make_papers(2))
    digest, user = make_digest(client, papers), fresh("user")
    record(client, user, kind, papers[0], when=MONDAY)
    assert shown(get_feed(client, user, digest)) == [papers[1]]

    record(client, user, "unlike", papers[0], when=MONDAY + DAY)

    assert set(shown(get_feed(client, user, digest))) == set(papers)


def test_excluded_papers_are_left_out(client: Client) -> None:
    """exclude_paper_ids leaves known papers out of this feed only, and ignores unknown ones."""
    a, b, c = upsert_ready(client, make_papers(3))
    digest, user = make_digest(client, [a, b, c]), fresh("user")

    feed = get_feed(client, user, digest, exclude_paper_ids=[a, fresh("unknown"), a])

    assert set(shown(feed)) == {b, c}
    assert feed.total_size == 2
    assert set(shown(get_feed(client, user, digest))) == {a, b, c}


def test_nothing_left_is_an_empty_digest(client: Client) -> None:
    """If all candidates are hidden, the feed is empty with EMPTY_DIGEST."""
    (paper,) = upsert_ready(client, make_papers(1))
    digest, user = make_digest(client, [paper]), fresh("user")
    record(client, user, "like", paper)

    for feed in (get_feed(client, user, digest), get_feed(client, fresh("user"), make_digest(client, []))):
        assert (shown(feed), feed.total_size) == ([], 0)
        assert feed.fallback_reason == FALLBACK_REASON_EMPTY_DIGEST


# ------------------------------------------------------------------------------------------------------- candidates


def test_no_digest_at_all(own: Service) -> None:
    """Without any digest a feed is empty, not an error; a named digest must exist."""
    feed = get_feed(own.client, "u")

    assert (shown(feed), feed.digest_ids, feed.fallback_reason) == ([], [], FALLBACK_REASON_EMPTY_DIGEST)
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "digest_id"):
        get_feed(own.client, "u", "nowhere")


def test_newest_digest_is_the_default(own: Service) -> None:
    """Without a digest_id the feed is of the digest with the latest date, also after a newer one arrives."""
    a, b, c = upsert_ready(own.client, make_papers(3))
    make_digest(own.client, [a], "2026-03-09", "new")
    make_digest(own.client, [b], "2026-03-08", "old")
    assert (get_feed(own.client, "u").digest_ids, shown(get_feed(own.client, "u"))) == (["new"], [a])

    make_digest(own.client, [c], "2026-03-10", "newer")

    assert (get_feed(own.client, "u").digest_ids, shown(get_feed(own.client, "u"))) == (["newer"], [c])
    assert shown(get_feed(own.client, "u", "old")) == [b]


def test_stale_digest(own: Service) -> None:
    """The newest digest is stale if older than the setting, whatever the fallback reason; a named one never is."""
    liked, other = upsert_ready(own.client, make_papers(2))
    record(own.client, "u", "like", liked)
    make_digest(own.client, [liked, other], "2026-03-09", "d")

    def said(user: str, days: float, digest: str = "") -> tuple[int, bool]:
        feed = get_feed(own.client, user, digest, as_of=at(MONDAY + days * DAY))
        stored = own.client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id)).slate
        assert stored.stale_digest == feed.stale_digest
        return feed.fallback_reason, feed.stale_digest

    assert said("u", 0) == said("u", 3) == (FALLBACK_REASON_NONE, False)
    assert said("u", 4) == (FALLBACK_REASON_NONE, True)
    assert said("stranger", 4) == (FALLBACK_REASON_NEW_USER, True)
    assert said("u", 4, "d") == (FALLBACK_REASON_NONE, False)
    assert own.client.status.GetStatus(GetStatusRequest()).stale_feed_count == 2


def test_changed_digest_changes_the_next_feed(client: Client) -> None:
    """A replaced digest, a changed title and a deleted paper take effect in the next feed."""
    papers = make_papers(3)
    a, b, c = upsert_ready(client, papers)
    digest, user = make_digest(client, [a, b]), fresh("user")
    assert set(shown(get_feed(client, user, digest))) == {a, b}

    make_digest(client, [b, c], digest_id=digest)
    assert set(shown(get_feed(client, user, digest))) == {b, c}
    papers[1].title = f"an entirely new title {fresh('t')}"
    upsert(client, [papers[1]])
    titles = {item.paper.paper_id: item.paper.title for item in get_feed(client, user, digest).items}
    assert titles[b] == papers[1].title
    client.catalog.DeletePaper(DeletePaperRequest(paper_id=b))
    assert shown(get_feed(client, user, digest)) == [c]


def test_window_of_first_sight(client: Client) -> None:
    """A window has the papers first seen from its start to before its end; the feed names no digest."""
    start_at = dt.datetime(2001, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=int(fresh("")[1:7], 16))
    papers = make_papers(3)
    for paper, seconds in zip(papers, (0, 10, 20), strict=True):
        paper.first_seen_at.CopyFrom(at(start_at + dt.timedelta(seconds=seconds)))
    first, second, third = upsert_ready(client, papers)

    def window(*seconds: int) -> list[str]:
        moments = [at(start_at + dt.timedelta(seconds=each)) for each in seconds]
        feed = get_feed(client, fresh("user"), window=TimeWindow(start_at=moments[0], end_at=moments[1]))
        assert list(feed.digest_ids) == []
        return shown(feed)

    assert set(window(0, 20)) == {first, second}
    assert window(10, 11) == [second]
    assert set(window(10, 21)) == {second, third}
    assert window(21, 22) == []


def test_window_without_end_reaches_to_now(own: Service) -> None:
    """A window without an end has all papers first seen since its start."""
    paper_ids = upsert_ready(own.client, make_papers(2))

    feed = get_feed(own.client, "u", window=TimeWindow(start_at=at(dt.datetime.now(dt.UTC) - DAY)))

    assert set(shown(feed)) == set(paper_ids)
