"""Interests in GetProfile, exports and reasons; follows and dislikes in feeds of users with likes."""

import datetime as dt

import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import (
    REASON_TYPE_FOLLOWED_AUTHOR,
    REASON_TYPE_SIMILAR_TO_LIKED,
    REASON_TYPE_TOPIC,
    GetFeedRequest,
    Slate,
)
from paperfeed.v1.profile_pb2 import (
    ExportUserRequest,
    GetProfileRequest,
    Preferences,
    Profile,
    UpdatePreferencesRequest,
)
from testing.calls import MONDAY, fresh, ids, make_digest, make_papers, rank_request, record, upsert, upsert_ready
from testing.papers import TOPICS

DAY = dt.timedelta(days=1)


def profile(client: Client, user: str) -> Profile:
    return client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile


def feed_of(client: Client, user: str, digest: str) -> Slate:
    return client.feeds.GetFeed(
        GetFeedRequest(user_id=user, digest_id=digest, page_size=100, explain=True, diversity=0)
    ).slate


def subjects(feed: Slate, kind: int) -> dict[str, list[str]]:
    """Return the subjects of reasons of one kind by paper; leave out papers without one."""
    found = {item.paper.paper_id: [r.subject for r in item.reasons if r.type == kind] for item in feed.items}
    return {paper_id: said for paper_id, said in found.items() if said}


def test_interests_of_a_profile(client: Client) -> None:
    """Likes of two topics are two interests, named by their words; the recent one is first despite fewer likes."""
    user = fresh("user")
    old, new = upsert_ready(client, make_papers(4)), upsert_ready(client, make_papers(3, "audio"))
    record(client, user, "like", *old, when=MONDAY - 400 * DAY)
    record(client, user, "like", *new, when=MONDAY)

    audio, vision = profile(client, user).interests

    assert (audio.like_count, vision.like_count) == (3, 4)
    assert audio.weight + vision.weight == pytest.approx(1)
    assert audio.weight > 0.7
    assert list(audio.paper_ids) == new[::-1]
    assert list(vision.paper_ids) == old[:0:-1]
    for found, topic in ((audio, "audio"), (vision, "vision")):
        assert set(found.name.replace(",", "").split()) & set(TOPICS[topic].split())
    exported = next(iter(client.profiles.ExportUser(ExportUserRequest(user_id=user)))).profile
    assert exported == profile(client, user)


def test_no_vectors_no_interests(client: Client) -> None:
    """A user without likes has no interests."""
    user = fresh("user")
    record(client, user, "click", *upsert(client, make_papers(1)))
    assert list(profile(client, user).interests) == []


def test_interest_as_a_reason(client: Client) -> None:
    """Papers near an interest of several likes, and no others, have a reason with its name as in GetProfile."""
    user = fresh("user")
    near, far = make_papers(3), make_papers(3, "robots")
    digest = make_digest(client, upsert_ready(client, [*near, *far]))
    record(client, user, "like", *upsert_ready(client, make_papers(4)))
    (interest,) = profile(client, user).interests

    feed = feed_of(client, user, digest)

    assert subjects(feed, REASON_TYPE_TOPIC) == {paper.paper_id: [interest.name] for paper in near}
    assert set(subjects(feed, REASON_TYPE_SIMILAR_TO_LIKED)) == set(ids(near))
    assert all(
        not reason.paper_id for item in feed.items for reason in item.reasons if reason.type == REASON_TYPE_TOPIC
    )


def test_follows_count_beside_likes(client: Client) -> None:
    """For a user with likes, papers of a followed topic or author rise and have the reason."""
    user = fresh("user")
    papers = make_papers(6, "robots")
    by_topic, by_author = papers[4], papers[5]
    by_topic.categories.append("cs.ZZ")
    by_author.authors.append("Ada Lovelace")
    digest = make_digest(client, upsert_ready(client, papers))
    record(client, user, "like", *upsert_ready(client, make_papers(4)))
    before = {item.paper.paper_id: item.score for item in feed_of(client, user, digest).items}

    wishes = Preferences(followed_topics=["cs.zz"], followed_authors=["ada lovelace"])
    client.profiles.UpdatePreferences(UpdatePreferencesRequest(user_id=user, preferences=wishes))
    feed = feed_of(client, user, digest)

    after = {item.paper.paper_id: item.score for item in feed.items}
    others = {paper.paper_id for paper in papers[:4]}
    for followed in (by_topic, by_author):
        rise = after[followed.paper_id] - before[followed.paper_id]
        assert rise > max(after[other] - before[other] for other in others)
    assert subjects(feed, REASON_TYPE_TOPIC) == {by_topic.paper_id: ["cs.zz"]}
    assert subjects(feed, REASON_TYPE_FOLLOWED_AUTHOR) == {by_author.paper_id: ["ada lovelace"]}


def test_dislikes_push_away(client: Client) -> None:
    """A dislike lowers near papers more than far ones, in feeds and in RankPapers."""
    user = fresh("user")
    papers = make_papers(12, "graphs")
    unwanted, near, far = papers[3], [papers[2], papers[4]], [papers[8], papers[9], papers[10]]
    digest_ids = upsert_ready(client, [*near, *far, *make_papers(3, "robots")])
    digest = make_digest(client, digest_ids)
    record(client, user, "like", *upsert_ready(client, [papers[0], papers[6]]))
    before = {item.paper.paper_id: item.score for item in feed_of(client, user, digest).items}

    record(client, user, "dislike", *upsert_ready(client, [unwanted]))
    feed = feed_of(client, user, digest)

    after = {item.paper.paper_id: item.score for item in feed.items}
    drops = {paper_id: before[paper_id] - after[paper_id] for paper_id in before}
    assert min(drops[paper_id] for paper_id in ids(near)) > max(drops[paper_id] for paper_id in ids(far))
    assert min(drops[paper_id] for paper_id in ids(near)) > 0
    ranked = client.feeds.RankPapers(rank_request(user_id=user, candidate_paper_ids=digest_ids, as_of=feed.as_of))
    assert {item.paper_id: item.score for item in ranked.items} == after
