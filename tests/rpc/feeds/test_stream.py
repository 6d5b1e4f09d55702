"""StreamFeeds."""

import itertools
from typing import Any

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import PAPER_VIEW_FULL, Paper, UpsertPapersRequest
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_EMPTY_DIGEST,
    FALLBACK_REASON_NEW_USER,
    FALLBACK_REASON_NONE,
    GetFeedRequest,
    GetSlateRequest,
    StreamFeedsRequest,
    StreamFeedsResponse,
)
from paperfeed.v1.profile_pb2 import DeleteUserRequest
from testing.calls import (
    MONDAY,
    at,
    calls_at_work,
    failing,
    fresh,
    make_digest,
    make_papers,
    record,
    upsert_ready,
    wait_until,
)
from testing.papers import TOPICS
from testing.servers import Service


def stream(client: Client, *user_ids: str, **fields: Any) -> list[StreamFeedsResponse]:
    return list(client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=user_ids, **fields)))


def users(answers: list[StreamFeedsResponse]) -> list[str]:
    return [answer.slate.user_id for answer in answers]


def shown(answer: StreamFeedsResponse) -> list[str]:
    return [item.paper.paper_id for item in answer.slate.items]


def test_one_feed_per_user_in_order_of_id(client: Client) -> None:
    """Users, known or not, come once and in order of code points, whatever the order of the request."""
    digest = make_digest(client, upsert_ready(client, make_papers(2)))
    suffix = fresh("")
    names = [f"{letter}{suffix}" for letter in ("b", "Z", "é", "a", "10", "9")]

    answers = stream(client, *names, names[0], digest_ids=[digest])

    assert users(answers) == sorted(names)
    assert {answer.slate.fallback_reason for answer in answers} == {FALLBACK_REASON_NEW_USER}


def test_each_feed_is_what_get_feed_answers(client: Client) -> None:
    """A streamed feed equals the one of GetFeed, and is stored as a slate."""
    liked, seen, *rest = upsert_ready(client, make_papers(6, published_at=at(MONDAY)))
    digest = make_digest(client, [seen, *rest])
    user, unknown = fresh("a"), fresh("b")
    record(client, user, "like", liked)
    record(client, user, "sent", seen)

    answers = stream(
        client, user, unknown, digest_ids=[digest], limit=3, as_of=at(MONDAY), explain=True, view=PAPER_VIEW_FULL
    )

    for each, answer in zip((user, unknown), answers, strict=True):
        request = GetFeedRequest(
            user_id=each, digest_id=digest, page_size=3, as_of=at(MONDAY), explain=True, view=PAPER_VIEW_FULL
        )
        single = client.feeds.GetFeed(request).slate
        assert list(answer.slate.items) == list(single.items)
        assert answer.slate.items[0].paper.abstract
        for name in ("model_version", "digest_ids", "fallback_reason", "as_of", "total_size", "pending_paper_count"):
            assert getattr(answer.slate, name) == getattr(single, name)
        slate = client.feeds.GetSlate(GetSlateRequest(slate_id=answer.slate.slate_id, view=PAPER_VIEW_FULL)).slate
        assert slate.user_id == each
        assert list(slate.items)[:3] == list(answer.slate.items)
    assert seen not in shown(answers[0])
    assert answers[0].slate.fallback_reason == FALLBACK_REASON_NONE


