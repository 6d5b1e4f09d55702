"""Registered bundles that are due after a deletion, on both engines."""

import datetime as dt
from pathlib import Path

from service.app.due_models import due_models, last_deletion
from service.app.ports import Store
from service.app.registry import Registry
from service.domain.events import Preferences
from service.storage.registry.folders import LocalFolders
from testing.trials.rivals import rival
from tests.contracts.samples import NOW, FixedClock


def delete(store: Store, user_id: str, at: dt.datetime) -> None:
    with store.write() as tx:
        tx.users.save_preferences(user_id, Preferences(), at)
    with store.write() as tx:
        tx.users.delete(user_id, FixedClock(at))


def test_only_due_bundles_are_marked(store: Store, tmp_path: Path) -> None:
    """Bundles with data from before the last deletion are due, and those without files; newer ones are not."""
    registry = Registry(store, FixedClock(NOW), LocalFolders(tmp_path / "registry"), None)
    hour = dt.timedelta(hours=1)
    versions = []
    for number, taken_at in enumerate((NOW - hour, NOW + 5 * hour)):
        params: dict[str, object] = {"taken_at": {"database": taken_at.isoformat()}}
        versions.append(rival(tmp_path / str(number), {"embedding_mean_relative": number + 1.0}, params=params).version)
        registry.register(tmp_path / str(number), "test")

    def due() -> dict[str, str]:
        return {each.record.version: each.reason for each in due_models(store, registry)}

    assert (last_deletion(store), due()) == (None, {})
    delete(store, "ada", NOW)
    assert last_deletion(store) == NOW
    assert set(due()) == {versions[0]}
    assert [registry.get(version).needs_retraining for version in versions] == [True, False]

    delete(store, "bob", NOW + 6 * hour)
    assert set(due()) == set(versions)

    for file in registry.folder_of(versions[1]).iterdir():
        file.unlink()
    registry.folder_of(versions[1]).rmdir()
    assert "has no folder" in due()[versions[1]]
