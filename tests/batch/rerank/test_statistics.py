"""Statistics of the catalog in batch jobs: chosen once, used by all workers, named in the output and the export."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import InputUnusable, OutputUnusable
from batch.export.statistics_file import STATISTICS_NAME
from batch.rerank.coordinator import Request
from batch.rerank.plan import STATISTICS_NAME as OF_PLAN
from batch.rerank.to_store import store_slates
from cli.batch.rerank import make_request
from paperfeed.v1.feed_pb2 import GetFeedRequest
from service.config import Settings
from service.storage import open_store
from testing.calls import at
from testing.servers import serving
from testing.statistics import put_statistics
from tests.batch.export.builders import exported
from tests.batch.killing import partial
from tests.batch.reranks import Rerank, slates
from tests.batch.worlds import DIGEST, NOW, World, fill

HOUR = dt.timedelta(hours=1)
PAGE = 20
Make = Callable[..., Request]


@pytest.fixture
def own(tmp_path: Path) -> World:
    """Twelve users in a database of the test's own, whose catalog was counted an hour ago."""
    world = fill(f"sqlite:///{tmp_path / 'own.db'}", 12)
    count(world, NOW - HOUR)
    return world


def count(world: World, counted_at: dt.datetime, data: bytes | None = None) -> int:
    """Store statistics of the world's papers, or these bytes in their place."""
    store = open_store(world.url)
    version = put_statistics(store, counted_at, data=data)
    store.dispose()
    return version


@pytest.fixture
def make(own: World, bundle: Path, tmp_path: Path) -> Make:
    """Makes a request as ``paperfeed batch rerank`` does."""
    settings = Settings(db=own.url, bundle=str(bundle), encoder="hashing", exploration=0.0)

    def made(as_of: dt.datetime | None = NOW, *, source: Path | None = None, out: str = "out") -> Request:
        return make_request(settings, source, DIGEST, tmp_path / out, "all", PAGE, as_of, with_features=True)

    return made


def test_job_and_rows_name_the_version(own: World, make: Make, rerank: Rerank, threads: Cluster) -> None:
    """The manifest and each row that the model scored have the version, and the rows equal feeds of that time."""
    request = make()

    manifest = rerank.run(request, threads).manifest

    assert manifest["job"]["statistics_version"] == request.job.statistics_version == 1
    found = slates(request.out)
    said = {(row["fallback_reason"], row["statistics_version"]) for rows in found.values() for row in rows}
    assert said == {("none", 1), ("new_user", 0)}
    with serving(own.url, embeds=False, bundle=str(rerank.bundle)) as service:
        for user_id, rows in found.items():
            feed = service.client.feeds.GetFeed(
                GetFeedRequest(user_id=user_id, digest_id=DIGEST, page_size=PAGE, as_of=at(NOW))
            ).slate
            assert [item.score for item in feed.items] == pytest.approx([row["score"] for row in rows], abs=1e-4)
            assert feed.statistics_version == rows[0]["statistics_version"]


def test_as_of_chooses_the_version(own: World, make: Make) -> None:
    """A job of an earlier time has version 0, one of now the newest."""
    count(own, NOW + HOUR)

    requests = [make(NOW - 2 * HOUR), make(NOW), make(NOW + HOUR), make(None)]

    assert [each.job.statistics_version for each in requests] == [0, 1, 2, 2]
    assert [bool(each.statistics) for each in requests] == [False, True, True, True]


def test_resumed_job_keeps_its_version(own: World, make: Make, rerank: Rerank, threads: Cluster) -> None:
    """An interrupted job goes on with its statistics, although the catalog was counted since."""
    request = make(None)

    def watch(done: int, _total: int) -> None:
        if not done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rerank.run(request, threads, watch)
    count(own, NOW + HOUR)
    later = make(None)
    manifest = rerank.run(later, threads).manifest

    assert later.job.statistics_version == 2
    assert manifest["job"]["statistics_version"] == 1
    assert {row["statistics_version"] for rows in slates(request.out).values() for row in rows} == {0, 1}
    assert not (request.out / OF_PLAN).exists()
    assert rerank.run_alone(later).manifest == manifest


