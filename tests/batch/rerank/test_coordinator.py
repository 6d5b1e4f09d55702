"""What a re-rank writes: every user once, in order, from either engine, and again nothing where all is done."""

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster, open_cluster
from batch.errors import ClusterUnavailable, EmptyDigest, OutputUnusable, UnknownDigest
from batch.population import Population
from batch.rerank import worker as ranking
from ranker.features import SCHEMA
from service.domain.events import Event, EventType
from service.domain.papers import Digest
from service.encoder import HashingEncoder
from service.storage import open_store
from testing.calls import at
from testing.servers import serving
from tests.batch.asking import Asking, no_cluster, places, slates
from tests.batch.worlds import DIGEST, DIGEST_SIZE, NOW, World, fill, library

pytestmark = pytest.mark.cluster
MANY_LIKES = 20_000


def test_every_user_once(any_world: World, ask: Asking, cluster: Cluster) -> None:
    """Each user has one slate of ranks from 1, users ascend over the files, and the counts agree."""
    outcome = ask.run(ask.request(any_world, page_size=7), cluster)

    found = slates(ask.out)
    assert list(found) == sorted(any_world.user_ids)
    assert all([row["rank"] for row in rows] == list(range(1, 8)) for rows in found.values())
    counts = {name: outcome.manifest[name] for name in ("user_count", "item_count", "empty_count")}
    assert counts == {"user_count": 100, "item_count": 700, "empty_count": 0}
    assert outcome.manifest == json.loads((ask.out / "_manifest.json").read_text(encoding="utf-8"))
    assert outcome.manifest["partition_count"] > 3
    assert {path.name for path in ask.out.parent.iterdir()} == {"out"}


def open_sessions() -> int:
    """How many jobs this process holds memory, a database or files for."""
    gc.collect()
    return len(ranking._sessions)


