"""``paperfeed train --feedback`` and ``paperfeed estimate``."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from ranker.bundle.bundle import load_bundle
from service.encoder import HashingEncoder
from service.storage import schema
from testing.feedback_loop import run_loop, upvote_bundle
from testing.simulated_clicks import World
from tests.cli.command import Done, Run

pytestmark = pytest.mark.slow


# Enough users that any random draw has reactions to explored papers.
USERS = 120
SLATES = 8 * USERS
FEW_USERS = 40
FEW_SLATES = 8 * FEW_USERS


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A database with eight digests served to users, and the bundle that ranked them."""
    folder = tmp_path_factory.mktemp("served")
    schema.upgrade(f"sqlite:///{folder / 'service.db'}")
    bundle = upvote_bundle(folder / "bundle")
    run_loop(f"sqlite:///{folder / 'service.db'}", bundle, World(seed=5), USERS, 8, 30, exploration=1.0)
    return folder / "service.db", bundle


@pytest.fixture
def database(served: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy that the test may change, with the first 40 users only."""
    copy = tmp_path / "service.db"
    with sqlite3.connect(served[0]) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    change(copy, "PRAGMA foreign_keys = ON", f"DELETE FROM users WHERE user_id >= 'reader-{FEW_USERS:05}'")
    return copy


def train(paperfeed: Run, database: Path, bundle: Path, *more: object) -> Done:
    """Train with the tiny recipe."""
    options = ("--db", f"sqlite:///{database}", "--base", bundle, "--recipe", "tiny", *more)
    return paperfeed("train", "--feedback", *options)


def estimate(paperfeed: Run, database: Path, bundle: Path, *more: object) -> Done:
    """Estimate the value of a bundle."""
    return paperfeed("estimate", "--db", f"sqlite:///{database}", "--bundle", bundle, *more)


def change(database: Path, *statements: str) -> None:
    """Change rows without the service."""
    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_learn_and_judge(paperfeed: Run, served: tuple[Path, Path], tmp_path: Path) -> None:
    """A bundle is trained on slates, keeps encoder and features, records its inputs, and is judged on later slates."""
    database, bundle = served
    before = list(sqlite3.connect(database).iterdump())
    options = ("--out", tmp_path / "new", "--until", "2025-01-12", "--position-bias", 0.9)
    done = train(paperfeed, database, bundle, *options, "--json")
    assert done.code == 0, done
    result = json.loads(done.out)
    new, base = load_bundle(tmp_path / "new", encoder=HashingEncoder.name), load_bundle(bundle, encoder=None)
    assert (new.version, new.features_version) == (result["version"], base.features_version)
    assert result["version"].startswith("feedback-")
    assert new.manifest.params["examination"] == result["examination"]
    assert result["metrics"]["slates"] == 6 * USERS
    assert result["left_out"] == {"outside the given times": 2 * USERS}
    assert f"warning: {2 * USERS} slates are left out: outside the given times" in done.err

    judged = estimate(paperfeed, database, tmp_path / "new", "--from", "2025-01-12", "--position-bias", 1, "--json")
    assert judged.code == 0, judged
    found = json.loads(judged.out)
    assert (found["bundle"], found["slates"], found["readers"]) == (new.version, 2 * USERS, USERS)
    assert set(found["values"]) == {"served", "ips", "snips", "dr"}
    assert set(found["differences"]) == {"ips", "snips", "dr"}
    assert all(value["low"] <= value["mean"] <= value["high"] for value in found["values"].values())
    assert found["examination"] == {"exponent": 1.0, "low": 1.0, "high": 1.0, "reactions": 0}
    assert list(sqlite3.connect(database).iterdump()) == before


def test_in_words(paperfeed: Run, served: tuple[Path, Path], tmp_path: Path) -> None:
    """Without --json both commands say how many slates, users and reactions they used."""
    database, bundle = served
    done = train(paperfeed, database, bundle, "--out", tmp_path / "new")
    assert done.code == 0, done
    assert "estimated from " in done.out
    assert "reactions at explored places" in done.out
    assert f"{SLATES} slates, {USERS} users" in done.out
    judged = estimate(paperfeed, database, bundle)
    assert judged.code == 0, judged
    assert "doubly robust" in judged.out
    assert "papers that were never shown" in judged.out


def test_same_log_same_files(paperfeed: Run, served: tuple[Path, Path], tmp_path: Path) -> None:
    """Learning twice gives the same files but for created_at, by either name of the option."""
    database, bundle = served
    versions = []
    for number, option in enumerate(("--feedback", "--from-db")):
        options = (
            "--db",
            f"sqlite:///{database}",
            "--base",
            bundle,
            "--recipe",
            "tiny",
            "--out",
            tmp_path / f"{number}",
        )
        done = paperfeed("train", option, *options, "--json")
        assert done.code == 0, done
        versions.append(json.loads(done.out)["version"])
    assert versions[0] == versions[1]
    models = [(tmp_path / f"{number}" / "model.txt").read_bytes() for number in (0, 1)]
    assert models[0] == models[1]


def _all_propensities(value: float) -> str:
    """Return a statement that gives every item of every slate this propensity."""
    kept = (f"json_extract(value, '$[{place}]')" for place in (0, 1, 3))
    paper_id, score, reasons = kept
    item = f"json_array({paper_id}, {score}, {value}, {reasons})"
    return f"UPDATE slates SET items = (SELECT json_group_array({item}) FROM json_each(items))"


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (("DELETE FROM slates",), "no slate can be used: no slate was served to a known user"),
        (
            ("DELETE FROM events WHERE occurred_at > '2025-01-01'",),
            f"no paper shown (neither a sent event nor an impression) ({FEW_SLATES} slates)",
        ),
        (("DELETE FROM events WHERE event_type NOT IN ('sent')",), "nobody liked, saved or clicked a paper of them"),
        (
            ("UPDATE slates SET features_version = 'other'",),
            "no slate can be used: features of another bundle (ranked by tiny-",
        ),
        (
            ("UPDATE slates SET features_version = ''",),
            f"served by an older version, without a features_version ({FEW_SLATES} slates)",
        ),
        (("UPDATE slates SET features = x''",), f"features pruned ({FEW_SLATES} slates)"),
        (("DELETE FROM users WHERE user_id != 'reader-00000'",), "only one of them reacted"),
        ((_all_propensities(1.0),), "reactions to papers at explored places are too few"),
        ((_all_propensities(0.9),), f"explored in a way unknown to this version ({FEW_SLATES} slates)"),
    ],
)
def test_logs_that_cannot_serve(
    paperfeed: Run, served: tuple[Path, Path], database: Path, tmp_path: Path, statements: Sequence[str], problem: str
) -> None:
    """Both commands say in one line what is missing, and nothing is written."""
    change(database, "PRAGMA foreign_keys = ON", *statements)
    for done in (
        train(paperfeed, database, served[1], "--out", tmp_path / "new"),
        estimate(paperfeed, database, served[1]),
    ):
        assert (done.code, done.out) == (1, ""), done
        assert problem in done.err.splitlines()[-1]
    assert not (tmp_path / "new").exists()


def test_another_bundle(paperfeed: Run, served: tuple[Path, Path], tmp_path: Path) -> None:
    """Without --base the shipped bundle is used, whose features differ from those of the slates."""
    url = f"sqlite:///{served[0]}"
    done = paperfeed("train", "--feedback", "--db", url, "--recipe", "tiny", "--out", tmp_path / "new")

    assert done.code == 1
    assert "no slate can be used: features of another bundle" in done.err


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (("--feedback", "--papers", "x.jsonl"), 2, "papers: cannot be given together with --feedback"),
        (("--feedback", "--report", "x.html"), 2, "report: cannot be given together with --feedback"),
        (("--feedback", "--until", "soon"), 2, "until: 'soon' is not a date"),
        (("--feedback", "--recipe", "grand"), 1, "no recipe is called 'grand'"),
        (("--feedback", "--base", "nowhere"), 1, "nowhere: there is no such folder"),
        (("--feedback", "--db", "sqlite:///nowhere.db"), 1, "there is no such database file: nowhere.db"),
        (("--base", "x"), 2, "base: needs --feedback"),
        (("--position-bias", "1"), 2, "position-bias: needs --feedback"),
    ],
)
def test_wrong_options(paperfeed: Run, tmp_path: Path, options: tuple[str, ...], code: int, problem: str) -> None:
    """A wrong option is reported before any work is done."""
    done = paperfeed("train", *options, "--out", tmp_path / "new")

    assert (done.code, problem in done.err) == (code, True), done
    assert not (tmp_path / "new").exists()
