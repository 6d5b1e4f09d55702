"""An output takes its name whole, holds one job's slates alone, and says at the start where it cannot go."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import OutputUnusable, UnknownDigest
from batch.population import Population
from batch.rerank import coordinator as rerank
from batch.rerank.coordinator import run
from batch.rerank.slate_table import schema
from batch.workspace import CANDIDATES_NAME, PLAN_NAME, Workspace
from tests.batch.asking import Asking, no_cluster, slates
from tests.batch.killing import partial, parts
from tests.batch.worlds import World, fill

pytestmark = pytest.mark.cluster


def placing(name: Path) -> Callable[[int, int], None]:
    """Puts somebody's file where the output shall go, once the work has begun."""

    def watch(_done: int, _total: int) -> None:
        name.mkdir(exist_ok=True)
        (name / "thesis.tex").write_text("years of work", encoding="utf-8")

    return watch


@pytest.fixture
def unnamed(small_world: World, ask: Asking, cluster: Cluster) -> Path:
    """What a whole output lies in that could not take its name, because of somebody's file."""
    with pytest.raises(OutputUnusable, match=r"cannot take this name \(Directory not empty\): the same command tries"):
        ask.run(ask.request(small_world), cluster, placing(ask.out))
    (ask.out / "thesis.tex").unlink()
    return partial(ask.out)


def test_name_that_is_taken_meanwhile(small_world: World, ask: Asking, unnamed: Path) -> None:
    """An output that cannot take its name is an error and stays whole: the same command only names it."""
    kept = parts(unnamed)

    run(ask.request(small_world, as_of_given=False), no_cluster, lambda _done, _total: None)

    assert parts(ask.out) == kept
    assert sorted(path.name for path in ask.out.iterdir()) == ["_manifest.json", *sorted(kept)]
    assert not unnamed.exists()


@pytest.mark.parametrize("changes", [{"page_size": 3}, {"users": Population(("a", "b"))}])
def test_another_job_takes_none_of_it(
    small_world: World, ask: Asking, cluster: Cluster, unnamed: Path, changes: dict[str, Any]
) -> None:
    """Partitions of another job that wait for their name are refused to this one, and stay as they are."""
    kept = parts(unnamed)

    with pytest.raises(OutputUnusable, match="holds another job"):
        ask.run(ask.request(small_world, **changes), cluster)

    assert parts(unnamed) == kept


def test_partitions_without_their_plan_are_nobodys(
    small_world: World, ask: Asking, cluster: Cluster, unnamed: Path
) -> None:
    """Partitions whose plan is gone are no part of the next job's output, whatever their numbers and their users."""
    (unnamed / PLAN_NAME).unlink()

    outcome = ask.run(ask.request(small_world, page_size=3, users=Population(("a", "u00001"))), cluster)

    assert outcome.resumed == 0
    assert {user: len(rows) for user, rows in slates(ask.out).items()} == {"a": 3, "u00001": 3}
    assert outcome.manifest["item_count"] == 6


def test_a_partition_of_another_plan_is_done_again(
    small_world: World, ask: Asking, cluster: Cluster, unnamed: Path
) -> None:
    """A file that a dead job's worker lays into the folder of a later one is no partition of that."""
    stray = next(unnamed.glob("part-*.parquet"))
    late, name = stray.read_bytes(), stray.name
    (unnamed / PLAN_NAME).unlink()

    def watch(done: int, _total: int) -> None:
        if not done:
            return
        (unnamed / name).write_bytes(late)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask.run(ask.request(small_world, page_size=3), cluster, watch)
    ask.run(ask.request(small_world, page_size=3), cluster)

    assert {len(rows) for rows in slates(ask.out).values()} == {3}


