"""An output takes its name whole, holds one job's slates alone, and says at the start where it cannot go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.cluster import Cluster
from batch.errors import OutputUnusable
from batch.population import Population
from batch.rerank import run
from batch.workspace import CANDIDATES_NAME, PLAN_NAME
from tests.batch.asking import Asking, no_cluster, slates
from tests.batch.killing import partial, parts
from tests.batch.worlds import World

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
