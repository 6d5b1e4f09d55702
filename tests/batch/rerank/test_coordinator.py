"""The output of a re-rank: every user once, in order, on each engine; a finished output is left as it is."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import EmptyDigest, OutputUnusable, UnknownDigest
from batch.rerank.population import Population
from ranker.features import SCHEMA
from service.domain.events import Event, EventType
from service.domain.papers import Digest
from service.storage import open_store
from tests.batch.reranks import Rerank, assert_outputs_agree, slates
from tests.batch.worlds import DIGEST_SIZE, NOW, World, fill


def test_every_user_once(any_world: World, rerank: Rerank, threads: Cluster) -> None:
    """Each user has one slate with ranks from 1, users ascend over the files, and the counts agree."""
    outcome = rerank.run(rerank.request(any_world, page_size=7), threads)

    found = slates(rerank.out)
    assert list(found) == sorted(any_world.user_ids)
    assert all([row["rank"] for row in rows] == list(range(1, 8)) for rows in found.values())
    counts = {name: outcome.manifest[name] for name in ("user_count", "item_count", "empty_count")}
    assert counts == {"user_count": 50, "item_count": 350, "empty_count": 0}
    assert outcome.manifest == json.loads((rerank.out / "_manifest.json").read_text(encoding="utf-8"))
    assert outcome.manifest["partition_count"] > 3
    assert {path.name for path in rerank.out.parent.iterdir()} == {"out"}


def test_features_are_those_of_the_model(world: World, rerank: Rerank, threads: Cluster) -> None:
    """Rows that the model scored have its features, under the names in the schema; other rows have none."""
    rerank.run(rerank.request(world, with_features=True), threads)

    table = pq.read_table(rerank.out)
    assert table.schema.metadata[b"paperfeed.features"].decode().split(",") == list(SCHEMA.names)
    rows = table.select(["model_version", "features"]).to_pylist()
    assert {len(row["features"]) for row in rows if row["model_version"] != "trending"} == {len(SCHEMA)}
    assert [row["features"] for row in rows if row["model_version"] == "trending"][:1] == [None]


def test_features_change_nothing_else(world: World, rerank: Rerank, threads: Cluster, tmp_path: Path) -> None:
    """The slates are the same with features and without, in large partitions and in small ones."""
    rerank.run(rerank.request(world, partition_bytes=2**40), threads)
    rerank.run(rerank.request(world, with_features=True, out=tmp_path / "other"), threads)

    assert_outputs_agree(tmp_path / "other", rerank.out)


def test_list_of_users(any_world: World, rerank: Rerank, threads: Cluster) -> None:
    """Each listed user has a slate, unknown users too; nobody else has one."""
    wanted = ("a-stranger", "u00003", "u00042", "zz-stranger")

    rerank.run(rerank.request(any_world, users=Population(wanted)), threads)

    found = slates(rerank.out)
    assert tuple(found) == wanted
    assert {user: rows[0]["fallback_reason"] for user, rows in found.items()} == {
        "a-stranger": "new_user",
        "u00003": "new_user",
        "u00042": "none",
        "zz-stranger": "new_user",
    }


def test_without_a_bundle(world: World, rerank: Rerank, threads: Cluster) -> None:
    """Without a bundle users are ranked by cosine, and the rows say so."""
    rerank.run(rerank.request(world, bundle=None, model_version=""), threads)

    assert {row["fallback_reason"] for rows in slates(rerank.out).values() for row in rows} == {
        "model_unavailable",
        "new_user",
    }


def test_done_is_not_done_again(world: World, rerank: Rerank, threads: Cluster) -> None:
    """The same command on a finished output changes nothing and needs no cluster, even if it gives no time."""
    rerank.run(rerank.request(world), threads)
    before = {path.name: path.stat().st_mtime_ns for path in rerank.out.iterdir()}

    outcome = rerank.run_alone(rerank.request(world, as_of_given=False))

    assert outcome.resumed == outcome.manifest["partition_count"]
    assert {path.name: path.stat().st_mtime_ns for path in rerank.out.iterdir()} == before


@pytest.mark.parametrize("changes", [{"page_size": 3}, {"diversity": 0.5}, {"users": Population(("u00001",))}])
def test_other_jobs_output_is_kept(world: World, rerank: Rerank, threads: Cluster, changes: dict[str, Any]) -> None:
    """A folder that holds another job's output is refused, and stays as it is."""
    rerank.run(rerank.request(world, users=Population(("u00002",))), threads)
    before = pq.read_table(rerank.out)

    with pytest.raises(OutputUnusable, match="holds another job"):
        rerank.run(rerank.request(world, **changes), threads)

    assert pq.read_table(rerank.out).equals(before)


def test_strange_folder_is_refused(world: World, rerank: Rerank) -> None:
    """A folder with other files is refused, and nothing is written there."""
    rerank.out.mkdir()
    (rerank.out / "thesis.tex").write_text("years of work", encoding="utf-8")

    with pytest.raises(OutputUnusable, match="no output of this command"):
        rerank.run_alone(rerank.request(world))

    assert [path.name for path in rerank.out.iterdir()] == ["thesis.tex"]


class TestDigests:
    """Digests without papers to rank."""

    def test_unknown_digest(self, world: World, rerank: Rerank) -> None:
        """The error for an unknown digest names the newest digests, and no output appears."""
        with pytest.raises(UnknownDigest, match="no digest 'tomorrow'; the newest are today"):
            rerank.run_alone(rerank.request(world, digest_id="tomorrow"))

        assert list(rerank.out.parent.iterdir()) == []

    def test_digest_without_papers(self, rerank: Rerank, tmp_path: Path) -> None:
        """A digest without papers is an error that says so, and no output appears."""
        world = fill(f"sqlite:///{tmp_path / 'empty.db'}", 3)
        store = open_store(world.url)
        with store.write() as tx:
            tx.digests.save(Digest(digest_id="empty", date=NOW.date(), paper_ids=()), NOW)
        store.dispose()

        with pytest.raises(EmptyDigest, match="'empty' has no papers"):
            rerank.run_alone(rerank.request(world, digest_id="empty"))

        assert not rerank.out.exists()

    def test_user_who_has_seen_all(self, rerank: Rerank, threads: Cluster, tmp_path: Path) -> None:
        """A user who has seen every paper of the digest has no row and is counted."""
        world = fill(f"sqlite:///{tmp_path / 'seen.db'}", 5)
        store = open_store(world.url)
        with store.write() as tx:
            tx.users.record(
                [Event(f"s{i}", "u00001", f"d{i:04d}", EventType.SENT, NOW) for i in range(DIGEST_SIZE)], NOW
            )
        store.dispose()

        outcome = rerank.run(rerank.request(world), threads)

        assert list(slates(rerank.out)) == ["u00000", "u00002", "u00003", "u00004"]
        assert outcome.manifest["user_count"] == 5
        assert outcome.manifest["empty_count"] == 1