@pytest.mark.parametrize("rows", [1, 11, 100_000])
def test_users_are_ranked_together(client: Client, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """However many users are scored in one call, each gets the feed of GetFeed."""
    monkeypatch.setattr("service.app.ranking.ranking.SCORED_ROWS", rows)
    liked = upsert_ready(client, [paper for topic in TOPICS for paper in make_papers(2, topic)])
    digest = make_digest(client, upsert_ready(client, [paper for topic in TOPICS for paper in make_papers(1, topic)]))
    names = [fresh(letter) for letter in "abcdef"]
    for number, name in enumerate(names[:-1]):
        record(client, name, "like", *liked[number : 2 * number + 1])
        record(client, name, "dislike", liked[-1 - number])

    answers = stream(client, *names, digest_ids=[digest], as_of=at(MONDAY), explain=True)

    for name, answer in zip(names, answers, strict=True):
        single = client.feeds.GetFeed(
            GetFeedRequest(user_id=name, digest_id=digest, as_of=at(MONDAY), explain=True)
        ).slate
        assert [item.score for item in answer.slate.items] == pytest.approx(
            [item.score for item in single.items], abs=1e-5
        )
        assert [item.paper.paper_id for item in answer.slate.items] == [item.paper.paper_id for item in single.items]
        assert [[reason.type for reason in item.reasons] for item in answer.slate.items] == [
            [reason.type for reason in item.reasons] for item in single.items
        ]
    assert {answer.slate.fallback_reason for answer in answers[:-1]} == {FALLBACK_REASON_NONE}


def test_resumes_after_a_user(client: Client) -> None:
    """start_after skips that user and all before, whether or not it is among the users."""
    digest = make_digest(client, upsert_ready(client, make_papers(1)))
    token = fresh("")
    names = [f"u{i}{token}" for i in range(4)]

    assert users(stream(client, *names, digest_ids=[digest], start_after=names[1])) == names[2:]
    assert users(stream(client, *names, digest_ids=[digest], start_after=f"u1{token}x")) == names[2:]
    assert users(stream(client, *names, digest_ids=[digest], start_after=names[3])) == []


def test_all_users_are_all_that_are_known(own: Service) -> None:
    """all_users streams all known users in order, without deleted ones, and can be resumed."""
    client = own.client
    paper, other = upsert_ready(client, make_papers(2))
    make_digest(client, [paper, other])
    for name in ("c", "a", "d", "b"):
        record(client, name, "click", paper)
    client.profiles.DeleteUser(DeleteUserRequest(user_id="b"))
    stream(client, "unknown")

    assert users(stream(client, all_users=True)) == ["a", "c", "d"]
    assert users(stream(client, all_users=True, start_after="a")) == ["c", "d"]


def test_more_users_than_one_read_holds(client: Client) -> None:
    """A population larger than one batch arrives complete and in order."""
    (paper,) = upsert_ready(client, make_papers(1))
    digest = make_digest(client, [paper])
    names = [f"u{i:03d}" for i in range(450)]

    assert users(stream(client, *names, digest_ids=[digest], limit=1)) == names


def test_digest_is_pinned_while_streaming(own: Service) -> None:
    """A newer digest that arrives during a stream does not change the later feeds."""
    client = own.client
    old, new = upsert_ready(client, make_papers(2))
    make_digest(client, [old], "2026-03-09", "old")
    names = [f"u{i:03d}" for i in range(1_000)]

    answers = client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=names, as_of=at(MONDAY)))
    first = list(itertools.islice(answers, 1))
    make_digest(client, [new], "2026-03-10", "new")
    everyone = [*first, *answers]

    assert users(everyone) == names
    assert {tuple(answer.slate.digest_ids) for answer in everyone} == {("old",)}
    assert {tuple(shown(answer)) for answer in everyone} == {(old,)}
    assert {answer.slate.as_of.seconds for answer in everyone} == {at(MONDAY).seconds}


def test_no_digest_is_pinned_too(own: Service) -> None:
    """If there is no digest when the stream starts, one that arrives during it is not used."""
    client = own.client
    (paper,) = upsert_ready(client, make_papers(1))
    names = [f"u{i:03d}" for i in range(1_000)]

    answers = client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=names, as_of=at(MONDAY)))
    first = list(itertools.islice(answers, 1))
    make_digest(client, [paper], "2026-03-09", "late")
    everyone = [*first, *answers]

    assert users(everyone) == names
    assert {tuple(answer.slate.digest_ids) for answer in everyone} == {()}
    assert {answer.slate.fallback_reason for answer in everyone} == {FALLBACK_REASON_EMPTY_DIGEST}


def test_one_time_for_all_users(client: Client) -> None:
    """Without as_of, all feeds of a stream have the same as_of."""
    digest = make_digest(client, upsert_ready(client, make_papers(1)))

    answers = stream(client, fresh("a"), fresh("b"), digest_ids=[digest])

    assert answers[0].slate.as_of == answers[1].slate.as_of


