"""RankPapers."""

from typing import Any

import grpc
import pytest
from google.rpc.code_pb2 import DEADLINE_EXCEEDED

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import PAPER_VIEW_FULL, BatchGetPapersRequest, ListPapersRequest, Paper
from paperfeed.v1.feed_pb2 import (
    FALLBACK_REASON_MODEL_UNAVAILABLE,
    FALLBACK_REASON_NEW_USER,
    FALLBACK_REASON_NONE,
    REASON_TYPE_SIMILAR_TO_LIKED,
    RankPapersResponse,
)
from paperfeed.v1.profile_pb2 import ExportUserRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.app.counters import Counters
from service.app.ranking.inline import InlineRanking, RankingQuery
from service.app.ranking.placing import KEPT_TERMS
from service.app.ranking.prepared_users import PreparedUsers
from service.domain import papers as domain
from service.domain.errors import DeadlineTooShort
from service.resources import SystemClock
from testing.calls import MONDAY, at, failing, fresh, ids, make_papers, rank_request, record, upsert_ready, wait_until
from testing.servers import Service


def rank(client: Client, **fields: Any) -> RankPapersResponse:
    return client.feeds.RankPapers(rank_request(**fields))


def test_inline_on_an_empty_database(own: Service) -> None:
    """Inline likes and candidates are ranked by the model on an empty database, and no paper is stored."""
    likes, near, far = make_papers(4), make_papers(3), make_papers(3, "audio")

    ranked = rank(own.client, liked_papers=likes, candidate_papers=[*far, *near], as_of=at(MONDAY), explain=True)

    assert ranked.model_version.startswith("tiny-")
    assert (ranked.fallback_reason, ranked.pending_paper_count) == (FALLBACK_REASON_NONE, 0)
    assert [item.rank for item in ranked.items] == [1, 2, 3, 4, 5, 6]
    assert set(ids(ranked.items)[:3]) == set(ids(near))
    assert set(ids(ranked.items)[3:]) == set(ids(far))
    scores = [item.score for item in ranked.items]
    assert scores == sorted(scores, reverse=True)
    reason = ranked.items[0].reasons[0]
    assert reason.type == REASON_TYPE_SIMILAR_TO_LIKED
    assert reason.paper_id in ids(likes)
    assert list(own.client.papers(ListPapersRequest())) == []


def test_inline_without_a_bundle(bare: Service) -> None:
    """Without a matching bundle, inline papers are ranked by cosine, and the answer says so."""
    likes, near, far = make_papers(1), make_papers(1), make_papers(1, "audio")

    ranked = rank(bare.client, liked_papers=likes, candidate_papers=[*far, *near])

    assert (ranked.model_version, ranked.fallback_reason) == ("cosine", FALLBACK_REASON_MODEL_UNAVAILABLE)
    assert ids(ranked.items) == [near[0].paper_id, far[0].paper_id]


def test_same_papers_same_ranking_stored_or_inline(client: Client) -> None:
    """The same likes and candidates get the same ranks and scores as ids, as text, and as a user's stored likes."""
    likes, candidates = make_papers(3), [*make_papers(3), *make_papers(3, "robots")]
    upsert_ready(client, [*likes, *candidates])
    stored = client.feeds.RankPapers(
        rank_request(liked_paper_ids=ids(likes), candidate_paper_ids=ids(candidates), as_of=at(MONDAY))
    )

    # As stored: first_seen_at is a feature.
    full = client.catalog.BatchGetPapers(BatchGetPapersRequest(paper_ids=ids(candidates), view=PAPER_VIEW_FULL)).papers
    user = fresh("user")
    record(client, user, "like", *ids(likes))
    for likes_given in ({"liked_papers": likes}, {"liked_paper_ids": ids(likes)}, {"user_id": user}):
        for shown in ({"candidate_papers": full}, {"candidate_paper_ids": ids(candidates)}):
            ranked = rank(client, **likes_given, **shown, as_of=at(MONDAY))
            assert list(ranked.items) == list(stored.items)
            assert ranked.fallback_reason == FALLBACK_REASON_NONE


