"""``paperfeed models``: the life of a model on the command line."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ranker.bundle.manifest import MODEL_NAME
from service.encoder import HashingEncoder
from testing.bundles import model_text, write_tiny_bundle
from testing.calls import wait_until
from testing.models import reseal, version_of
from testing.servers import Service, serving
from tests.cli.command import Run


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bundles of different versions."""
    folders = [tmp_path_factory.mktemp("bundles") / name for name in ("first", "second")]
    text = model_text()
    for folder in folders:
        write_tiny_bundle(folder, encoder_name=HashingEncoder.name, model_text=text, recipe=folder.name)
    return folders


@pytest.fixture
def service(bundles: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A server with a registry, in which the first bundle serves; the commands know both."""
    registry = str(tmp_path / "registry")
    url = f"sqlite:///{tmp_path / 'paperfeed.db'}"
    with serving(url, bundle=str(bundles[0]), registry=registry) as started:
        monkeypatch.setenv("PAPERFEED_REGISTRY", registry)
        monkeypatch.setenv("PAPERFEED_SERVER", started.target)
        yield started


def as_json(paperfeed: Run, *words: object) -> Any:
    """Run a command with --json and return its output."""
    done = paperfeed("models", *words, "--json")
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def test_a_model_from_registration_to_rollback(service: Service, paperfeed: Run, bundles: list[Path]) -> None:
    """Each command prints the model as it is then, and the log prints who did what."""
    old, new = map(version_of, bundles)
    registered = paperfeed("models", "register", bundles[1])
    refused = paperfeed("models", "promote", new)
    begun = paperfeed("models", "canary", new, "--share", "0.25", "--force", "--note", "a try")
    wait_until(lambda: f"canary   {new} for 25% of the users" in paperfeed("status").out)
    promoted = paperfeed("models", "promote", new, "--force")
    listed = paperfeed("models", "list")
    rolled_back = [paperfeed("models", "rollback", new) for _ in range(2)]
    log = paperfeed("models", "log", new)

    assert registered.code == 0
    assert registered.out.startswith(f"{new}  REGISTERED  registered 20")
    assert "\n  encoder    hashing-384\n" in registered.out
    assert refused.code == 1
    assert "FAILED_PRECONDITION" in refused.err
    assert "its gate has not passed" in refused.err
    assert begun.out.startswith(f"{new}  CANARY for 25% of the users  registered ")
    assert promoted.out.splitlines()[0].endswith(" <- serving")
    assert [line.split()[0] for line in listed.out.splitlines()] == [new, old]
    assert listed.out.splitlines()[1].endswith(" <- previous")
    assert [done.out.split()[0] for done in rolled_back] == [old, old]
    changes = [line.split("  ")[2] for line in log.out.splitlines()]
    assert changes == ["REGISTERED", "REGISTERED -> CANARY", "CANARY -> SERVING", "SERVING -> RETIRED"]
    assert "by ipv4 127.0.0.1" in log.out
    assert "note: a try" in log.out
    assert "forced: True" in log.out


def test_json(service: Service, paperfeed: Run, bundles: list[Path]) -> None:
    """With --json, commands print all fields."""
    old, new = map(version_of, bundles)

    assert as_json(paperfeed, "register", bundles[1])["state"] == "MODEL_STATE_REGISTERED"
    assert as_json(paperfeed, "show", old)["serving"] is True
    assert [model["model_version"] for model in as_json(paperfeed, "list")["models"]] == [new, old]
    assert [entry["model_version"] for entry in as_json(paperfeed, "log")["entries"]] == [old, old, new]


def test_bundles_that_are_refused(service: Service, paperfeed: Run, bundles: list[Path], tmp_path: Path) -> None:
    """A damaged bundle is not copied at all; one of another encoder is refused by the server. Both say why."""
    damaged, foreign = (shutil.copytree(bundles[1], tmp_path / name) for name in ("damaged", "foreign"))
    (damaged / MODEL_NAME).write_text("no model")
    reseal(foreign, encoder_name="other-384")
    before = {folder.name for folder in (tmp_path / "registry").iterdir()}

    broken = paperfeed("models", "register", damaged)
    assert (broken.code, "is damaged" in broken.err) == (1, True)
    assert {folder.name for folder in (tmp_path / "registry").iterdir()} == before
    unfit = paperfeed("models", "register", foreign)
    assert (unfit.code, "other-384" in unfit.err) == (1, True)
    assert paperfeed("models", "register", tmp_path / "nothing").code == 1


def test_without_a_registry(service: Service, paperfeed: Run, bundles: list[Path]) -> None:
    """Registration names the setting that is missing."""
    done = paperfeed("models", "register", bundles[1], PAPERFEED_REGISTRY="")

    assert (done.code, "PAPERFEED_REGISTRY" in done.err) == (2, True)


def test_commands_take_the_bundle_that_serves(service: Service, bundles: list[Path], paperfeed: Run) -> None:
    """Commands that work on the database take the bundle that the registry names."""
    from service.bootstrap import serving_bundle_folder
    from service.config import Settings

    paperfeed("models", "register", bundles[1])
    paperfeed("models", "promote", version_of(bundles[1]), "--force")

    assert version_of(serving_bundle_folder(Settings.read())) == version_of(bundles[1])


def test_old_files_are_pruned(service: Service, paperfeed: Run, bundles: list[Path], tmp_path: Path) -> None:
    """Files of bundles that serve no more are deleted when they are old enough; the previous bundle keeps its files."""
    old, new = map(version_of, bundles)
    third = tmp_path / "third"
    write_tiny_bundle(third, encoder_name=HashingEncoder.name, model_text=model_text(), recipe="third")
    for folder in (bundles[1], third):
        as_json(paperfeed, "register", folder)
        as_json(paperfeed, "promote", version_of(folder), "--force")

    def folders() -> int:
        return len(list((tmp_path / "registry").iterdir()))

    assert as_json(paperfeed, "prune")["models"] == []
    assert as_json(paperfeed, "prune", "--days", "0", "--dry-run")["models"] == [old]
    assert folders() == 3
    assert "1 bundle, " in paperfeed("models", "prune", "--days", "0").out
    assert folders() == 2
    assert as_json(paperfeed, "prune", "--days", "0")["models"] == []
    assert new in paperfeed("models", "list").out
    as_json(paperfeed, "register", bundles[0])
    assert folders() == 3