def test_damaged_statistics_of_a_plan(make: Make, rerank: Rerank, threads: Cluster) -> None:
    """If the statistics of an interrupted job are damaged, the error names the file and the remedy."""

    def watch(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rerank.run(make(), threads, watch)
    (partial(rerank.out) / OF_PLAN).write_bytes(b"rubbish")

    with pytest.raises(OutputUnusable, match=r"_statistics\.npz: cannot be read .*remove the folder to start again"):
        rerank.run(make(), threads)


class TestExport:
    """Statistics in an export."""

    def test_export_gives_the_same_slates(
        self, own: World, make: Make, rerank: Rerank, threads: Cluster, tmp_path: Path
    ) -> None:
        """An export holds the newest statistics, and slates from it equal those from its database."""
        manifest = exported(own, tmp_path / "export")
        of_export, of_database = make(source=tmp_path / "export"), make(out="other")

        rerank.run(of_export, threads)
        rerank.run(of_database, threads)

        entry = {"version": 1, "paper_count": 300, "counted_at": (NOW - HOUR).isoformat()}
        assert manifest["statistics"] == entry
        assert of_export.job.statistics_version == 1
        mine, theirs = (pq.read_table(each.out) for each in (of_export, of_database))
        assert mine["statistics_version"].equals(theirs["statistics_version"])
        assert mine["score"].to_pylist() == pytest.approx(theirs["score"].to_pylist(), abs=1e-4)

    def test_damaged_statistics_are_not_exported(self, own: World, tmp_path: Path) -> None:
        """An export holds the newest statistics that can be read."""
        count(own, NOW, b"rubbish")

        assert exported(own, tmp_path / "export")["statistics"]["version"] == 1

    def test_export_of_a_later_time(self, own: World, make: Make, tmp_path: Path) -> None:
        """A job of a time before the exported statistics, or from an export without any, has version 0."""
        exported(own, tmp_path / "export")
        old = tmp_path / "old"
        exported(own, old)
        manifest = json.loads((old / "_manifest.json").read_text())
        del manifest["statistics"]
        (old / "_manifest.json").write_text(json.dumps(manifest))

        assert make(NOW - 2 * HOUR, source=tmp_path / "export").job.statistics_version == 0
        assert make(NOW, source=old).job.statistics_version == 0

    @pytest.mark.parametrize("content", [None, b"rubbish"])
    def test_damaged_export(self, own: World, make: Make, tmp_path: Path, content: bytes | None) -> None:
        """If the file is missing or damaged, the error names it."""
        exported(own, tmp_path / "export")
        path = tmp_path / "export" / STATISTICS_NAME
        path.unlink() if content is None else path.write_bytes(content)

        with pytest.raises(InputUnusable, match=r"_statistics\.npz: cannot be read"):
            make(source=tmp_path / "export")


def test_precomputed_slates_outlive_a_new_version(
    own: World, make: Make, rerank: Rerank, threads: Cluster, bundle: Path
) -> None:
    """GetFeed serves a precomputed slate although the catalog was counted since, and names the slate's version."""
    request = make(dt.datetime.now(dt.UTC))
    manifest = rerank.run(request, threads).manifest
    store = open_store(own.url)
    assert store_slates(request.out, manifest, store, lambda _count: None) > 0
    store.dispose()
    newer = count(own, dt.datetime.now(dt.UTC))
    user_id = next(user for user, rows in slates(request.out).items() if rows[0]["fallback_reason"] == "none")
    wish = GetFeedRequest(user_id=user_id, digest_id=DIGEST, page_size=PAGE)

    with serving(own.url, embeds=False, bundle=str(bundle), precomputed="always") as service:
        ready = service.client.feeds.GetFeed(wish).slate
        wish.exclude_paper_ids.append("no-such-paper")
        ranked = service.client.feeds.GetFeed(wish).slate

    assert (ready.total_size, ready.statistics_version) == (PAGE, 1)
    assert (ranked.total_size > PAGE, ranked.statistics_version) == (True, newer)
