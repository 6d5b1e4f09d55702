"""``paperfeed models check``: its outcomes, what it records, and its exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ranker.bundle.manifest import MODEL_NAME
from service.domain.models import ModelState
from testing.training import planted
from testing.trials.canaries import CanaryRun, canary_run
from testing.trials.rivals import rival
from tests.cli.command import Done, Run
from tests.cli.models.interchange_files import write

FAST = "[latency]\nrounds = 15\nlargest_ratio = 50\n"
GOOD, BAD = {"embedding_mean_relative": 30.0}, {"embedding_mean_relative": -30.0}
HASHING_DIM = 384
FEW = ("--max-users", 20)


@pytest.fixture
def files(tmp_path: Path) -> tuple[object, ...]:
    """Options that name held-out papers and likes."""
    papers, events = write(tmp_path, planted(dated=True, user_count=30, paper_count=240, weeks=36))
    return ("--papers", papers, "--interactions", events)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[CanaryRun]:
    with canary_run(tmp_path) as found:
        yield found


def check(paperfeed: Run, bundle: object, tmp_path: Path, *more: object, rules: str = FAST, **settings: str) -> Done:
    (tmp_path / "rules.toml").write_text(rules)
    return paperfeed("models", "check", bundle, "--rules", tmp_path / "rules.toml", *more, **settings)


def outcomes(done: Done) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in json.loads(done.out)["checks"]}


def checked(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_better_and_worse_folders(paperfeed: Run, tmp_path: Path, files: tuple[object, ...]) -> None:
    """A folder that ranks held-out data better passes with code 0; one that ranks them worse fails with code 1."""
    rival(tmp_path / "good", GOOD, dim=HASHING_DIM)
    rival(tmp_path / "bad", BAD, dim=HASHING_DIM)

    better = check(paperfeed, tmp_path / "good", tmp_path, "--against", tmp_path / "bad", *files, *FEW, "--json")
    worse = check(paperfeed, tmp_path / "bad", tmp_path, "--against", tmp_path / "good", *files, *FEW)

    assert better.code == 0, better
    assert outcomes(better) == {
        "loading": "passed",
        "size": "passed",
        "parity": "passed",
        "latency of 77 candidates": "passed",
        "latency of 2,000 candidates": "passed",
        "held-out data": "passed",
        "logged slates": "inconclusive",
    }
    held_out = checked(better)["checks"][5]["figures"]
    # The first Monday after both were made; see testing.trials.rivals.
    assert held_out["from"] == "2017-07-31"
    assert held_out["difference"]["low"] > 0
    assert worse.code == 1, worse
    assert worse.out.splitlines()[-1] == "failed"


def test_an_inconclusive_gate(paperfeed: Run, running: CanaryRun, tmp_path: Path) -> None:
    """Without held-out data a registered bundle is inconclusive: code 3, recorded with all figures."""
    version = rival(tmp_path / "third", {"embedding_mean_relative": 3.0}).version
    running.registry.register(tmp_path / "third", "test")
    settings = {"PAPERFEED_REGISTRY": str(running.folder), "PAPERFEED_DB": running.url}

    done = check(paperfeed, version, tmp_path, "--json", **settings)

    assert done.code == 3, done
    assert outcomes(done)["held-out data"] == "inconclusive"
    assert running.registry.get(version).state is ModelState.INCONCLUSIVE
    entry = running.registry.log(version)[-1]
    assert (entry.actor, entry.to_state) == ("paperfeed models check", ModelState.INCONCLUSIVE)
    assert dict(entry.evidence) == checked(done)
    assert checked(done)["serving"] == running.serving


def test_a_slower_bundle_is_rejected(paperfeed: Run, running: CanaryRun, tmp_path: Path) -> None:
    """A bundle that takes longer than the rules accept is REJECTED, and the log has the reason."""
    version = rival(tmp_path / "third", {"embedding_mean_relative": 3.0}).version
    running.registry.register(tmp_path / "third", "test")
    settings = {"PAPERFEED_REGISTRY": str(running.folder), "PAPERFEED_DB": running.url}
    slow = "[latency]\nrounds = 15\nlargest_ratio = 0.01\n"

    done = check(paperfeed, version, tmp_path, "--json", rules=slow, **settings)

    assert done.code == 1, done
    assert running.registry.get(version).state is ModelState.REJECTED
    latency = running.registry.log(version)[-1].evidence["checks"][3]
    assert latency["outcome"] == "failed"
    assert "times the serving bundle's time" in latency["reason"]


def test_damaged_and_unfit_bundles_are_rejected(paperfeed: Run, running: CanaryRun, tmp_path: Path) -> None:
    """A bundle that was damaged in the registry, and one for another encoder, are REJECTED before anything is timed."""
    damaged = rival(tmp_path / "third", {"embedding_mean_relative": 3.0}).version
    unfit = rival(tmp_path / "fourth", {"embedding_mean_relative": 4.0}, encoder="another-encoder").version
    for name in ("third", "fourth"):
        running.registry.register(tmp_path / name, "test")
    with (running.registry.folder_of(damaged) / MODEL_NAME).open("a") as file:
        file.write(" ")
    settings = {"PAPERFEED_REGISTRY": str(running.folder), "PAPERFEED_DB": running.url}

    for version, reason in ((damaged, "is damaged"), (unfit, "another-encoder")):
        done = check(paperfeed, version, tmp_path, "--json", **settings)
        assert done.code == 1, done
        assert outcomes(done) == {"loading": "failed"}
        assert running.registry.get(version).state is ModelState.REJECTED
        assert reason in running.registry.log(version)[-1].evidence["checks"][0]["reason"]


def test_a_comparison_with_another_bundle_is_no_gate(paperfeed: Run, running: CanaryRun, tmp_path: Path) -> None:
    """A bundle does not get through the gate by a comparison with a weaker bundle than the one that serves."""
    version = rival(tmp_path / "third", {"embedding_mean_relative": 3.0}).version
    running.registry.register(tmp_path / "third", "test")
    settings = {"PAPERFEED_REGISTRY": str(running.folder), "PAPERFEED_DB": running.url}
    lenient = FAST + "[held_out]\nrequired = false\n"

    printed = check(paperfeed, version, tmp_path, "--against", tmp_path / "old", rules=lenient, **settings)
    assert (printed.code, running.registry.get(version).state) == (0, ModelState.REGISTERED), printed
    assert "printed, and not recorded" in printed.err

    recorded = check(paperfeed, version, tmp_path, rules=lenient, **settings)
    assert (recorded.code, running.registry.get(version).state) == (0, ModelState.GATED), recorded
    rules = running.registry.log(version)[-1].evidence["rules"]
    assert (rules["held_out"]["required"], rules["latency"]["largest_ratio"]) == (False, 50)


def test_reasons_hold_no_escape_sequences(
    paperfeed: Run, running: CanaryRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of a bundle cannot change the screen of the person who checks it."""
    version = rival(tmp_path / "third", {"embedding_mean_relative": 3.0}, encoder="\x1b[2Jother [red]").version
    running.registry.register(tmp_path / "third", "test")
    monkeypatch.setenv("COLUMNS", "400")

    done = check(paperfeed, version, tmp_path, PAPERFEED_REGISTRY=str(running.folder), PAPERFEED_DB=running.url)

    assert done.code == 1, done
    assert "\x1b" not in done.out
    assert "other [red]" in done.out


