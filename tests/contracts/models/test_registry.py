"""The model registry on both engines: states, aliases, the log, and changes at the same time."""

import datetime as dt
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.app.models.registry import Registry
from service.app.ports import Store
from service.domain.errors import BundleRejected, BundleUnusable, InvalidField, NotFound, WrongModelState
from service.domain.models import ModelState
from service.storage.registry.folders import LocalFolders
from testing.models import reseal, version_of
from testing.ranker import ENCODER, bundle, model_text
from tests.contracts.samples import NOW, FixedClock, slate

S = ModelState


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three bundles of different versions."""
    made, text = [tmp_path_factory.mktemp("models") / name for name in "abc"], model_text()
    for number, folder in enumerate(made):
        bundle(folder, text)
        reseal(folder, version=f"made-{number}", recipe=folder.name)
    return made


@pytest.fixture
def registry(store: Store, tmp_path: Path) -> Registry:
    """An empty registry for bundles of one encoder."""
    return Registry(store, FixedClock(NOW), LocalFolders(tmp_path / "registry"), ENCODER)


@pytest.fixture
def versions(registry: Registry, folders: Sequence[Path]) -> list[str]:
    """The versions of three registered bundles; the first one serves."""
    registry.serve_first(folders[0], "start")
    return [registry.register(folder, "ada").version for folder in folders]


def changes(registry: Registry, version: str) -> list[tuple[str, S | None, S]]:
    """Return (actor, from, to) of the log entries of a model."""
    return [(entry.actor, entry.from_state, entry.to_state) for entry in registry.log(version)]


def test_the_same_content_is_registered_once(registry: Registry, folders: Sequence[Path], tmp_path: Path) -> None:
    """Another time of training changes nothing; the record, the log and the folder stay."""
    first = registry.register(folders[0], "ada")
    copy = shutil.copytree(folders[0], tmp_path / "copy")
    reseal(copy, created_at="2027-01-01T00:00:00+00:00")

    assert registry.register(copy, "bob") == first
    assert first.state is S.REGISTERED
    assert first.registered_at == NOW
    assert first.created_at == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert first.size_bytes == sum(file.stat().st_size for file in folders[0].iterdir())
    assert changes(registry, first.version) == [("ada", None, S.REGISTERED)]
    assert registry.folder_of(first.version).name == first.content_sha256
    assert registry.load(first.version, ENCODER).version == first.version


def test_a_version_has_one_content(registry: Registry, folders: Sequence[Path], tmp_path: Path) -> None:
    """Other content under a registered version is rejected."""
    registry.register(folders[0], "ada")
    other = shutil.copytree(folders[0], tmp_path / "other")
    reseal(other, metrics={"ndcg@10": 0.5})

    with pytest.raises(BundleRejected, match=f"version {version_of(other)} is registered with other content"):
        registry.register(other, "ada")


def test_the_life_of_a_model(registry: Registry, versions: list[str]) -> None:
    """A model is gated, becomes the canary, serves, and is rolled back. The log has each step with its reasons."""
    old, new, _ = versions
    registry.record_gate(new, S.GATED, {"ndcg@10": 0.4}, "gate")
    registry.start_canary(new, 0.1, "ada")
    experiment = registry.aliases().canary
    registry.start_canary(new, 0.3, "ada")
    registry.promote(new, "judge", evidence={"gain": 0.01})

    assert experiment is not None
    assert registry.get(new).state is S.SERVING
    assert registry.get(old).state is S.RETIRED
    aliases = registry.aliases()
    assert (aliases.serving, aliases.previous, aliases.canary) == (new, old, None)

    assert registry.rollback(new, "bob", {"note": "slow"}).version == old
    assert (registry.aliases().serving, registry.aliases().previous) == (old, None)
    assert [(entry.actor, entry.from_state, entry.to_state, dict(entry.evidence)) for entry in registry.log(new)][
        1:
    ] == [
        ("gate", S.REGISTERED, S.GATED, {"ndcg@10": 0.4}),
        ("ada", S.GATED, S.CANARY, {"share": 0.1}),
        ("ada", S.CANARY, S.CANARY, {"share": 0.3}),
        ("judge", S.CANARY, S.SERVING, {"gain": 0.01}),
        ("bob", S.SERVING, S.RETIRED, {"replaced_by": old}),
    ]
    last = registry.log(old)[-1]
    assert (last.to_state, dict(last.evidence)) == (S.SERVING, {"rolled_back": new, "note": "slow"})
    assert registry.log(after=last.number - 1) == [last]


def test_a_new_share_keeps_the_experiment(registry: Registry, versions: list[str]) -> None:
    """When the share changes, users stay where they were; a new canary draws them again."""
    _, new, third = versions
    drawn = []
    for version, share in ((new, 0.1), (new, 0.3), (third, 0.3)):
        if version == third:
            registry.rollback(new, "ada")
        registry.start_canary(version, share, "ada", force=True)
        drawn.append(registry.aliases().canary)
    small, large, other = ({user for user in map(str, range(3_000)) if canary and canary.has(user)} for canary in drawn)

    assert small < large
    assert len(small) == pytest.approx(300, abs=70)
    assert len(large) == pytest.approx(900, abs=100)
    # Independent draws of 30 % share 9 % of the users.
    assert len(large & other) == pytest.approx(270, abs=70)


def test_without_a_passed_gate_only_force_promotes(registry: Registry, versions: list[str]) -> None:
    """Promotion and canary need a passed gate or force, which leaves a trace. A retired model needs a new gate."""
    old, new, _ = versions
    for outcome in (None, S.REJECTED, S.INCONCLUSIVE):
        if outcome:
            registry.record_gate(new, outcome, {}, "gate")
        with pytest.raises(WrongModelState, match="its gate has not passed"):
            registry.promote(new, "ada")
        with pytest.raises(WrongModelState, match="its gate has not passed"):
            registry.start_canary(new, 0.5, "ada")

    registry.promote(new, "ada", force=True)
    assert dict(registry.log(new)[-1].evidence) == {"forced": True, "state_before": "inconclusive"}
    with pytest.raises(WrongModelState, match="its gate has not passed"):
        registry.promote(old, "ada")
    with pytest.raises(WrongModelState, match="before it serves"):
        registry.record_gate(new, S.GATED, {}, "gate")
    registry.record_gate(old, S.GATED, {}, "gate")
    registry.promote(old, "ada")
    entry = registry.log(old)[-1]
    assert dict(entry.evidence) == {}
    assert registry.promote(old, "ada").state is S.SERVING
    assert registry.log(old)[-1] == entry


def test_only_one_canary(registry: Registry, versions: list[str]) -> None:
    """A second canary is refused; a rollback of the canary or the promotion of another model ends it."""
    old, new, third = versions
    registry.start_canary(new, 0.5, "ada", force=True)
    with pytest.raises(WrongModelState, match="end this canary"):
        registry.start_canary(third, 0.5, "ada", force=True)
    registry.rollback(new, "ada")
    with pytest.raises(WrongModelState, match="for all users already"):
        registry.start_canary(old, 0.5, "ada", force=True)
    with pytest.raises(InvalidField, match="above 0 and below 1"):
        registry.start_canary(new, 1.0, "ada", force=True)

    registry.start_canary(new, 0.5, "ada", force=True)
    assert registry.rollback(new, "ada").version == old
    assert registry.aliases().canary is None
    registry.start_canary(new, 0.5, "ada", force=True)
    registry.promote(third, "ada", force=True)
    assert registry.get(new).state is S.RETIRED
    assert registry.aliases().canary is None


def test_a_repeated_rollback_takes_back_one_model(registry: Registry, versions: list[str]) -> None:
    """Of several rollbacks from one version, also at the same time, one changes something."""
    old, new, third = versions
    registry.promote(new, "ada", force=True)
    registry.promote(third, "ada", force=True)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: registry.rollback(third, "ada").version, range(4)))

    assert found == [new] * 4
    assert [entry.to_state for entry in registry.log(third)].count(S.RETIRED) == 1
    with pytest.raises(WrongModelState, match="no model served before it"):
        registry.rollback(new, "ada")
    assert registry.aliases().serving == new
    assert old not in {registry.aliases().serving, registry.aliases().previous}


def test_registrations_at_the_same_time(registry: Registry, folders: Sequence[Path]) -> None:
    """Processes that start together register one bundle once, and one of them makes it serve."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: registry.serve_first(folders[0], "start"), range(4)))

    version = version_of(folders[0])
    assert registry.aliases().serving == version
    assert changes(registry, version) == [("start", None, S.REGISTERED), ("start", S.REGISTERED, S.SERVING)]