def test_liked_papers_are_ranked_too(client: Client) -> None:
    """All candidates are ranked, also liked and sent ones, and an id that is given twice is ranked once."""
    papers = upsert_ready(client, make_papers(4))
    user = fresh("user")
    record(client, user, "like", papers[0])
    record(client, user, "sent", papers[1])

    by_user = rank(client, user_id=user, candidate_paper_ids=[*papers, papers[0]])
    by_ids = rank(client, liked_paper_ids=papers[:1], candidate_paper_ids=papers)

    assert sorted(ids(by_user.items)) == sorted(papers)
    assert sorted(ids(by_ids.items)) == sorted(papers)


def test_unknown_user_is_ranked_as_a_new_one(client: Client) -> None:
    """An unknown user gets the candidates by trend."""
    cold, hot = make_papers(2)
    hot.upvotes = 10

    ranked = rank(client, user_id=fresh("user"), candidate_papers=[cold, hot])

    assert (ranked.model_version, ranked.fallback_reason) == ("trending", FALLBACK_REASON_NEW_USER)
    assert ids(ranked.items) == [hot.paper_id, cold.paper_id]


def test_nothing_is_stored(client: Client) -> None:
    """Ranking for a user changes neither the user's data nor the catalog."""
    (paper,) = upsert_ready(client, make_papers(1))
    user = fresh("user")
    record(client, user, "like", paper)
    before = list(client.profiles.ExportUser(ExportUserRequest(user_id=user)))
    candidates = make_papers(2)

    rank(client, user_id=user, candidate_papers=candidates)

    assert list(client.profiles.ExportUser(ExportUserRequest(user_id=user))) == before
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "candidate_paper_ids.paper_ids[0]"):
        rank(client, user_id=user, candidate_paper_ids=ids(candidates))


def test_ids_are_as_sent_or_canonical(client: Client) -> None:
    """Inline papers keep the id that they were sent with, even an alias; stored papers have the canonical id."""
    (paper,) = make_papers(1)
    paper.url = f"https://doi.org/10.1000/{fresh('x')}"
    upsert_ready(client, [paper])
    alias = paper.url.removeprefix("https://doi.org/")
    inline = Paper(paper_id=alias, title=paper.title)

    assert ids(rank(client, user_id="u", candidate_papers=[inline]).items) == [alias]
    assert ids(rank(client, user_id="u", candidate_paper_ids=[alias]).items) == [paper.paper_id]


def test_liked_text_without_an_id_has_none_in_reasons(client: Client) -> None:
    """A reason names an inline like by its title, and by its id only if it was sent with one."""
    (paper, named) = make_papers(2)
    anonymous = Paper(title=paper.title, abstract=paper.abstract)
    candidates = make_papers(1)

    def reason(*likes: Paper) -> tuple[str, str]:
        item = rank(client, liked_papers=likes, candidate_papers=candidates, explain=True).items[0]
        assert item.reasons[0].type == REASON_TYPE_SIMILAR_TO_LIKED
        return item.reasons[0].subject, item.reasons[0].paper_id

    assert reason(anonymous) == (paper.title, "")
    assert reason(named) == (named.title, named.paper_id)


def test_one_id_for_two_texts(client: Client) -> None:
    """A like and a candidate with the same id but different texts are each ranked by their own text."""
    liked, near, far = make_papers(1)[0], make_papers(1)[0], make_papers(1, "biology")[0]
    far.paper_id = liked.paper_id

    ranked = rank(client, liked_papers=[liked], candidate_papers=[far, near], explain=True)

    assert ids(ranked.items) == [near.paper_id, far.paper_id]
    assert ranked.items[0].reasons[0].similarity > 0.5
    assert list(ranked.items[1].reasons) == []


def test_explain_is_asked_for(client: Client) -> None:
    """Without explain no item has a reason."""
    ranked = rank(client, liked_papers=make_papers(1), candidate_papers=make_papers(2))

    assert [list(item.reasons) for item in ranked.items] == [[], []]


