"""GetFeed and GetSlate."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import PAPER_VIEW_BASIC, PAPER_VIEW_FULL, CreateDigestRequest, DeletePaperRequest, Digest
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_EMPTY_DIGEST,
    FALLBACK_REASON_MODEL_UNAVAILABLE,
    FALLBACK_REASON_NEW_USER,
    FALLBACK_REASON_NONE,
    FALLBACK_REASON_STALE_DIGEST,
    REASON_TYPE_FOLLOWED_AUTHOR,
    REASON_TYPE_FRESH,
    REASON_TYPE_SIMILAR_TO_LIKED,
    REASON_TYPE_TOPIC,
    REASON_TYPE_TRENDING,
    FeedItem,
    GetFeedRequest,
    GetFeedResponse,
    GetSlateRequest,
    TimeWindow,
)
from paperfeed.v1.profile_pb2 import Preferences, UpdatePreferencesRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from ranker.features import SCHEMA
from service.app.embedder import embed_pending
from service.bootstrap import SystemClock
from service.domain.papers import embedding_text
from service.encoder import HashingEncoder
from tests.rpc.builders import (
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
from tests.rpc.servers import Service, serving

DAY = dt.timedelta(days=1)


def get_feed(client: Client, user: str, digest: str = "", **fields: Any) -> GetFeedResponse:
    request = GetFeedRequest(user_id=user, page_size=100, **fields)
    if digest:
        request.digest_id = digest
    return client.feeds.GetFeed(request)


def shown(feed: GetFeedResponse) -> list[str]:
    return [item.paper.paper_id for item in feed.items]


def prefer(client: Client, user: str, **lists: list[str]) -> None:
    client.profiles.UpdatePreferences(UpdatePreferencesRequest(user_id=user, preferences=Preferences(**lists)))


def kinds(item: FeedItem) -> list[int]:
    return [reason.type for reason in item.reasons]


# ---------------------------------------------------------------------------------------------------- what is shown


def test_stranger_gets_what_trends(client: Client) -> None:
    """An unknown user gets every paper by upvotes for its age, TRENDING only where there are upvotes, and NEW_USER."""
    cold, warm, hot = make_papers(3, published_at=at(MONDAY))
    warm.upvotes, hot.upvotes = 5, 50
    digest = make_digest(client, upsert_ready(client, [cold, warm, hot]))

    feed = get_feed(client, fresh("user"), digest, explain=True)

    assert (feed.fallback_reason, feed.model_version) == (FALLBACK_REASON_NEW_USER, "trending")
    assert (feed.digest_id, feed.pending_paper_count, feed.total_size) == (digest, 0, 3)
    assert shown(feed) == [hot.paper_id, warm.paper_id, cold.paper_id]
    assert [item.rank for item in feed.items] == [1, 2, 3]
    assert [kinds(item) for item in feed.items] == [[REASON_TYPE_TRENDING], [REASON_TYPE_TRENDING], []]

    earlier = get_feed(client, fresh("user"), digest, explain=True, as_of=at(MONDAY + DAY))

    assert earlier.as_of == at(MONDAY + DAY)
    assert [kinds(item) for item in earlier.items] == [[], [], []], "the upvotes came later"


def test_new_user_sees_followed_topics_and_authors_first(client: Client) -> None:
    """Papers with a followed category, word or author come before more popular ones, and say why."""
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
    """Muted topics, authors and keywords keep papers out, for new and known users, whatever their case."""
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
    """Each hiding event takes its paper out of the next feed, for a user with or without other likes."""
    liked, seen, *rest = upsert_ready(client, make_papers(4))
    digest = make_digest(client, [seen, *rest])
    stranger, reader = fresh("user"), fresh("user")
    record(client, reader, "like", liked)
    record(client, stranger, kind, seen)
    record(client, reader, kind, seen)

    for user in (stranger, reader):
        assert set(shown(get_feed(client, user, digest))) == set(rest)


@pytest.mark.parametrize("kind", ["click", "impression"])
def test_what_was_only_looked_at_stays(client: Client, kind: str) -> None:
    """A click or an impression hides nothing, and serving a feed hides nothing either."""
    papers = upsert_ready(client, make_papers(3))
    digest, user = make_digest(client, papers), fresh("user")
    record(client, user, kind, papers[0])

    assert set(shown(get_feed(client, user, digest))) == set(papers)
    assert set(shown(get_feed(client, user, digest))) == set(papers)


@pytest.mark.parametrize("kind", ["like", "save", "dislike"])
def test_unlike_brings_back(client: Client, kind: str) -> None:
    """A reaction that was taken back hides no more."""
    papers = upsert_ready(client, make_papers(2))
    digest, user = make_digest(client, papers), fresh("user")
    record(client, user, kind, papers[0], when=MONDAY)
    assert shown(get_feed(client, user, digest)) == [papers[1]]

    record(client, user, "unlike", papers[0], when=MONDAY + DAY)

    assert set(shown(get_feed(client, user, digest))) == set(papers)


def test_excluded_papers_are_left_out(client: Client) -> None:
    """exclude_paper_ids keeps known papers out of this feed only and passes over unknown ones."""
    a, b, c = upsert_ready(client, make_papers(3))
    digest, user = make_digest(client, [a, b, c]), fresh("user")

    feed = get_feed(client, user, digest, exclude_paper_ids=[a, fresh("unknown"), a])

    assert set(shown(feed)) == {b, c}
    assert feed.total_size == 2
    assert set(shown(get_feed(client, user, digest))) == {a, b, c}


def test_nothing_left_is_an_empty_digest(client: Client) -> None:
    """Where all candidates are hidden the feed is empty and says so."""
    (paper,) = upsert_ready(client, make_papers(1))
    digest, user = make_digest(client, [paper]), fresh("user")
    record(client, user, "like", paper)

    for feed in (get_feed(client, user, digest), get_feed(client, fresh("user"), make_digest(client, []))):
        assert (shown(feed), feed.total_size, feed.next_page_token) == ([], 0, "")
        assert feed.fallback_reason == FALLBACK_REASON_EMPTY_DIGEST


# ------------------------------------------------------------------------------------------------- which candidates


def test_no_digest_at_all(own: Service) -> None:
    """Before the first digest a feed is empty, not an error; a digest that is named must exist."""
    feed = get_feed(own.client, "u")

    assert (shown(feed), feed.digest_id, feed.fallback_reason) == ([], "", FALLBACK_REASON_EMPTY_DIGEST)
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "digest_id"):
        get_feed(own.client, "u", "nowhere")


def test_newest_digest_is_the_default(own: Service) -> None:
    """Without a digest_id the feed is of the digest with the latest date, also after a newer one came."""
    a, b, c = upsert_ready(own.client, make_papers(3))
    make_digest(own.client, [a], "2026-03-09", "new")
    make_digest(own.client, [b], "2026-03-08", "old")
    assert (get_feed(own.client, "u").digest_id, shown(get_feed(own.client, "u"))) == ("new", [a])

    make_digest(own.client, [c], "2026-03-10", "newer")

    assert (get_feed(own.client, "u").digest_id, shown(get_feed(own.client, "u"))) == ("newer", [c])
    assert shown(get_feed(own.client, "u", "old")) == [b]


def test_stale_digest(own: Service) -> None:
    """The newest digest is STALE_DIGEST once older than the setting; a digest that is named never is."""
    liked, other = upsert_ready(own.client, make_papers(2))
    record(own.client, "u", "like", liked)
    make_digest(own.client, [liked, other], "2026-03-09", "d")

    def reason(days: float, digest: str = "") -> int:
        return get_feed(own.client, "u", digest, as_of=at(MONDAY + days * DAY)).fallback_reason

    assert reason(0) == reason(3) == FALLBACK_REASON_NONE
    assert reason(4) == FALLBACK_REASON_STALE_DIGEST
    assert reason(4, "d") == FALLBACK_REASON_NONE


def test_changed_digest_changes_the_next_feed(client: Client) -> None:
    """A replaced digest, a changed title and a deleted paper show in the very next feed."""
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
    """A window holds the papers first seen from its start up to, but without, its end; no digest is named."""
    start_at = dt.datetime(2001, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=int(fresh("")[1:7], 16))
    papers = make_papers(3)
    for paper, seconds in zip(papers, (0, 10, 20), strict=True):
        paper.first_seen_at.CopyFrom(at(start_at + dt.timedelta(seconds=seconds)))
    first, second, third = upsert_ready(client, papers)

    def window(*seconds: int) -> list[str]:
        moments = [at(start_at + dt.timedelta(seconds=each)) for each in seconds]
        feed = get_feed(client, fresh("user"), window=TimeWindow(start_at=moments[0], end_at=moments[1]))
        assert feed.digest_id == ""
        return shown(feed)

    assert set(window(0, 20)) == {first, second}
    assert window(10, 11) == [second]
    assert set(window(10, 21)) == {second, third}
    assert window(21, 22) == []


def test_window_without_end_reaches_to_now(own: Service) -> None:
    """A window without an end holds everything seen since its start."""
    paper_ids = upsert_ready(own.client, make_papers(2))

    feed = get_feed(own.client, "u", window=TimeWindow(start_at=at(dt.datetime.now(dt.UTC) - DAY)))

    assert set(shown(feed)) == set(paper_ids)


# ------------------------------------------------------------------------------------------------------------- pages


def pages_of(client: Client, request: GetFeedRequest) -> list[GetFeedResponse]:
    pages = [client.feeds.GetFeed(request)]
    while token := pages[-1].next_page_token:
        request.page_token = token
        pages.append(client.feeds.GetFeed(request))
    return pages


def test_pages_pin_the_slate(client: Client) -> None:
    """Likes, papers and digests that arrive between two pages change none of the slate's places."""
    papers = upsert_ready(client, [*make_papers(6), *make_papers(6, "graphs")])
    digest, user = make_digest(client, papers), fresh("user")
    whole = get_feed(client, user, digest, as_of=at(MONDAY))
    request = GetFeedRequest(user_id=user, digest_id=digest, page_size=5, as_of=at(MONDAY))
    first = client.feeds.GetFeed(request)
    later_liked = shown(whole)[0]
    record(client, user, "like", later_liked)
    make_digest(client, upsert_ready(client, make_papers(3)), digest_id=digest)
    request.page_token = first.next_page_token

    second, third = pages_of(client, request)

    assert shown(first) + shown(second) + shown(third) == shown(whole)
    assert [item.rank for item in [*first.items, *second.items, *third.items]] == list(range(1, 13))
    assert {page.slate_id for page in (first, second, third)} == {first.slate_id}
    assert {page.fallback_reason for page in (second, third)} == {FALLBACK_REASON_NEW_USER}
    assert {page.total_size for page in (first, second, third)} == {12}
    assert {page.as_of.ToSeconds() for page in (first, second, third)} == {at(MONDAY).seconds}