def test_unknown_models_and_pages(registry: Registry, versions: list[str]) -> None:
    """Unknown versions are not found. Models are listed newest first, with ties by version, page by page."""
    for call in (registry.get, registry.folder_of, lambda version: registry.rollback(version, "ada")):
        with pytest.raises(NotFound):
            call("unknown")
    with pytest.raises(BundleUnusable):
        registry.load("unknown", None)

    first = registry.list_models(limit=2)
    rest = registry.list_models((first[-1].registered_at, first[-1].version))
    assert [record.version for record in [*first, *rest]] == sorted(versions, reverse=True)


def test_a_failure_to_load_is_logged_once(registry: Registry, versions: list[str]) -> None:
    """Servers that fail again and again leave one entry each, which changes no state, and one after each change."""
    new = versions[1]
    for _ in range(3):
        registry.record_failure(new, "is damaged", "server a")
        registry.record_failure(new, "is missing", "server b")

    same = S.REGISTERED, S.REGISTERED
    assert changes(registry, new)[1:] == [("server a", *same), ("server b", *same)]
    assert dict(registry.log(new)[-1].evidence) == {"load_failed": "is missing"}
    registry.promote(new, "ada", force=True)
    for attempt in range(10):
        registry.record_failure(new, f"does not answer (request {attempt})", "server a")
    assert changes(registry, new)[-4:] == [("ada", S.REGISTERED, S.SERVING), *[("server a", S.SERVING, S.SERVING)] * 3]