def test_a_short_deadline_ends_the_call(own: Service) -> None:
    """If text cannot be embedded within the deadline, the server itself ends the call with DEADLINE_EXCEEDED."""
    client = own.client
    text = " ".join(fresh("word") for _ in range(200))
    papers = [Paper(title=f"paper {fresh('t')}", abstract=f"{text} {i}") for i in range(1_000)]
    request = rank_request(liked_papers=make_papers(1), candidate_papers=papers)

    with pytest.raises(grpc.RpcError) as raised:
        client.feeds.RankPapers(request, timeout=0.3)

    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    def was_counted() -> bool:
        calls = client.status.GetStatus(GetStatusRequest()).calls
        return ("FeedService/RankPapers", DEADLINE_EXCEEDED, 1) in [(c.method, c.code, c.count) for c in calls]

    wait_until(was_counted)


def test_what_is_known_needs_no_time_to_embed(client: Client) -> None:
    """The same inline request gets the same answer again, now with cached vectors."""
    likes, candidates = make_papers(2), make_papers(20)
    first = rank(client, liked_papers=likes, candidate_papers=candidates, as_of=at(MONDAY))

    assert rank(client, liked_papers=likes, candidate_papers=candidates, as_of=at(MONDAY)) == first


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "likes"),
        ({"user_id": "u"}, "candidates"),
        ({"candidate_paper_ids": ["p"]}, "likes"),
        ({"user_id": "", "candidate_paper_ids": ["p"]}, "user_id"),
        ({"liked_paper_ids": [], "candidate_paper_ids": ["p"]}, "liked_paper_ids.paper_ids"),
        ({"liked_papers": [], "candidate_paper_ids": ["p"]}, "liked_papers.papers"),
        ({"user_id": "u", "candidate_paper_ids": []}, "candidate_paper_ids.paper_ids"),
        ({"user_id": "u", "candidate_papers": []}, "candidate_papers.papers"),
        ({"user_id": "u", "candidate_papers": [Paper(title="t")] * 2}, "candidate_papers.papers[1].paper_id"),
        ({"liked_papers": [Paper(title="t")] * 2, "candidate_paper_ids": ["p"]}, "liked_papers.papers[1].paper_id"),
        ({"user_id": "u", "candidate_papers": [Paper(title="t"), Paper()]}, "candidate_papers.papers[1].title"),
        ({"user_id": "u", "candidate_papers": [Paper(title="t")] * 1_001}, "candidate_papers.papers"),
        ({"user_id": "u", "candidate_paper_ids": ["p"] * 10_001}, "candidate_paper_ids.paper_ids"),
        ({"liked_paper_ids": ["p"] * 1_001, "candidate_paper_ids": ["p"]}, "liked_paper_ids.paper_ids"),
        (
            {"user_id": "u", "candidate_papers": [Paper(title="t", abstract="x" * 40_001)]},
            "candidate_papers.papers[0].abstract",
        ),
    ],
)
def test_bad_questions(client: Client, fields: dict[str, Any], field: str) -> None:
    """A request without likes or candidates, or with no, bad or too many papers, names the field."""
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", field):
        rank(client, **fields)


@pytest.mark.parametrize("name", ["liked_papers", "candidate_papers"])
def test_five_megabytes_of_text(client: Client, name: str) -> None:
    """More than 4,000,000 bytes of inline text is INVALID_ARGUMENT with the field, not a lost connection."""
    big = [Paper(paper_id=f"p{i}", title="t", abstract="x" * 40_000) for i in range(125)]
    other = "candidate_papers" if name == "liked_papers" else "liked_papers"

    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", f"{name}.papers") as failure:
        rank(client, **{name: big, other: [Paper(title="t")]})

    assert "4000000" in failure.said.message


def test_a_caller_that_leaves_stops_its_work(own: Service) -> None:
    """Ranking ends soon after its caller has left, so that its thread serves others."""
    store, serving = own.application.store, own.application.serving
    inline = InlineRanking(store, SystemClock(), serving, PreparedUsers(), own.application.encoder, Counters())
    asked: list[None] = []

    def is_wanted() -> bool:
        asked.append(None)
        return len(asked) < 5

    papers = tuple(domain.Paper(f"p{i}", f"paper {i}", "words " * 20) for i in range(2 * KEPT_TERMS))
    query = RankingQuery(liked_papers=papers[:1], candidate_papers=papers)

    with pytest.raises(DeadlineTooShort):
        inline.rank(query, timeout_seconds=60, is_wanted=is_wanted)
    assert len(asked) == 5