def test_later_pages_leave_out_what_was_reacted_to_since(client: Client) -> None:
    """A paper liked after the first page is missing from the second, and the ranks keep its gap."""
    papers = upsert_ready(client, make_papers(6))
    digest, user = make_digest(client, papers), fresh("user")
    request = GetFeedRequest(user_id=user, digest_id=digest, page_size=3)
    first = client.feeds.GetFeed(request)
    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=first.slate_id))
    record(client, user, "dismiss", slate.items[4].paper.paper_id)
    request.page_token = first.next_page_token

    second = client.feeds.GetFeed(request)

    assert [item.rank for item in second.items] == [4, 6]
    assert second.next_page_token == ""


def test_page_size_may_change_between_pages(client: Client) -> None:
    """Pages of different sizes join to the slate without gap or repeat."""
    digest = make_digest(client, upsert_ready(client, make_papers(7)))
    request = GetFeedRequest(user_id=fresh("user"), digest_id=digest, page_size=2)
    first = client.feeds.GetFeed(request)
    request.page_token, request.page_size = first.next_page_token, 4

    second, third = pages_of(client, request)

    assert [item.rank for page in (first, second, third) for item in page.items] == list(range(1, 8))


def test_default_page_and_the_typed_iterator(client: Client) -> None:
    """0 means 20 items, and the client's iterator walks all pages of one slate."""
    digest = make_digest(client, upsert_ready(client, make_papers(45)))
    request = GetFeedRequest(user_id=fresh("user"), digest_id=digest)

    items = list(client.feed_items(request))

    assert len(client.feeds.GetFeed(request).items) == 20
    assert [item.rank for item in items] == list(range(1, 46))
    assert len({item.paper.paper_id for item in items}) == 45