def test_workers_keep_nothing_of_a_finished_job(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """A worker that lives on holds none of the job's papers and connections."""
    ask.run(ask.request(small_world), cluster)

    assert set(cluster.in_each_worker(open_sessions)) == {0}


def test_features_are_those_of_the_model(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """With features, each row of the model's bears them under the schema's names, and other rows none."""
    ask.run(ask.request(small_world, with_features=True), cluster)

    table = pq.read_table(ask.out)
    assert table.schema.metadata[b"paperfeed.features"].decode().split(",") == list(SCHEMA.names)
    rows = table.select(["model_version", "features"]).to_pylist()
    assert {len(row["features"]) for row in rows if row["model_version"] != "trending"} == {len(SCHEMA)}
    assert [row["features"] for row in rows if row["model_version"] == "trending"][:1] == [None]


def test_features_change_nothing_else(small_world: World, ask: Asking, cluster: Cluster, tmp_path: Path) -> None:
    """The slates are the same with features and without, in large partitions and in small ones."""
    ask.run(ask.request(small_world, partition_bytes=2**40), cluster)
    ask.run(ask.request(small_world, with_features=True, out=tmp_path / "other"), cluster)

    assert pq.read_table(tmp_path / "other").drop_columns("features").equals(pq.read_table(ask.out))


def test_list_of_users(any_world: World, ask: Asking, cluster: Cluster) -> None:
    """Of a list each user has a slate, those that nobody knows too, and nobody else."""
    wanted = ("a-stranger", "u00003", "u00042", "zz-stranger")

    ask.run(ask.request(any_world, users=Population(wanted)), cluster)

    found = slates(ask.out)
    assert tuple(found) == wanted
    assert {user: rows[0]["fallback_reason"] for user, rows in found.items()} == {
        "a-stranger": "new_user",
        "u00003": "new_user",
        "u00042": "none",
        "zz-stranger": "new_user",
    }


def test_without_a_bundle(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """Where no bundle fits, users are ranked by cosine and the rows say so."""
    ask.run(ask.request(small_world, bundle=None, model_version=""), cluster)

    assert {row["fallback_reason"] for rows in slates(ask.out).values() for row in rows} == {
        "model_unavailable",
        "new_user",
    }


def test_done_is_not_done_again(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """The same command on a finished output changes nothing and needs no cluster, also without naming the time."""
    ask.run(ask.request(small_world), cluster)
    before = {path.name: path.stat().st_mtime_ns for path in ask.out.iterdir()}

    from batch.rerank.coordinator import run

    outcome = run(ask.request(small_world, as_of_given=False), no_cluster, lambda _done, _total: None)

    assert outcome.resumed == outcome.manifest["partition_count"]
    assert {path.name: path.stat().st_mtime_ns for path in ask.out.iterdir()} == before


@pytest.mark.parametrize("changes", [{"page_size": 3}, {"diversity": 0.5}, {"users": Population(("u00001",))}])
def test_other_jobs_output_is_kept(small_world: World, ask: Asking, cluster: Cluster, changes: dict[str, Any]) -> None:
    """A folder that holds another job's output is refused, and stays as it is."""
    ask.run(ask.request(small_world, users=Population(("u00002",))), cluster)
    before = pq.read_table(ask.out)

    with pytest.raises(OutputUnusable, match="holds another job"):
        ask.run(ask.request(small_world, **changes), cluster)

    assert pq.read_table(ask.out).equals(before)


def test_strange_folder_is_refused(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """A folder with somebody's files is no output, and nothing is written there."""
    ask.out.mkdir()
    (ask.out / "thesis.tex").write_text("years of work", encoding="utf-8")

    with pytest.raises(OutputUnusable, match="no output of this command"):
        ask.run(ask.request(small_world), cluster)

    assert [path.name for path in ask.out.iterdir()] == ["thesis.tex"]


class TestDigests:
    """What is ranked."""

    def test_unknown_digest(self, small_world: World, ask: Asking, cluster: Cluster) -> None:
        """An unknown digest is an error that names those there are, and no output appears."""
        with pytest.raises(UnknownDigest, match="no digest 'tomorrow'; the newest are today"):
            ask.run(ask.request(small_world, digest_id="tomorrow"), cluster)

        assert list(ask.out.parent.iterdir()) == []

    def test_digest_without_papers(self, ask: Asking, cluster: Cluster, tmp_path: Path) -> None:
        """A digest without papers is an error that says so, and no output appears."""
        world = fill(f"sqlite:///{tmp_path / 'empty.db'}", 3)
        store = open_store(world.url)
        with store.write() as tx:
            tx.digests.save(Digest(digest_id="empty", date=NOW.date(), paper_ids=()), NOW)
        store.dispose()

        with pytest.raises(EmptyDigest, match="'empty' has no papers"):
            ask.run(ask.request(world, digest_id="empty"), cluster)

        assert not ask.out.exists()

    def test_who_has_seen_all_of_it(self, ask: Asking, cluster: Cluster, tmp_path: Path) -> None:
        """Who has seen every paper of the digest has no row, and is counted."""
        world = fill(f"sqlite:///{tmp_path / 'seen.db'}", 5)
        store = open_store(world.url)
        with store.write() as tx:
            tx.users.record(
                [Event(f"s{i}", "u00001", f"d{i:04d}", EventType.SENT, NOW) for i in range(DIGEST_SIZE)], NOW
            )
        store.dispose()

        outcome = ask.run(ask.request(world), cluster)

        assert list(slates(ask.out)) == ["u00000", "u00002", "u00003", "u00004"]
        assert outcome.manifest["user_count"] == 5
        assert outcome.manifest["empty_count"] == 1


@pytest.mark.slow
def test_user_with_many_likes(ask: Asking, cluster: Cluster, bundle: Path, tmp_path: Path) -> None:
    """A user with 20,000 likes is ranked among others, and as GetFeed does."""
    world = fill(f"sqlite:///{tmp_path / 'many.db'}", 30)
    store = open_store(world.url)
    papers = library(MANY_LIKES, "m", 5)
    vectors = np.random.default_rng(0).standard_normal((len(papers), 384)).astype(np.float32)
    with store.write() as tx:
        tx.papers.upsert(papers, NOW)
        hashed = {paper.paper_id: (paper.text_hash, row) for paper, row in zip(papers, vectors, strict=True)}
        tx.papers.store_vectors(HashingEncoder.name, hashed)
        tx.users.record(
            [Event(f"many-{i}", "u00007", paper.paper_id, EventType.LIKE) for i, paper in enumerate(papers)], NOW
        )
    store.dispose()

    ask.run(ask.request(world), cluster)

    found = slates(ask.out)
    assert list(found) == sorted(world.user_ids)
    with serving(world.url, embeds=False, bundle=str(bundle)) as service:
        from paperfeed.v1.feed_pb2 import GetFeedRequest

        feed = service.client.feeds.GetFeed(
            GetFeedRequest(user_id="u00007", digest_id=DIGEST, page_size=20, as_of=at(NOW))
        )
    assert places(found["u00007"]) == [(item.rank, item.paper.paper_id, item.score) for item in feed.items]


class TestWithoutCluster:
    """Nobody to work."""

    def test_unreachable_scheduler(self, small_world: World, ask: Asking) -> None:
        """A scheduler that does not answer is an error with its address, and the plan waits for the next try."""
        from batch.rerank.coordinator import run

        def unreachable() -> Any:
            return open_cluster("tcp://127.0.0.1:9", connect_seconds=1)

        with pytest.raises(ClusterUnavailable, match=r"tcp://127\.0\.0\.1:9: the scheduler does not answer"):
            run(ask.request(small_world), unreachable, lambda _done, _total: None)

        assert not ask.out.exists()

    def test_nonsense_address(self) -> None:
        """An address that is none is an error too."""
        with pytest.raises(ClusterUnavailable), open_cluster("nonsense://what", connect_seconds=1):
            pass
