"""Output folders: complete when they have their name, of one job only, and refused early where they cannot go."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import OutputUnusable, UnknownDigest
from batch.rerank import coordinator
from batch.rerank.plan import CANDIDATES_NAME, PLAN_NAME
from batch.rerank.population import Population
from batch.rerank.slate_table import schema
from batch.workspace import Workspace
from tests.batch.killing import partial, parts
from tests.batch.reranks import Rerank, rerank_with, slates
from tests.batch.worlds import World, fill


def placing(name: Path) -> Callable[[int, int], None]:
    """Return a watcher that puts a foreign file into the output's place once the work has begun."""

    def watch(_done: int, _total: int) -> None:
        name.mkdir(exist_ok=True)
        (name / "thesis.tex").write_text("years of work", encoding="utf-8")

    return watch


@pytest.fixture(scope="module")
def complete(world: World, bundle: Path, threads: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete output that could not take its name because of a foreign file; tests copy it."""
    rerank = rerank_with(bundle, tmp_path_factory.mktemp("complete"))
    with pytest.raises(
        OutputUnusable, match=r"is complete but cannot take this name \(Directory not empty\): run the same"
    ):
        rerank.run(rerank.request(world), threads, placing(rerank.out))
    return partial(rerank.out)


@pytest.fixture
def unnamed(rerank: Rerank, complete: Path) -> Path:
    """A copy of that folder beside a place that is free."""
    rerank.out.mkdir()
    shutil.copytree(complete, partial(rerank.out))
    return partial(rerank.out)


def test_name_that_is_taken_meanwhile(world: World, rerank: Rerank, unnamed: Path) -> None:
    """An output that cannot take its name is an error and stays complete: the same command only renames it."""
    kept = parts(unnamed)

    rerank.run_alone(rerank.request(world, as_of_given=False))

    assert parts(rerank.out) == kept
    assert sorted(path.name for path in rerank.out.iterdir()) == ["_manifest.json", *sorted(kept)]
    assert not unnamed.exists()


@pytest.mark.parametrize("changes", [{"page_size": 3}, {"users": Population(("a", "b"))}])
def test_another_job_takes_none_of_it(
    world: World, rerank: Rerank, threads: Cluster, unnamed: Path, changes: dict[str, Any]
) -> None:
    """Another job refuses the folder of a complete output without its name, and leaves it as it is."""
    kept = parts(unnamed)

    with pytest.raises(OutputUnusable, match="holds another job"):
        rerank.run(rerank.request(world, **changes), threads)

    assert parts(unnamed) == kept


def test_partitions_without_a_plan_are_removed(world: World, rerank: Rerank, threads: Cluster, unnamed: Path) -> None:
    """Partitions whose plan is lost are no part of the next job's output, whatever their numbers and users."""
    (unnamed / PLAN_NAME).unlink()

    outcome = rerank.run(rerank.request(world, page_size=3, users=Population(("a", "u00001"))), threads)

    assert outcome.resumed == 0
    assert {user: len(rows) for user, rows in slates(rerank.out).items()} == {"a": 3, "u00001": 3}
    assert outcome.manifest["item_count"] == 6


def test_a_partition_of_another_plan_is_done_again(
    world: World, rerank: Rerank, threads: Cluster, unnamed: Path
) -> None:
    """A partition that the worker of a dead job writes late is not taken for one of the present job."""
    stray = next(unnamed.glob("part-*.parquet"))
    late, name = stray.read_bytes(), stray.name
    (unnamed / PLAN_NAME).unlink()

    def watch(done: int, _total: int) -> None:
        if not done:
            return
        (unnamed / name).write_bytes(late)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rerank.run(rerank.request(world, page_size=3), threads, watch)
    rerank.run(rerank.request(world, page_size=3), threads)

    assert {len(rows) for rows in slates(rerank.out).values()} == {3}


def test_killed_just_after_it_has_its_name(world: World, rerank: Rerank, threads: Cluster) -> None:
    """An output that still has its plan, because the job was killed after the rename, is complete."""
    rerank.run(rerank.request(world), threads)
    for name in (PLAN_NAME, CANDIDATES_NAME):
        (rerank.out / name).write_bytes(b"{}")

    outcome = rerank.run_alone(rerank.request(world))

    assert outcome.manifest["user_count"] == len(slates(rerank.out)) == 50


class TestPlaces:
    """Places where an output may go."""

    def test_link_to_a_folder(self, world: World, rerank: Rerank, threads: Cluster) -> None:
        """A link to an empty folder stays a link, and the output is in its target."""
        (rerank.out.parent / "real").mkdir()
        rerank.out.symlink_to("real")

        rerank.run(rerank.request(world, users=Population(("a",))), threads)

        assert rerank.out.is_symlink()
        assert list(slates(rerank.out.parent / "real")) == ["a"]

    def test_name_with_dots(self, world: World, rerank: Rerank, threads: Cluster) -> None:
        """A path with ``..`` is resolved first."""
        (rerank.out / "sub").mkdir(parents=True)

        with pytest.raises(OutputUnusable, match="/out: exists already, and is no output of this command"):
            rerank.run_alone(rerank.request(world, out=rerank.out / "sub" / ".."))

    def test_link_to_nowhere(self, world: World, rerank: Rerank) -> None:
        """A link to nowhere is refused before any work."""
        rerank.out.symlink_to("gone")

        with pytest.raises(OutputUnusable, match="/out: is a link that leads nowhere"):
            rerank.run_alone(rerank.request(world))

        assert [path.name for path in rerank.out.parent.iterdir()] == ["out"]

    def test_mounted_disk(self, world: World, rerank: Rerank, small_disk: Path) -> None:
        """The root folder of a mounted disk is refused before any work, because no folder can take its name."""
        with pytest.raises(OutputUnusable, match="/disk: is where a disk is mounted or this"):
            rerank.run_alone(rerank.request(world, out=small_disk))

    def test_folder_of_the_command(
        self, world: World, rerank: Rerank, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The folder in which the command runs is refused: it would be replaced while the command runs in it."""
        rerank.out.mkdir()
        monkeypatch.chdir(rerank.out)

        with pytest.raises(OutputUnusable, match="/out: is where a disk is mounted or this command runs"):
            rerank.run_alone(rerank.request(world, out=Path()))

        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    @pytest.mark.parametrize("text", ["[]", "{}", '{"job": {}}', '{"job": null}', "no JSON"])
    def test_folder_with_another_manifest(self, world: World, rerank: Rerank, text: str) -> None:
        """A folder with another kind of manifest, such as an export's, is refused and stays."""
        rerank.out.mkdir()
        (rerank.out / "_manifest.json").write_text(text, encoding="utf-8")

        with pytest.raises(OutputUnusable, match="/out: exists already, and is no output of this command"):
            rerank.run_alone(rerank.request(world))

        assert (rerank.out / "_manifest.json").read_text(encoding="utf-8") == text

    def test_folders_above(self, world: World, rerank: Rerank, tmp_path: Path) -> None:
        """A run that fails at the start removes the folders that it made for its output."""
        (tmp_path / "there").mkdir()
        out = tmp_path / "there" / "slates" / "march" / "today"

        with pytest.raises(UnknownDigest):
            rerank.run_alone(rerank.request(world, out=out, digest_id="none"))

        assert list((tmp_path / "there").iterdir()) == []


def test_missing_candidates(world: World, rerank: Rerank, threads: Cluster) -> None:
    """A plan without its candidates is an error that names the file."""

    def watch(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rerank.run(rerank.request(world), threads, watch)
    (partial(rerank.out) / CANDIDATES_NAME).unlink()

    with pytest.raises(OutputUnusable, match=r"_candidates\.parquet: cannot be read \(No such file"):
        rerank.run(rerank.request(world), threads)


def test_leftovers_go_when_a_run_begins(world: World, rerank: Rerank, threads: Cluster) -> None:
    """Half-written files of stopped runs are removed as soon as the next run begins."""
    partial(rerank.out).mkdir()
    for number in range(3):
        (partial(rerank.out) / f".part-000000.parquet.{number}.tmp").write_bytes(b"half")

    def watch(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rerank.run(rerank.request(world), threads, watch)

    assert list(partial(rerank.out).glob(".*")) == []


def test_no_users(rerank: Rerank, threads: Cluster, tmp_path: Path) -> None:
    """Without users the output is a table without rows that has the usual columns."""
    world = fill(f"sqlite:///{tmp_path / 'nobody.db'}", 0)

    outcome = rerank.run(rerank.request(world), threads)

    assert outcome.manifest["user_count"] == 0
    table = pq.read_table(rerank.out)
    assert table.num_rows == 0
    assert table.schema.equals(schema(with_features=False))


@pytest.fixture(scope="module")
def output(world: World, bundle: Path, threads: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished output; tests copy it."""
    rerank = rerank_with(bundle, tmp_path_factory.mktemp("finished"))
    rerank.run(rerank.request(world), threads)
    return rerank.out


class TestFinished:
    """Checks of a finished output before it is taken as done."""

    @pytest.fixture
    def finished(self, rerank: Rerank, output: Path) -> list[Path]:
        """The files of a finished output of several partitions."""
        shutil.copytree(output, rerank.out)
        found = sorted(rerank.out.glob("part-*.parquet"))
        assert len(found) > 1
        return found

    def test_lost_part(self, world: World, rerank: Rerank, finished: list[Path]) -> None:
        """A missing file is an error."""
        finished[1].unlink()

        with pytest.raises(OutputUnusable, match=r"part-000001\.parquet: is missing: remove the folder"):
            rerank.run_alone(rerank.request(world))

    def test_cut_part(self, world: World, rerank: Rerank, finished: list[Path]) -> None:
        """A truncated file is an error."""
        finished[0].write_bytes(finished[0].read_bytes()[:-100])

        with pytest.raises(OutputUnusable, match=r"part-000000\.parquet: is damaged"):
            rerank.run_alone(rerank.request(world))

    def test_stray_part(self, world: World, rerank: Rerank, finished: list[Path]) -> None:
        """A file that was copied into the folder is an error."""
        (rerank.out / "part-000099.parquet").write_bytes(finished[0].read_bytes())

        with pytest.raises(OutputUnusable, match=r"part-000099\.parquet: is no part of this output"):
            rerank.run_alone(rerank.request(world))

    def test_another_outputs_part(self, world: World, rerank: Rerank, finished: list[Path]) -> None:
        """A file in the place of another is found by its counts."""
        rows = [pq.read_metadata(path).num_rows for path in finished]
        other = next(path for path, count in zip(finished, rows, strict=True) if count != rows[0])
        other.write_bytes(finished[0].read_bytes())

        with pytest.raises(OutputUnusable, match="holds parts of different outputs"):
            rerank.run_alone(rerank.request(world))

    def test_another_run_ends_just_before_this_one_begins(
        self, world: World, rerank: Rerank, finished: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The output of a run that ends just before this one gets the lock is taken, and nothing is done twice."""
        kept, hidden = parts(rerank.out), rerank.out.with_name("hidden")
        rerank.out.rename(hidden)
        opens = coordinator.opened_workspace

        def late(out: Path) -> contextlib.AbstractContextManager[Workspace]:
            hidden.rename(out)
            return opens(out)

        monkeypatch.setattr(coordinator, "opened_workspace", late)
        rerank.run_alone(rerank.request(world))

        assert parts(rerank.out) == kept
        assert not partial(rerank.out).exists()
