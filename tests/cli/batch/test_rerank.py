import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ranker.bundle.bundle import load_bundle
from service.encoder import HashingEncoder
from testing.bundles import model_text, write_tiny_bundle
from tests.batch.remote import started_scheduler, started_worker
from tests.batch.worlds import DIGEST, World, fill
from tests.cli.conftest import Done, Run, in_process, row_counts

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Twenty readers."""
    return fill(f"sqlite:///{tmp_path_factory.mktemp('cli_batch') / 'world.db'}", 20)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli_batch_bundle") / "tiny"
    write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=model_text())
    return folder


def rerank(world: World, bundle: Path, out: Path, *more: object) -> Done:
    """The command in a process of its own, as on a terminal: Dask's workers are its children."""
    words = ("batch", "rerank", "--digest", DIGEST, "--out", out, "--bundle", bundle, *more)
    return in_process(*words, db=world.url, encoder="hashing")


@pytest.mark.slow
def test_rerank(world: World, bundle: Path, tmp_path: Path) -> None:
    """It writes one slate for each user, says so, names the dashboard, and a second call finds all of it done."""
    out = tmp_path / "slates" / "today"

    done = rerank(world, bundle, out, "--workers", 1, "--page-size", 5, "--as-of", "2026-03-11", "--json")
    again = rerank(world, bundle, out, "--page-size", 5)

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


@pytest.mark.slow
def test_export_and_rank_from_it(world: World, bundle: Path, tmp_path: Path, paperfeed: Run) -> None:
    """An export is another input; vectors of an encoder that no bundle fits are ranked by cosine, with a warning."""
    done = paperfeed("export", "--db", world.url, "--out", tmp_path / "export", "--events", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["row_counts"]["profiles"] == 20

    words = ("--digest", DIGEST, "--from", tmp_path / "export", "--workers", 1)
    ranked = paperfeed("batch", "rerank", *words, "--out", tmp_path / "out", "--json")

    assert ranked.code == 0, ranked.err
    assert "warning: users are ranked by similarity alone" in ranked.err
    assert pq.read_table(tmp_path / "out").num_rows == json.loads(ranked.out)["item_count"] == 400


@pytest.mark.slow
def test_to_store(bundle: Path, tmp_path: Path) -> None:
    """With --to-store the slates are in the database too, and storing them again changes nothing."""
    world = fill(f"sqlite:///{tmp_path / 'own.db'}", 20)

    done = rerank(world, bundle, tmp_path / "out", "--workers", 1, "--to-store", "--json")
    again = rerank(world, bundle, tmp_path / "out", "--to-store")

    assert done.code == 0, done.err
    assert json.loads(done.out)["stored_count"] == 20
    assert "20 slates are in the database" in again.out
    assert row_counts(tmp_path / "own.db")["precomputed_slates"] == 20


@pytest.mark.slow
def test_one_moment_in_two_notations(world: World, bundle: Path, tmp_path: Path) -> None:
    """A time is the same job in whatever zone it is written."""
    done = rerank(world, bundle, tmp_path / "out", "--workers", 1, "--as-of", "2026-03-11T08:00:00+09:00", "--json")
    again = rerank(world, bundle, tmp_path / "out", "--as-of", "2026-03-10T23:00:00Z")

    assert json.loads(done.out)["job"]["as_of"] == "2026-03-10T23:00:00+00:00"
    assert again.code == 0, again.err


@pytest.mark.slow
def test_slates_of_the_future_are_not_stored(world: World, bundle: Path, tmp_path: Path) -> None:
    """An output that was made for a time to come is not kept for GetFeed by a later call either."""
    words = ("--features", "--workers", 1)
    done = rerank(world, bundle, tmp_path / "out", *words, "--as-of", "2999-01-01")
    again = rerank(world, bundle, tmp_path / "out", *words, "--to-store")

    assert done.code == 0, done.err
    assert again.code == 2
    assert again.err.endswith(
        "as-of: 2999-01-01T00:00:00+00:00 lies more than 5 minutes in the future: --to-store keeps no such slates\n"
    )
    assert row_counts(Path(world.url.removeprefix("sqlite:///")))["precomputed_slates"] == 0


@pytest.mark.slow
def test_no_dashboard(world: World, bundle: Path, tmp_path: Path) -> None:
    """Of a scheduler without a dashboard none is named."""
    with started_scheduler(tmp_path) as scheduler, started_worker(scheduler, tmp_path):
        done = rerank(world, bundle, tmp_path / "out", "--scheduler", scheduler.address)

    assert done.code == 0, done.err
    assert done.err == ""


def test_unknown_digest(world: World, tmp_path: Path, paperfeed: Run) -> None:
    """A digest that is not there ends it with one line that names the newest that are."""
    done = paperfeed("batch", "rerank", "--digest", "2026-03-11", "--out", tmp_path / "out", "--db", world.url)

    assert done.code == 1
    assert done.err.endswith("paperfeed: no digest '2026-03-11'; the newest are today\n")


def test_unreachable_scheduler(world: World, bundle: Path, tmp_path: Path) -> None:
    """A scheduler that is not there ends it with one line and exit code 1."""
    done = rerank(world, bundle, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")

    assert done.code == 1
    assert done.err == "paperfeed: no Dask cluster at tcp://127.0.0.1:9: the scheduler does not answer\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--scheduler", "localhost"], "scheduler: 'localhost' is neither 'local' nor an address"),
        (["--as-of", "yesterday"], "as-of: 'yesterday' is not a time"),
        (["--users", "nowhere.txt"], "users: nowhere.txt: No such file"),
        (["--from", "export", "--to-store"], "to-store: needs the database"),
        (["--from", "export", "--db", "sqlite:///x.db"], "from: cannot be given together with --db"),
        (
            ["--as-of", "9999-12-31T23:59:59-12:00"],
            "as-of: '9999-12-31T23:59:59-12:00' lies outside the years 1 to 9999",
        ),
        (["--as-of", "2999-01-01", "--to-store"], "as-of: 2999-01-01T00:00:00+00:00 lies more than 5 minutes in the"),
        (
            ["--scheduler", "tcp://here:8786", "--workers", "2"],
            "workers: are those of the scheduler at tcp://here:8786",
        ),
    ],
)
def test_wrong_usage(paperfeed: Run, tmp_path: Path, more: list[str], problem: str) -> None:
    """What cannot be meant is said in one line, with exit code 2, before anything is done."""
    done = paperfeed("batch", "rerank", "--digest", "d", "--out", tmp_path / "out", *more)

    assert done.code == 2
    assert problem in done.err
    assert list(tmp_path.iterdir()) == []


def test_without_a_database(paperfeed: Run, tmp_path: Path) -> None:
    """A database that is not there is not made by asking it for slates."""
    done = paperfeed("batch", "rerank", "--digest", "d", "--out", tmp_path / "out")

    assert done.code == 1
    assert "there is no such database file: " in done.err
    assert list(tmp_path.iterdir()) == []
