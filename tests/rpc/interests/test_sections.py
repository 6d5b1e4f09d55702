"""Feeds of one interest and slates with sections over gRPC."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from sqlalchemy import text

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_NEW_USER,
    FALLBACK_REASON_NONE,
    REASON_TYPE_TOPIC,
    GetFeedRequest,
    GetSlateRequest,
    Slate,
    StreamFeedsRequest,
)
from ranker.features import SCHEMA
from ranker.types import Float32Array
from service.domain.feeds import SlateItem
from testing.calls import MONDAY, at, failing, fresh, ids, make_digest, make_papers, record, upsert_ready
from testing.servers import Service
from tests.rpc.feed_calls import get_feed, shown
from tests.rpc.interests.calls import change, create, interests, merge, two_interests

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


def digest_of(client: Client, count: int = 20) -> tuple[str, set[str], set[str]]:
    """Return a digest of as many papers of audio as of vision, and these papers."""
    strong, weak = make_papers(count, "audio"), make_papers(count)
    digest = make_digest(
        client, upsert_ready(client, [paper for both in zip(strong, weak, strict=True) for paper in both])
    )
    return digest, set(ids(strong)), set(ids(weak))


def feed(client: Client, user: str, digest: str, **fields: Any) -> Slate:
    return get_feed(client, user, digest, diversity=0, **{"as_of": at(MONDAY), **fields})


def order(slate: Slate) -> list[tuple[str, float]]:
    return [(item.paper.paper_id, item.score) for item in slate.items]


def logged_features(service: Service, slate_id: str) -> tuple[Sequence[SlateItem], Float32Array]:
    """Return the items of a stored slate and their features."""
    with service.application.store.read() as tx:
        slate = tx.slates.find(slate_id, with_features=True)
    assert slate is not None
    return slate.items, np.frombuffer(slate.features, "<f4").reshape(len(slate.items), len(SCHEMA))


def test_sections_share_the_places_by_weight(client: Client) -> None:
    """In each beginning of the slate, every interest has its fair share of places, with papers of its own topic."""
    user, *_ = two_interests(client)
    digest, strong, weak = digest_of(client)
    audio, vision = interests(client, user)

    slate = feed(client, user, digest, by_interest=True)

    assert [(each.interest_id, each.name) for each in slate.sections] == [
        (each.interest_id, each.name) for each in (audio, vision)
    ]
    assert [each.weight for each in slate.sections] == pytest.approx([audio.weight, vision.weight])
    papers = shown(slate)
    assert sorted(papers) == sorted(strong | weak)
    assert [item.rank for item in slate.items] == list(range(1, 41))
    for count in range(1, 26):
        places = Counter(item.interest_id for item in slate.items[:count])
        assert abs(places[audio.interest_id] - count * audio.weight) <= 1
    first = slate.items[:20]
    assert {item.paper.paper_id for item in first if item.interest_id == audio.interest_id} <= strong
    assert {item.paper.paper_id for item in first if item.interest_id == vision.interest_id} <= weak


def test_a_section_is_the_feed_of_its_interest(client: Client) -> None:
    """Each section holds the papers of the interest's own feed in its order and with its scores."""
    user, strong_likes, weak_likes = two_interests(client)
    digest, *_ = digest_of(client)
    mixed = feed(client, user, digest, by_interest=True, explain=True)

    for interest, likes in zip(interests(client, user), (strong_likes, weak_likes), strict=True):
        alone = feed(client, user, digest, interest_id=interest.interest_id, explain=True)
        assert {item.interest_id for item in alone.items} == {interest.interest_id}
        section = [item for item in mixed.items if item.interest_id == interest.interest_id]
        by_paper = {item.paper.paper_id: (item.score, list(item.reasons)) for item in alone.items}
        assert {item.paper.paper_id: (item.score, list(item.reasons)) for item in section}.items() <= by_paper.items()
        wanted = [each for each in shown(alone) if each in {item.paper.paper_id for item in section}]
        assert [item.paper.paper_id for item in section] == wanted
        other = fresh("other")
        record(client, other, "like", *likes, when=MONDAY)
        assert [paper for paper, _ in order(alone)] == [paper for paper, _ in order(feed(client, other, digest))]