def test_slates_store_500_places(client: Client) -> None:
    """Of more candidates the best 500 make the slate."""
    paper_ids = upsert(client, make_papers(520))
    digest = make_digest(client, paper_ids)

    feed = get_feed(client, fresh("user"), digest)

    assert feed.total_size == 500
    assert len(client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id)).items) == 500


def test_a_page_agrees_on_every_server(service: Service, tiny_bundle: Any) -> None:
    """A token that one server gave leads to the same slate on another one of the same database."""
    client = service.client
    papers = upsert_ready(client, make_papers(6))
    liked, *rest = papers
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)
    request = GetFeedRequest(user_id=user, digest_id=digest, page_size=2, explain=True)
    first = client.feeds.GetFeed(request)
    request.page_token = first.next_page_token

    with serving(service.url, bundle=str(tiny_bundle)) as other:
        there = other.client.feeds.GetFeed(request)
        here = client.feeds.GetFeed(request)
        same = GetFeedRequest(user_id=user, digest_id=digest, page_size=4, as_of=at(MONDAY), explain=True)
        new_there, new_here = other.client.feeds.GetFeed(same), client.feeds.GetFeed(same)

    assert there == here
    assert [item.rank for item in there.items] == [3, 4]
    assert list(new_there.items) == list(new_here.items)
    assert new_there.slate_id != new_here.slate_id


