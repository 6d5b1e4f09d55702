"""``paperfeed models judge`` and ``paperfeed models due``, on a registry in SQLite."""

import datetime as dt
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.domain.models import ModelState
from testing.trials.canaries import SHARE, CanaryRun, canary_run
from testing.trials.rivals import rival
from tests.cli.command import Done, Run
from tests.process.running import ROOT, command, settings

RULES = """
[reactions]
least_days = 0.0
least_reactions = 20
least_users = 50
[errors]
required = false
[latency]
required = false
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[CanaryRun]:
    with canary_run(tmp_path) as found:
        yield found


def judge(paperfeed: Run, running: CanaryRun, *more: object, rules: str = RULES) -> Done:
    file = running.folder.with_name("rules.toml")
    file.write_text(rules)
    options = ("--db", running.url, "--rules", file, "--position-bias", 1, *more)
    return paperfeed("models", "judge", *options, PAPERFEED_REGISTRY=str(running.folder))


def judged(done: Done) -> dict[str, Any]:
    assert done.code == 0, done
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_better_canary_is_promoted(paperfeed: Run, running: CanaryRun) -> None:
    """A dry run changes nothing; then the canary serves, and the log has all figures of the decision."""
    running.serve(gain=1.5)

    dry = judged(judge(paperfeed, running, "--dry-run", "--json"))
    assert (dry["verdict"], dry["share"]) == ("promote", SHARE)
    assert running.states() == (ModelState.SERVING, ModelState.CANARY)

    found = judged(judge(paperfeed, running, "--actor", "night watch", "--json"))
    assert found["checks"] == dry["checks"]
    assert running.states() == (ModelState.RETIRED, ModelState.SERVING)
    assert running.registry.aliases().previous == running.serving
    entry = running.registry.log(running.canary)[-1]
    assert (entry.actor, entry.from_state, entry.to_state) == ("night watch", ModelState.CANARY, ModelState.SERVING)
    assert entry.evidence["verdict"] == "promote"
    assert entry.evidence["rules"]["reactions"]["least_users"] == 50
    reactions = next(each for each in entry.evidence["checks"] if each["name"] == "reactions")
    assert reactions["figures"]["gain"]["low"] > 0
    assert sum(reactions["figures"]["users"].values()) == 250

    after = judge(paperfeed, running)
    assert (after.code, after.out) == (0, "no canary is running\n")


def test_a_worse_canary_is_taken_back(paperfeed: Run, running: CanaryRun) -> None:
    """The canary ends, the other bundle still serves, and the log says why."""
    running.serve(gain=-0.8)

    assert judged(judge(paperfeed, running, "--json"))["verdict"] == "roll_back"

    assert running.states() == (ModelState.SERVING, ModelState.RETIRED)
    assert running.registry.aliases().canary is None
    entry = running.registry.log(running.canary)[-1]
    assert entry.evidence["verdict"] == "roll_back"


def test_an_equal_canary_waits(paperfeed: Run, running: CanaryRun) -> None:
    """Nothing changes, and the output says which check has not decided."""
    running.serve(gain=0.0)

    done = judge(paperfeed, running)

    assert done.code == 0, done
    assert done.out.splitlines()[-1].endswith(" wait")
    assert "may earn less or more" in " ".join(done.out.split()).replace("│ ", "")
    assert running.states() == (ModelState.SERVING, ModelState.CANARY)


def test_a_new_share_begins_a_new_comparison(paperfeed: Run, running: CanaryRun) -> None:
    """Slates from before a change of the share are not compared, because the sides got them at different times."""
    running.serve(gain=1.5)
    running.registry.start_canary(running.canary, SHARE / 2, "test")

    found = judged(judge(paperfeed, running, "--json"))

    reactions = next(each for each in found["checks"] if each["name"] == "reactions")
    assert (found["verdict"], reactions["figures"]["slates"]) == ("wait", 0)


def test_the_shipped_rules_want_metrics(paperfeed: Run, running: CanaryRun) -> None:
    """By the shipped rules, a canary is not promoted while errors and latency are not measured."""
    running.serve(gain=1.5)

    found = judged(judge(paperfeed, running, "--json", rules="[reactions]\nleast_days = 0\nleast_users = 50\n"))

    assert found["verdict"] == "wait"
    waiting = [each["name"] for each in found["checks"] if each["outcome"] == "inconclusive"]
    assert waiting == ["errors", "latency"]


def test_a_canary_that_a_server_cannot_load(paperfeed: Run, running: CanaryRun) -> None:
    """A problem in the log of the registry takes the canary back at once, without any users."""
    running.registry.record_failure(running.canary, "model.txt: is damaged", "server one")

    found = judged(judge(paperfeed, running, "--json"))

    assert found["verdict"] == "roll_back"
    assert running.states() == (ModelState.SERVING, ModelState.RETIRED)


def test_metrics_that_do_not_answer(paperfeed: Run, running: CanaryRun) -> None:
    """The command fails with the URL, and nothing changes."""
    done = judge(paperfeed, running, "--metrics", "http://127.0.0.1:9/metrics")

    assert done.code == 1
    assert "http://127.0.0.1:9/metrics" in done.err
    assert running.states() == (ModelState.SERVING, ModelState.CANARY)


def test_a_worse_canary_is_taken_back_without_metrics(paperfeed: Run, running: CanaryRun) -> None:
    """A canary that stops servers, whose metrics then do not answer, is still taken back by the other checks."""
    running.registry.record_failure(running.canary, "model.txt: is damaged", "server one")

    done = judge(paperfeed, running, "--metrics", "http://127.0.0.1:9/metrics")

    assert done.code == 0, done
    assert "http://127.0.0.1:9/metrics" in done.err
    assert running.states() == (ModelState.SERVING, ModelState.RETIRED)


@pytest.mark.slow
def test_watching(running: CanaryRun) -> None:
    """It looks again and again until a signal ends it with code 0."""
    running.registry.rollback(running.canary, "test")
    process = subprocess.Popen(
        command("models", "judge", "--db", running.url, "--watch", 1),
        env=settings(registry=running.folder),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        looks = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()

    assert looks == ["no canary is running\n"] * 2
    assert set(rest.splitlines()) <= {"no canary is running"}
    assert process.returncode == 0


def test_without_a_registry(paperfeed: Run, running: CanaryRun) -> None:
    """The setting is named."""
    done = paperfeed("models", "judge", "--db", running.url)

    assert done.code == 2
    assert "PAPERFEED_REGISTRY" in done.err


def test_bundles_due_after_a_deletion(paperfeed: Run, running: CanaryRun, tmp_path: Path) -> None:
    """Bundles with data from before the last deletion, and those trained from them, are listed and marked."""
    running.serve(gain=0.0, user_count=3, slates_each=1)
    before, after = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours) for hours in (-1, 1))
    params: list[dict[str, Any]] = [{"taken_at": {"database": each.isoformat()}} for each in (before, after)]
    versions: list[str] = []
    for number, own in enumerate((*params, {"base": ""})):
        own["base"] = versions[0] if "base" in own else ""
        folder = tmp_path / f"learned-{number}"
        versions.append(rival(folder, {"embedding_mean_relative": 5.0 + number}, params=own).version)
        running.registry.register(folder, "test")

    def due() -> Done:
        return paperfeed("models", "due", "--db", running.url, "--json", PAPERFEED_REGISTRY=str(running.folder))

    done = due()
    assert (done.code, json.loads(done.out)) == (0, {"models": []})
    running.delete("u1")
    done = due()

    assert done.code == 1
    found = {each["model_version"]: each["reason"] for each in json.loads(done.out)["models"]}
    assert set(found) == {versions[0], versions[2]}
    assert "'database'" in found[versions[0]]
    assert found[versions[2]] == f"trained from {versions[0]}"
    marked = {each.version for each in running.registry.list_models() if each.needs_retraining}
    assert marked == set(found)