def test_more_of_this(client: Client) -> None:
    """An interest with a greater weight gets more places; without any weight it comes last."""
    user, *_ = two_interests(client)
    digest, *_ = digest_of(client)
    audio, vision = (each.interest_id for each in interests(client, user))

    change(client, user, vision, weight=0.5)
    half = Counter(item.interest_id for item in feed(client, user, digest, by_interest=True).items[:20])
    change(client, user, vision, weight=0)
    none = [item.interest_id for item in feed(client, user, digest, by_interest=True).items[:20]]

    assert half == {audio: 10, vision: 10}
    assert set(none) == {audio}


def test_paused_interest(client: Client) -> None:
    """A paused interest has no section, and its likes do not count in the single list; its own feed remains."""
    user, strong_likes, _ = two_interests(client)
    digest, _, weak = digest_of(client)
    audio, vision = (each.interest_id for each in interests(client, user))
    before = feed(client, user, digest)
    record(client, other := fresh("other"), "like", *strong_likes, when=MONDAY)

    change(client, user, vision, paused=True)

    assert {item.interest_id for item in feed(client, user, digest, by_interest=True).items} == {audio}
    single = feed(client, user, digest, explain=True)
    assert order(single) == order(feed(client, other, digest)) != order(before)
    assert not single.sections
    assert set(shown(feed(client, user, digest, interest_id=vision))[:5]) <= weak
    change(client, user, audio, paused=True)
    paused = feed(client, user, digest, by_interest=True)
    assert paused.fallback_reason == FALLBACK_REASON_NEW_USER
    assert not paused.sections
    change(client, user, vision, paused=False)
    change(client, user, audio, paused=False)
    assert order(feed(client, user, digest)) == order(before)


def test_edits_do_not_change_the_single_list(client: Client) -> None:
    """Names and weights leave order and scores of the single list as they were; its reasons use the new name."""
    user, *_ = two_interests(client, few=4)
    digest, *_ = digest_of(client)
    before = feed(client, user, digest)
    vision = interests(client, user)[1].interest_id

    change(client, user, vision, name="Seeing machines", weight=0.9)

    after = feed(client, user, digest, explain=True)
    assert order(after) == order(before)
    named = [r.subject for item in after.items for r in item.reasons if r.type == REASON_TYPE_TOPIC]
    assert "Seeing machines" in named
    alone = feed(client, user, digest, interest_id=vision, explain=True)
    said = {r.subject for item in alone.items[:5] for r in item.reasons if r.type == REASON_TYPE_TOPIC}
    assert said == {"Seeing machines"}


def test_users_without_edits_see_what_they_saw(each_engine: Service) -> None:
    """The stored slate of a user without edits has the form it always had, and edits of other users change nothing."""
    client = each_engine.client
    user, strong, weak = two_interests(client)
    digest, *_ = digest_of(client)
    record(client, other := fresh("other"), "like", *strong, *weak, when=MONDAY)

    def stored() -> tuple[str, str, bytes]:
        """Return the stored items, sections and features of a new slate."""
        slate_id = feed(client, user, digest, explain=True).slate_id
        with each_engine.application.store.connection() as connection:
            row = connection.execute(
                text("SELECT items, sections, features FROM slates WHERE slate_id = :id"), {"id": slate_id}
            ).one()
        return row[0], row[1], bytes(row[2])

    before = stored()
    change(client, other, interests(client, other)[0].interest_id, weight=0.1, paused=True)

    assert stored() == before
    items, sections, _ = before
    assert sections == "[]"
    assert {len(item) for item in json.loads(items)} == {4}


def test_list_of_papers_that_are_not_liked(client: Client) -> None:
    """The feed of a list ranks with its papers, although the user likes none of them."""
    user = fresh("user")
    robots = upsert_ready(client, make_papers(3, "robots"))
    near, far = make_papers(3, "robots"), make_papers(3)
    digest = make_digest(client, upsert_ready(client, [*far, *near]))
    made = create(client, user, "Robots", robots)

    alone = feed(client, user, digest, interest_id=made.interest_id)

    assert alone.fallback_reason == FALLBACK_REASON_NONE
    assert set(shown(alone)[:3]) == set(ids(near))
    assert order(feed(client, user, digest, by_interest=True)) == order(alone)
    assert feed(client, user, digest).fallback_reason == FALLBACK_REASON_NEW_USER


