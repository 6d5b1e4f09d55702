"""``paperfeed batch rerank`` and ``paperfeed export``."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ranker.bundle.bundle import load_bundle
from service.encoder import HashingEncoder
from testing.bundles import model_text, write_tiny_bundle
from tests.batch.remote import started_scheduler, started_worker
from tests.batch.worlds import DIGEST, World, fill
from tests.cli.command import Done, Run, in_process, row_counts


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Twenty users."""
    return fill(f"sqlite:///{tmp_path_factory.mktemp('cli_batch') / 'world.db'}", 20)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli_batch_bundle") / "tiny"
    write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=model_text())
    return folder


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Dask scheduler with one worker and no dashboard."""
    folder = tmp_path_factory.mktemp("cli_batch_scheduler")
    with started_scheduler(folder) as started, started_worker(started, folder):
        yield started.address


Rank = Callable[..., Done]


@pytest.fixture
def rank(paperfeed: Run, scheduler: str, world: World, bundle: Path, tmp_path: Path) -> Rank:
    """Run ``batch rerank`` on the scheduler, into the same folder each time."""

    def run(*more: object, db: str = world.url) -> Done:
        words = ("--digest", DIGEST, "--out", tmp_path / "out", "--bundle", bundle, "--scheduler", scheduler)
        return paperfeed("batch", "rerank", *words, "--db", db, *more)

    return run


@pytest.mark.cluster
@pytest.mark.slow
def test_rerank(world: World, bundle: Path, tmp_path: Path, paperfeed: Run) -> None:
    """It writes one slate per user and names the dashboard; a second call finds everything done."""
    out = tmp_path / "slates" / "today"

    words = ("batch", "rerank", "--digest", DIGEST, "--out", out, "--bundle", bundle, "--page-size", 5)
    done = in_process(*words, "--workers", 1, "--as-of", "2026-03-11", "--json", db=world.url)
    again = paperfeed(*words, "--db", world.url, PAPERFEED_EXPLORATION="0")

    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["user_count"] == 20
    assert result["job"]["as_of"] == "2026-03-11T00:00:00+00:00"
    assert result["job"]["model_version"] == load_bundle(bundle, encoder=None).version
    assert "paperfeed: dashboard: http://127.0.0.1:" in done.err
    assert pq.read_table(out).num_rows == result["item_count"] == 100
    assert again.code == 0
    assert again.err == ""
    assert "100 items for 20 users, as of 2026-03-11" in again.out


@pytest.mark.cluster
@pytest.mark.slow
def test_export_and_rank_from_it(world: World, scheduler: str, tmp_path: Path, paperfeed: Run) -> None:
    """It ranks from an export too. If no bundle fits the encoder, users are ranked by similarity, with a warning."""
    done = paperfeed("export", "--db", world.url, "--out", tmp_path / "export", "--events", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["row_counts"]["profiles"] == 20

    words = ("--digest", DIGEST, "--from", tmp_path / "export", "--scheduler", scheduler)
    ranked = paperfeed("batch", "rerank", *words, "--out", tmp_path / "out", "--json")

    assert ranked.code == 0, ranked.err
    assert "warning: users are ranked by similarity to their likes alone" in ranked.err
    assert pq.read_table(tmp_path / "out").num_rows == json.loads(ranked.out)["item_count"] == 400


@pytest.mark.cluster
@pytest.mark.slow
def test_to_store(rank: Rank, tmp_path: Path) -> None:
    """With --to-store the slates are also in the database, and storing them again changes nothing."""
    world = fill(f"sqlite:///{tmp_path / 'own.db'}", 20)

    done = rank("--to-store", "--json", db=world.url)
    again = rank("--to-store", db=world.url)

    assert done.code == 0, done.err
    assert json.loads(done.out)["stored_count"] == 20
    assert "20 slates are in the database" in again.out
    assert row_counts(tmp_path / "own.db")["precomputed_slates"] == 20


@pytest.mark.cluster
@pytest.mark.slow
def test_one_moment_in_two_notations(rank: Rank) -> None:
    """The same time in another time zone is the same job."""
    done = rank("--as-of", "2026-03-11T08:00:00+09:00", "--json")
    again = rank("--as-of", "2026-03-10T23:00:00Z")

    assert json.loads(done.out)["job"]["as_of"] == "2026-03-10T23:00:00+00:00"
    assert again.code == 0, again.err


@pytest.mark.cluster
@pytest.mark.slow
def test_slates_of_the_future_are_not_stored(rank: Rank, world: World) -> None:
    """Slates of a future time are not stored by a later call either."""
    done = rank("--features", "--as-of", "2999-01-01")
    again = rank("--features", "--to-store")

    assert done.code == 0, done.err
    assert again.code == 2
    assert again.err.endswith(
        "as-of: 2999-01-01T00:00:00+00:00 is more than 5 minutes in the future; --to-store cannot store its slates\n"
    )
    assert row_counts(Path(world.url.removeprefix("sqlite:///")))["precomputed_slates"] == 0


@pytest.mark.cluster
@pytest.mark.slow
def test_no_dashboard(rank: Rank) -> None:
    """No dashboard is named if the scheduler has none."""
    done = rank()
    assert done.code == 0, done.err
    assert done.err == ""


def test_unknown_digest(world: World, tmp_path: Path, paperfeed: Run) -> None:
    """An unknown digest ends the command with one line that names the newest digests."""
    done = paperfeed("batch", "rerank", "--digest", "2026-03-11", "--out", tmp_path / "out", "--db", world.url)

    assert done.code == 1
    assert done.err.endswith("paperfeed: no digest '2026-03-11'; the newest are today\n")


@pytest.mark.usefixtures("impatient")
def test_unreachable_scheduler(world: World, bundle: Path, tmp_path: Path, paperfeed: Run) -> None:
    """A scheduler that does not answer ends the command with one line and exit code 1."""
    words = ("--digest", DIGEST, "--out", tmp_path / "out", "--bundle", bundle, "--db", world.url)
    done = paperfeed("batch", "rerank", *words, "--scheduler", "tcp://127.0.0.1:9")
    assert done.code == 1
    assert done.err == "paperfeed: no Dask cluster at tcp://127.0.0.1:9: the scheduler does not answer\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--scheduler", "localhost"], "scheduler: 'localhost' is neither 'local' nor an address"),
        (["--as-of", "yesterday"], "as-of: 'yesterday' is not a time"),
        (["--users", "nowhere.txt"], "users: nowhere.txt: No such file"),
        (["--from", "export", "--to-store"], "to-store: needs the users' own database"),
        (["--from", "export", "--db", "sqlite:///x.db"], "from: cannot be given together with --db"),
        (
            ["--as-of", "9999-12-31T23:59:59-12:00"],
            "as-of: '9999-12-31T23:59:59-12:00' is outside the years 1 to 9999",
        ),
        (
            ["--as-of", "2999-01-01", "--to-store"],
            "as-of: 2999-01-01T00:00:00+00:00 is more than 5 minutes",
        ),
        (
            ["--scheduler", "tcp://here:8786", "--workers", "2"],
            "workers: cannot be set for the scheduler at tcp://here:8786",
        ),
    ],
)
def test_wrong_usage(paperfeed: Run, tmp_path: Path, more: list[str], problem: str) -> None:
    """Options that contradict each other are reported in one line, with exit code 2, before any work."""
    done = paperfeed("batch", "rerank", "--digest", "d", "--out", tmp_path / "out", *more)

    assert done.code == 2
    assert problem in done.err
    assert list(tmp_path.iterdir()) == []


def test_without_a_database(paperfeed: Run, tmp_path: Path) -> None:
    """A missing database is reported and not created."""
    done = paperfeed("batch", "rerank", "--digest", "d", "--out", tmp_path / "out")

    assert done.code == 1
    assert "there is no such database file: " in done.err
    assert list(tmp_path.iterdir()) == []