def test_stale_newest_digest_and_none(own: Service) -> None:
    """The stream reports a stale newest digest as GetFeed does, and sends empty feeds if there is no digest."""
    client = own.client
    liked, other = upsert_ready(client, make_papers(2))
    record(client, "u", "like", liked)

    def said(*user_ids: str, **fields: Any) -> list[tuple[int, bool]]:
        return [(each.slate.fallback_reason, each.slate.stale_digest) for each in stream(client, *user_ids, **fields)]

    assert said("u") == [(FALLBACK_REASON_EMPTY_DIGEST, False)]

    make_digest(client, [other], "2020-01-01", "d")

    assert said("u", "v") == [(FALLBACK_REASON_NONE, True), (FALLBACK_REASON_NEW_USER, True)]
    assert said("u", digest_ids=["d"]) == [(FALLBACK_REASON_NONE, False)]


def test_several_digests_give_one_feed(client: Client) -> None:
    """Each user gets one feed of all papers of the named digests, each paper once, as of one digest of all of them."""
    liked, seen, *rest = upsert_ready(client, [*make_papers(6), *make_papers(6, "graphs")])
    parts = [make_digest(client, [seen, *rest[:4]]), make_digest(client, rest[3:8]), make_digest(client, rest[8:])]
    whole = make_digest(client, [seen, *rest])
    user, unknown = fresh("a"), fresh("b")
    record(client, user, "like", liked)
    record(client, user, "sent", seen)
    fields: dict[str, Any] = {"as_of": at(MONDAY), "explain": True}

    joined = stream(client, user, unknown, digest_ids=[*parts, parts[0]], **fields)

    for one, many in zip(stream(client, user, unknown, digest_ids=[whole], **fields), joined, strict=True):
        assert list(many.slate.items) == list(one.slate.items)
        assert list(many.slate.digest_ids) == parts
    assert sorted(shown(joined[0])) == sorted(rest)
    stored = client.feeds.GetSlate(GetSlateRequest(slate_id=joined[0].slate.slate_id)).slate
    assert stored == joined[0].slate
    client.catalog.UpsertPapers(UpsertPapersRequest(papers=[Paper(paper_id=rest[0], title="Another title")]))
    changed = stream(client, user, digest_ids=parts, **fields)[0].slate
    assert "Another title" in {item.paper.title for item in changed.items}


def test_most_papers_of_joined_digests(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the digests have more papers than one feed takes, those of the digests named first are ranked."""
    monkeypatch.setattr("service.app.ranking.candidate_sets.MAX_JOINED_PAPERS", 3)
    a, b, c, d = upsert_ready(client, make_papers(4))
    digests = [make_digest(client, [b, a]), make_digest(client, [d, c])]

    (answer,) = stream(client, "u", digest_ids=digests)

    assert sorted(shown(answer)) == sorted([a, b, d])


def test_bad_streams_fail_before_the_first_feed(client: Client) -> None:
    """Bad requests end with code and field before the first feed."""
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    with failing(invalid, "INVALID_FIELD", "user_ids"):
        stream(client)
    with failing(invalid, "INVALID_FIELD", "user_ids"):
        stream(client, "u", all_users=True)
    with failing(invalid, "INVALID_FIELD", "user_ids[1]"):
        stream(client, "u", "not a user")
    with failing(invalid, "INVALID_FIELD", "user_ids"):
        stream(client, *map(str, range(10_001)))
    with failing(invalid, "INVALID_FIELD", "limit"):
        stream(client, "u", limit=-1)
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "digest_ids"):
        stream(client, "u", digest_ids=[fresh("nowhere")])
    with failing(invalid, "INVALID_FIELD", "digest_ids"):
        stream(client, "u", digest_ids=map(str, range(101)))


def test_a_client_that_leaves_ends_the_work(own: Service) -> None:
    """After a cancelled stream the server keeps serving, and stores no slates for the remaining users."""
    client = own.client
    make_digest(client, upsert_ready(client, make_papers(1)))
    names = [f"u{i:04d}" for i in range(10_000)]
    answers = client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=names))
    next(answers)

    answers.cancel()

    assert users(stream(client, "u")) == ["u"]
    wait_until(lambda: calls_at_work(client) == 0)
    with own.application.store.read() as tx:
        assert list(tx.slates.of_user(names[-1])) == []
