"""``paperfeed explain``, ``signals`` and ``missed``, against a running server."""

import datetime as dt
import json
from collections.abc import Iterator

import pytest

from paperfeed.client import Client
from paperfeed.v1.feed_pb2 import GetFeedRequest
from paperfeed.v1.profile_pb2 import EVENT_TYPE_LIKE, Event, ListSignalsRequest, RecordEventsRequest
from testing.calls import MONDAY, fresh, make_digest, make_papers, record, upsert, upsert_ready
from testing.servers import Service, serving
from tests.cli.command import Run
from tests.rpc.feed_calls import prefer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that ranks by cosine, because the bundle that ships is for another encoder."""
    with serving(f"sqlite:///{tmp_path_factory.mktemp('explain') / 'paperfeed.db'}") as server:
        yield server


@pytest.fixture
def client(server: Service) -> Client:
    return server.client


def test_explains_shown_and_omitted_papers(paperfeed: Run, server: Service, client: Client) -> None:
    """A shown paper has rank and nearest likes, an omitted one its reason; a slate can be explained too."""
    user, papers = fresh("user"), make_papers(3)
    liked, shown, muted = upsert_ready(client, papers)
    record(client, user, "like", liked, when=MONDAY)
    prefer(client, user, muted_keywords=[papers[2].title])
    digest = make_digest(client, [liked, shown, muted])
    slate = client.feeds.GetFeed(GetFeedRequest(user_id=user, digest_id=digest)).slate

    def run(paper: str, *options: str) -> str:
        done = paperfeed("explain", user, paper, *options, "--server", server.target)
        assert done.code == 0, done.err
        return done.out

    text = run(shown, "--digest", digest)
    assert "shown: rank 1 of 1, score" in text
    assert f"like “{papers[0].title}”" in text
    assert "left out: the user likes it (2026-03-09 12:00 UTC); without this: rank" in run(liked, "--digest", digest)
    assert f"the user muted the keyword “{papers[2].title}”" in run(muted, "--digest", digest)
    assert "shown: rank 1 of 1" in run(shown, "--slate", slate.slate_id)
    found = json.loads(run(liked, "--digest", digest, "--json"))
    assert (found["outcome"], found["hidden_by"][0]["paper_id"]) == ("PAPER_OUTCOME_SEEN", liked)
    both = paperfeed("explain", user, liked, "--digest", digest, "--slate", "s", "--server", server.target)
    assert both.code == 2
    assert paperfeed("explain", user, fresh("paper"), "--server", server.target).code == 1


def test_signals_are_listed_and_taken_back(paperfeed: Run, server: Service, client: Client) -> None:
    """The list shows events and preferences with what undo takes; undo and reset take them back."""
    user, papers = fresh("user"), make_papers(3)
    upsert(client, papers)
    prefer(client, user, muted_topics=["cs.CV", "cs.AI"])
    for paper in papers:
        record(client, user, "dismiss", paper.paper_id)

    def run(*words: str) -> tuple[int, str]:
        done = paperfeed("signals", *words, "--server", server.target)
        return done.code, done.out

    code, text = run("list", user, "--size", "2")
    assert code == 0
    assert "muted_topics=cs.CV\nmuted_topics=cs.AI\n" in text
    assert papers[2].title in text
    assert papers[0].title not in text
    assert "less like it, feeds omit it" in text
    listed = json.loads(run("list", user, "--json")[1])
    assert (len(listed["signals"]), listed["has_more"]) == (3, False)

    event_id = listed["signals"][0]["event"]["event_id"]
    assert run("undo", user, event_id, "muted_topics=cs.CV") == (0, f"{user}: 2 of 2 taken back\n")
    assert run("undo", user, event_id)[0] == 1
    assert run("undo", user, "muted_topics=cs.CV")[0] == 1
    left = client.profiles.ListSignals(ListSignalsRequest(user_id=user))
    assert [signal.title for signal in left.signals] == [papers[1].title, papers[0].title]
    assert left.preferences.muted_topics == ["cs.AI"]

    assert run("reset", user)[0] == 2
    assert run("reset", user, "--yes", "--json") == (0, '{"deleted_events": 2}\n')
    assert run("list", user) == (0, f"{user}: nothing\n")


def test_missed_papers(paperfeed: Run, server: Service, client: Client) -> None:
    """Later likes that the feed of the day ranked low or muted are named; shown and mailed papers are not."""
    user, today = fresh("user"), dt.datetime.now(dt.UTC).date().isoformat()
    near, far = make_papers(8), make_papers(4, "biology")
    low, muted, mailed, clicked = far
    upsert_ready(client, [*near, *far])
    record(client, user, "like", *(paper.paper_id for paper in near[:4]))
    digest = make_digest(client, [paper.paper_id for paper in (*near[4:], *far)], date=today)
    prefer(client, user, muted_keywords=[muted.title])
    record(client, user, "sent", mailed.paper_id)
    outside = make_papers(1)
    upsert(client, outside)
    likes = [near[4], low, muted, mailed, outside[0]]
    record(client, user, "like", *(paper.paper_id for paper in likes))
    from_feed = Event(user_id=user, paper_id=clicked.paper_id, event_type=EVENT_TYPE_LIKE, slate_id="slate")
    client.profiles.RecordEvents(RecordEventsRequest(events=[from_feed]))

    def run(*options: str) -> str:
        done = paperfeed("missed", user, "--top", "4", "--server", server.target, *options)
        assert done.code == 0, done.err
        return done.out

    found = json.loads(run("--json"))

    by_title = {each["title"]: each for each in found["missed"]}
    assert by_title.keys() == {low.title, muted.title}
    assert (found["like_count"], found["in_digests_count"]) == (9, 4)
    assert {each["digest_id"] for each in found["missed"]} == {digest}
    assert by_title[low.title]["rank"] > 4
    assert by_title[muted.title]["outcome"] == "PAPER_OUTCOME_MUTED"
    text = run()
    assert f"{low.title}\n    {digest}: it ranked {by_title[low.title]['rank']} of 6\n" in text
    assert "9 likes in 30 days, 4 of them in an earlier digest, 2 missed" in text
    everything = json.loads(run("--json", "--days", "1"))
    assert everything == found
    assert paperfeed("missed", fresh("user"), "--server", server.target).code == 1