def test_get_slate_is_what_was_served(client: Client) -> None:
    """GetSlate answers all items with scores and reasons as GetFeed showed them."""
    liked, *rest = upsert_ready(client, make_papers(5))
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)
    feed = get_feed(client, user, digest, explain=True)

    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=feed.slate_id))

    assert slate.user_id == user
    assert list(slate.items) == list(feed.items)
    for name in ("slate_id", "model_version", "digest_id", "pending_paper_count", "fallback_reason", "as_of"):
        assert getattr(slate, name) == getattr(feed, name)
    assert slate.created_at.ToNanoseconds() >= slate.as_of.ToNanoseconds()


def test_view_decides_about_abstracts(client: Client) -> None:
    """BASIC, the default, leaves the abstract out and FULL bears it; all else is equal."""
    (paper,) = papers = make_papers(1, authors=["Ada Lovelace"], upvotes=3)
    digest = make_digest(client, upsert_ready(client, papers))
    feeds = {
        view: get_feed(client, fresh("user"), digest, view=view) for view in (0, PAPER_VIEW_BASIC, PAPER_VIEW_FULL)
    }

    by_view = {view: feed.items[0].paper for view, feed in feeds.items()}
    slate = client.feeds.GetSlate(GetSlateRequest(slate_id=feeds[0].slate_id, view=PAPER_VIEW_FULL))

    assert by_view[0] == by_view[PAPER_VIEW_BASIC]
    assert by_view[0].abstract == ""
    assert by_view[0].authors == ["Ada Lovelace"]
    assert by_view[PAPER_VIEW_FULL].abstract == slate.items[0].paper.abstract == paper.abstract


# ---------------------------------------------------------------------------------------------------------- ranking


def cosine(one: Any, other: Any) -> float:
    a, b = HashingEncoder().encode([embedding_text(paper.title, paper.abstract) for paper in (one, other)])
    return float(a @ b)


def test_trained_model_ranks_what_is_liked_first(client: Client) -> None:
    """With a bundle that fits, a reader of one topic gets its papers before those of all others, with reason NONE."""
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