def test_merged_interest_by_its_old_id(client: Client) -> None:
    """The id of an interest that was merged into another one asks for the feed of that one."""
    user, *_ = two_interests(client)
    digest, *_ = digest_of(client, 4)
    audio, vision = (each.interest_id for each in interests(client, user))
    merge(client, user, audio, vision)
    assert order(feed(client, user, digest, interest_id=vision)) == order(feed(client, user, digest, interest_id=audio))


def test_unknown_interest(client: Client) -> None:
    """An unknown interest is NOT_FOUND, for known and unknown users; both options together are refused."""
    user, *_ = two_interests(client)
    digest, *_ = digest_of(client, 2)
    for name in (user, fresh("nobody")):
        with failing(NOT_FOUND, field="interest_id"):
            feed(client, name, digest, interest_id="no-such")
    with failing(INVALID, field="by_interest"):
        feed(client, user, digest, interest_id="x", by_interest=True)


def test_users_without_interests_get_a_single_list(client: Client) -> None:
    """With sections or without, a new user and a user without likes get the same feed."""
    digest, *_ = digest_of(client, 3)
    clicked = fresh("user")
    record(client, clicked, "click", *upsert_ready(client, make_papers(1)))
    for user in (fresh("nobody"), clicked):
        mixed = feed(client, user, digest, by_interest=True)
        assert order(mixed) == order(feed(client, user, digest))
        assert not mixed.sections


def test_pages_and_stored_slate(each_engine: Service) -> None:
    """Pages of a slate with sections agree with GetSlate; the stored features are those of each section's ranking."""
    client = each_engine.client
    user, *_ = two_interests(client)
    digest, *_ = digest_of(client)
    request = GetFeedRequest(user_id=user, digest_id=digest, page_size=7, by_interest=True)
    first = client.feeds.GetFeed(request)
    change(client, user, interests(client, user)[0].interest_id, name="Renamed since")

    pages = [*first.slate.items]
    request.page_token = first.next_page_token
    while request.page_token:
        page = client.feeds.GetFeed(request)
        pages.extend(page.slate.items)
        request.page_token = page.next_page_token

    stored = client.feeds.GetSlate(GetSlateRequest(slate_id=first.slate.slate_id, page_size=100)).slate
    assert [(each.paper.paper_id, each.interest_id) for each in pages] == [
        (each.paper.paper_id, each.interest_id) for each in stored.items
    ]
    assert stored.sections == first.slate.sections
    logged, features = logged_features(each_engine, first.slate.slate_id)
    assert {item.action_propensity for item in logged} == {1.0}
    for interest in interests(client, user):
        alone = get_feed(client, user, digest, interest_id=interest.interest_id, as_of=first.slate.as_of)
        own, rows = logged_features(each_engine, alone.slate_id)
        row_of = {item.paper_id: row for item, row in zip(own, rows, strict=True)}
        for item, row in zip(logged, features, strict=True):
            if item.interest_id == interest.interest_id:
                np.testing.assert_allclose(row, row_of[item.paper_id], atol=1e-5)


def test_streamed_sections(client: Client) -> None:
    """StreamFeeds gives each user the same sections as GetFeed, and a single list to users without interests."""
    user, *_ = two_interests(client)
    digest, *_ = digest_of(client, 6)
    nobody = fresh("nobody")
    request = StreamFeedsRequest(
        user_ids=[user, nobody], digest_ids=[digest], limit=12, as_of=at(MONDAY), by_interest=True
    )
    slates = {answer.slate.user_id: answer.slate for answer in client.feeds.StreamFeeds(request)}
    wanted = get_feed(client, user, digest, as_of=at(MONDAY), by_interest=True)
    assert [(item.paper.paper_id, item.interest_id) for item in slates[user].items] == [
        (item.paper.paper_id, item.interest_id) for item in wanted.items
    ]
    assert slates[user].sections == wanted.sections
    assert not slates[nobody].sections


def test_without_a_bundle(bare: Service) -> None:
    """Ranking by cosine has sections too."""
    client = bare.client
    user, *_ = two_interests(client)
    digest, strong, weak = digest_of(client, 6)
    vision = interests(client, user)[1].interest_id
    change(client, user, vision, weight=0.5)

    slate = feed(client, user, digest, by_interest=True)

    assert slate.model_version == "cosine"
    assert {item.paper.paper_id for item in slate.items if item.interest_id == vision} == weak
    assert {item.paper.paper_id for item in slate.items if item.interest_id != vision} == strong
