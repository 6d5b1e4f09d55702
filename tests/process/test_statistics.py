"""Statistics of the catalog with several server processes: one counts, all switch."""

from pathlib import Path

import pytest

from paperfeed.v1 import catalog_pb2, feed_pb2, status_pb2
from tests.process.running import Server, eventually, running
from tests.process.samples import fill, likes, papers

SOON_SECONDS = 40.0
QUICK = "tests.process.quick_statistics"
COUNTED = "statistics of the catalog counted"


def version_of(server: Server) -> int:
    """Return the version that the server ranks with."""
    with server.client() as client:
        return int(client.status.GetStatus(status_pb2.GetStatusRequest()).statistics_version)


@pytest.mark.slow
def test_one_counts_and_both_switch(db_url: str, hashing_bundle: Path, tmp_path: Path) -> None:
    """Of two servers on one database, one counts each version; both rank with it, and a new server does at once."""
    with (
        running(tmp_path, db_url, module=QUICK, bundle=hashing_bundle) as one,
        running(tmp_path, db_url, module=QUICK, bundle=hashing_bundle) as two,
    ):
        with one.client() as client:
            paper_ids = fill(client, 80)
            client.profiles.RecordEvents(likes("user", paper_ids[:5]))
        assert eventually(lambda: version_of(one) > 0 and version_of(one) == version_of(two), SOON_SECONDS)
        first = version_of(one)
        with two.client() as client:
            client.catalog.UpsertPapers(catalog_pb2.UpsertPapersRequest(papers=papers(40, prefix="more")))
        assert eventually(lambda: version_of(one) > first and version_of(one) == version_of(two), SOON_SECONDS)
        second = version_of(one)
        answers = []
        for server in (one, two):
            with server.client() as client:
                answers.append(client.feeds.GetFeed(feed_pb2.GetFeedRequest(user_id="user", page_size=100)).slate)
        with running(tmp_path, db_url, bundle=hashing_bundle) as three:
            third = version_of(three)
        counts = [entry["statistics_version"] for server in (one, two) for entry in server.messages(COUNTED)]

    assert sorted(counts) == list(range(first, second + 1))
    assert third == second
    assert [answer.statistics_version for answer in answers] == [second] * 2
    assert [item.score for item in answers[0].items] == [item.score for item in answers[1].items]


@pytest.mark.slow
def test_workers_of_one_port(sqlite_url: str, hashing_bundle: Path, tmp_path: Path) -> None:
    """With several workers the first one counts, and each ranks with the result."""
    with running(tmp_path, sqlite_url, bundle=hashing_bundle, workers=2, log_level="DEBUG") as server:
        with server.client() as client:
            fill(client, 80)

        def loaded() -> set[int]:
            return {entry["worker"] for entry in server.messages("statistics of the catalog loaded")}

        assert eventually(lambda: loaded() == {1, 2}, SOON_SECONDS)
        assert {entry["worker"] for entry in server.messages(COUNTED)} == {1}