def test_features_of_what_was_served_are_stored(service: Service) -> None:
    """The slate keeps the features that the model scored: scoring them again gives the scores that were shown."""
    client = service.client
    liked, *rest = upsert_ready(client, make_papers(4))
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)
    feed = get_feed(client, user, digest)

    with service.application.store.read() as tx:
        slate = tx.slates.find(feed.slate_id, with_features=True)

    assert slate is not None
    features = np.array([np.frombuffer(item.features, "<f4") for item in slate.items], np.float32)
    bundle = service.application.serving.current.bundle
    assert bundle is not None
    assert features.shape == (3, len(SCHEMA))
    assert bundle.model.scores(bundle.model.leaves(features)).tolist() == [item.score for item in feed.items]


def test_without_a_bundle_that_fits_cosine_ranks(bare: Service) -> None:
    """Where the bundle is of another encoder the nearest papers come first, and the answer says MODEL_UNAVAILABLE."""
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
    """The same request at the same as_of gives the same items, whatever the clock says, in another slate."""
    liked, *rest = upsert_ready(client, [*make_papers(8, published_at=at(MONDAY)), *make_papers(8, "robots")])
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)

    one, two = (get_feed(client, user, digest, as_of=at(MONDAY + DAY), explain=True) for _ in range(2))

    assert list(one.items) == list(two.items)
    assert one.slate_id != two.slate_id


def test_age_is_counted_to_as_of(client: Client) -> None:
    """The same digest asked at another as_of has other ages: what was fresh then is not later."""
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
    """Diversity 0 goes by score; 1 puts something different second; both show the same papers with the same scores."""
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
    """The feed after a new like is ranked with it."""
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
    """SIMILAR_TO_LIKED bears id, title and cosine of a paper that the user likes and that is the nearest one."""
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


def test_no_reason_without_its_fact(client: Client) -> None:
    """Papers without dates and upvotes are never called FRESH or TRENDING, for known users and for strangers."""
    liked, *rest = upsert_ready(client, make_papers(10))
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)

    for reader in (user, fresh("user")):
        feed = get_feed(client, reader, digest, explain=True)
        told = {kind for item in feed.items for kind in kinds(item)}
        assert not told & {REASON_TYPE_FRESH, REASON_TYPE_TRENDING}


def test_fresh_needs_a_date_of_the_last_seven_days(client: Client) -> None:
    """Of a new, an old and an undated paper only the new one may be FRESH."""
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
    """A publication date after as_of is no reason: it was not published in the last 7 days."""
    liked, future = make_papers(2)
    future.published_at.CopyFrom(at(MONDAY + 300 * DAY))
    upsert_ready(client, [liked, future])
    digest, user = make_digest(client, [future.paper_id]), fresh("user")
    record(client, user, "like", liked.paper_id)

    feed = get_feed(client, user, digest, explain=True, as_of=at(MONDAY))

    assert REASON_TYPE_FRESH not in kinds(feed.items[0])


def test_reasons_only_when_asked_for(client: Client) -> None:
    """Without explain no item bears a reason."""
    liked, *rest = upsert_ready(client, make_papers(4, upvotes=5))
    digest, user = make_digest(client, rest), fresh("user")
    record(client, user, "like", liked)

    for reader in (user, fresh("user")):
        assert [kinds(item) for item in get_feed(client, reader, digest).items] == [[]] * 3


# ---------------------------------------------------------------------------------------------------------- pending


@pytest.mark.parametrize("has_bundle", [False, True])
def test_pending_papers_are_ranked_and_counted(
    start: Callable[..., Service], tiny_bundle: Any, has_bundle: bool
) -> None:
    """Papers without a vector stand in the feed, their number is told, and the next feed after embedding has none."""
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
    """While vectors of another width still serve, a digest that has none of them is ranked, not refused."""
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
    """The answer bears the digest's id as stored."""
    digest = Digest(date="2026-03-09", source=fresh("src"))
    client.catalog.CreateDigest(CreateDigestRequest(digest=digest))

    assert get_feed(client, "u", f"{digest.source}-2026-03-09").digest_id == f"{digest.source}-2026-03-09"