def test_evidence_with_numbers_that_json_does_not_know(registry: Registry, versions: list[str]) -> None:
    """An open end of an interval is stored as null, so that a decision is never refused for its figures."""
    evidence = {"gain": {"mean": 0.0, "high": float("inf")}, "interval": (float("nan"), 1.0)}

    registry.record_gate(versions[1], S.REJECTED, evidence, "ada")

    stored = dict(registry.log(versions[1])[-1].evidence)
    assert stored == {"gain": {"mean": 0.0, "high": None}, "interval": [None, 1.0]}


def test_a_gate_counts_against_what_serves(registry: Registry, versions: list[str]) -> None:
    """A bundle that was better than a model of the past may be worse than the one that serves now."""
    first, second, third = versions
    registry.promote(first, "ada", force=True)
    for version in (second, third):
        registry.record_gate(version, S.GATED, {"serving": first}, "ada")
    registry.promote(second, "ada")

    for change in (lambda: registry.promote(third, "bob"), lambda: registry.start_canary(third, 0.1, "bob")):
        with pytest.raises(WrongModelState, match=f"compared it with {first}, which does not serve now"):
            change()

    registry.record_gate(third, S.GATED, {"serving": second}, "bob")
    assert registry.promote(third, "bob").state is S.SERVING


def test_a_judgement_of_a_canary_that_has_ended_changes_nothing(registry: Registry, versions: list[str]) -> None:
    """While a judge computes, an admin may take the canary back or promote it; the judge must not undo that."""
    old, new = versions[:2]
    registry.promote(old, "ada", force=True)
    registry.start_canary(new, 0.1, "ada", force=True)
    judged = registry.aliases().canary
    assert judged is not None

    registry.rollback(new, "ada")
    with pytest.raises(WrongModelState, match="has ended"):
        registry.promote(new, "judge", force=True, experiment_id=judged.experiment_id)
    assert registry.aliases().serving == old

    registry.promote(new, "ada", force=True)
    with pytest.raises(WrongModelState, match="has ended"):
        registry.rollback(new, "judge", experiment_id=judged.experiment_id)
    assert registry.aliases().serving == new


def test_users_of_the_newest_slates(store: Store) -> None:
    """Each user comes once, the one with the newest slate first; only so many slates are searched."""
    with store.write() as tx:
        for minute, user in enumerate("abacb"):
            tx.slates.add(slate(f"s{minute}", user, NOW + dt.timedelta(minutes=minute)))
    with store.read() as tx:
        assert tx.slates.recent_user_ids(slates=10) == ["b", "c", "a"]
        assert tx.slates.recent_user_ids(slates=2) == ["b", "c"]