def test_the_canary_keeps_its_state(paperfeed: Run, running: CanaryRun, tmp_path: Path) -> None:
    """The gate may look at a running canary again, which changes nothing."""
    with (running.registry.folder_of(running.canary) / MODEL_NAME).open("a") as file:
        file.write(" ")
    settings = {"PAPERFEED_REGISTRY": str(running.folder), "PAPERFEED_DB": running.url}

    done = check(paperfeed, running.canary, tmp_path, **settings)

    assert done.code == 1, done
    assert "is CANARY: the outcome is printed, and not recorded" in done.err
    assert running.states()[1] is ModelState.CANARY


def test_wrong_usage(paperfeed: Run, running: CanaryRun, tmp_path: Path) -> None:
    """A version needs a registry and must be known; files come in pairs; rules must be rules."""
    settings = {"PAPERFEED_REGISTRY": str(running.folder), "PAPERFEED_DB": running.url}

    unknown = check(paperfeed, "no-such-version", tmp_path, **settings)
    assert unknown.code == 1
    assert "no-such-version" in unknown.err
    without = check(paperfeed, "some-version", tmp_path, PAPERFEED_DB=running.url)
    assert without.code == 2
    assert "PAPERFEED_REGISTRY" in without.err
    single = check(paperfeed, tmp_path / "old", tmp_path, "--papers", tmp_path / "rules.toml")
    assert single.code == 2
    assert "interactions" in single.err
    wrong = check(paperfeed, tmp_path / "old", tmp_path, rules="[speed]\n")
    assert wrong.code == 1
    assert "no table 'speed'" in wrong.err