def test_killed_just_after_it_has_its_name(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """A finished folder that still has its plan is a finished one."""
    ask.run(ask.request(small_world), cluster)
    for name in (PLAN_NAME, CANDIDATES_NAME):
        (ask.out / name).write_bytes(b"{}")

    outcome = run(ask.request(small_world), no_cluster, lambda _done, _total: None)

    assert outcome.manifest["user_count"] == len(slates(ask.out)) == 100


class TestPlaces:
    """Where an output may go."""

    def test_link_to_a_folder(self, small_world: World, ask: Asking, cluster: Cluster) -> None:
        """A link to an empty folder stays one, and the output is where it leads."""
        (ask.out.parent / "real").mkdir()
        ask.out.symlink_to("real")

        ask.run(ask.request(small_world, users=Population(("a",))), cluster)

        assert ask.out.is_symlink()
        assert list(slates(ask.out.parent / "real")) == ["a"]

    def test_name_with_dots(self, small_world: World, ask: Asking, cluster: Cluster) -> None:
        """A path that goes up again means the folder that it leads to."""
        (ask.out / "sub").mkdir(parents=True)

        with pytest.raises(OutputUnusable, match="/out: exists already, and is no output of this command"):
            run(ask.request(small_world, out=ask.out / "sub" / ".."), no_cluster, lambda _done, _total: None)

    def test_link_to_nowhere(self, small_world: World, ask: Asking) -> None:
        """A link that leads nowhere is refused before anything is done."""
        ask.out.symlink_to("gone")

        with pytest.raises(OutputUnusable, match="/out: is a link that leads nowhere"):
            run(ask.request(small_world), no_cluster, lambda _done, _total: None)

        assert [path.name for path in ask.out.parent.iterdir()] == ["out"]

    def test_mounted_disk(self, small_world: World, ask: Asking, small_disk: Path) -> None:
        """A disk's own folder is refused before anything is done, as no other can take its name."""
        with pytest.raises(OutputUnusable, match="/disk: is where a disk is mounted or this"):
            run(ask.request(small_world, out=small_disk), no_cluster, lambda _done, _total: None)

    def test_folder_of_the_command(
        self, small_world: World, ask: Asking, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The empty folder in which the command runs is refused: what took its place would not be where it runs."""
        ask.out.mkdir()
        monkeypatch.chdir(ask.out)

        with pytest.raises(OutputUnusable, match="/out: is where a disk is mounted or this command runs"):
            run(ask.request(small_world, out=Path()), no_cluster, lambda _done, _total: None)

        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    @pytest.mark.parametrize("text", ["[]", "{}", '{"job": {}}', '{"job": null}', "no JSON"])
    def test_folder_with_another_manifest(self, small_world: World, ask: Asking, text: str) -> None:
        """A folder whose manifest is of something else, such as an export, is refused and stays."""
        ask.out.mkdir()
        (ask.out / "_manifest.json").write_text(text, encoding="utf-8")

        with pytest.raises(OutputUnusable, match="/out: exists already, and is no output of this command"):
            run(ask.request(small_world), no_cluster, lambda _done, _total: None)

        assert (ask.out / "_manifest.json").read_text(encoding="utf-8") == text

    def test_folders_above(self, small_world: World, ask: Asking, tmp_path: Path) -> None:
        """A run that fails before it has begun leaves no folders that it made for its output."""
        (tmp_path / "there").mkdir()
        out = tmp_path / "there" / "slates" / "march" / "today"

        with pytest.raises(UnknownDigest):
            run(ask.request(small_world, out=out, digest_id="none"), no_cluster, lambda _done, _total: None)

        assert list((tmp_path / "there").iterdir()) == []


def test_missing_candidates(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """A plan whose candidates are gone is an error that names the file."""

    def watch(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask.run(ask.request(small_world), cluster, watch)
    (partial(ask.out) / CANDIDATES_NAME).unlink()

    with pytest.raises(OutputUnusable, match=r"_candidates\.parquet: cannot be read \(No such file"):
        ask.run(ask.request(small_world), cluster)


def test_leftovers_go_when_a_run_begins(small_world: World, ask: Asking, cluster: Cluster) -> None:
    """What stopped runs had half written is gone as soon as the next one begins, not only when one ends well."""
    partial(ask.out).mkdir()
    for number in range(3):
        (partial(ask.out) / f".part-000000.parquet.{number}.tmp").write_bytes(b"half")

    def watch(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask.run(ask.request(small_world), cluster, watch)

    assert list(partial(ask.out).glob(".*")) == []


def test_nobody(ask: Asking, cluster: Cluster, tmp_path: Path) -> None:
    """Without users the output is a table without rows, of the columns that any other has."""
    world = fill(f"sqlite:///{tmp_path / 'nobody.db'}", 0)

    outcome = ask.run(ask.request(world), cluster)

    assert outcome.manifest["user_count"] == 0
    table = pq.read_table(ask.out)
    assert table.num_rows == 0
    assert table.schema.equals(schema(with_features=False))


class TestFinished:
    """A finished output is taken for one only while it is whole."""

    @pytest.fixture
    def finished(self, small_world: World, ask: Asking, cluster: Cluster) -> list[Path]:
        """The files of an output of several partitions."""
        ask.run(ask.request(small_world), cluster)
        found = sorted(ask.out.glob("part-*.parquet"))
        assert len(found) > 1
        return found

    def again(self, small_world: World, ask: Asking) -> None:
        """The same command once more."""
        run(ask.request(small_world), no_cluster, lambda _done, _total: None)

    def test_lost_part(self, small_world: World, ask: Asking, finished: list[Path]) -> None:
        """Users whose file is gone are not missing without a word."""
        finished[1].unlink()

        with pytest.raises(OutputUnusable, match=r"part-000001\.parquet: is missing: remove the folder"):
            self.again(small_world, ask)

    def test_cut_part(self, small_world: World, ask: Asking, finished: list[Path]) -> None:
        """Nor those whose file was copied by half."""
        finished[0].write_bytes(finished[0].read_bytes()[:-100])

        with pytest.raises(OutputUnusable, match=r"part-000000\.parquet: is damaged"):
            self.again(small_world, ask)

    def test_stray_part(self, small_world: World, ask: Asking, finished: list[Path]) -> None:
        """Nobody's rows come twice from a file that was copied in."""
        (ask.out / "part-000099.parquet").write_bytes(finished[0].read_bytes())

        with pytest.raises(OutputUnusable, match=r"part-000099\.parquet: is no part of this output"):
            self.again(small_world, ask)

    def test_another_outputs_part(self, small_world: World, ask: Asking, finished: list[Path]) -> None:
        """A file that has the place of another is found by its counts."""
        finished[1].write_bytes(finished[0].read_bytes())

        with pytest.raises(OutputUnusable, match="holds parts of different outputs"):
            self.again(small_world, ask)

    def test_another_run_ends_just_before_this_one_begins(
        self, small_world: World, ask: Asking, finished: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its output is taken, and nothing is done twice."""
        kept, hidden = parts(ask.out), ask.out.with_name("hidden")
        ask.out.rename(hidden)
        opens = rerank.opened_workspace

        def late(out: Path) -> contextlib.AbstractContextManager[Workspace]:
            hidden.rename(out)
            return opens(out)

        monkeypatch.setattr(rerank, "opened_workspace", late)
        self.again(small_world, ask)

        assert parts(ask.out) == kept
        assert not partial(ask.out).exists()
