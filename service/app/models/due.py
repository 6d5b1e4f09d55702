"""Finds the registered bundles that are due for training again because users were deleted.

``ranker.bundle.origin`` says when a bundle is due.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ranker.bundle.origin import due_bundles
from service.app.models.registry import Registry
from service.app.ports import Store
from service.domain.errors import BundleUnusable
from service.domain.models import ModelRecord

_DELETED_AT_A_TIME = 1_000


@dataclass(frozen=True)
class DueModel:
    """A registered bundle that may hold what was learned from a deleted user.

    Attributes:
        reason: Why, in words.
    """

    record: ModelRecord
    reason: str


def due_models(store: Store, registry: Registry) -> list[DueModel]:
    """Return the registered bundles that may hold what was learned from a deleted user, newest registration first.

    They are marked in the registry, and no others. A bundle is due if its data were taken before the last deletion, if
    it was trained from a due one, or if its files are missing, so that nothing is known of it.
    """
    deleted_at = last_deletion(store)
    found = [] if deleted_at is None else _due(registry, registry.list_models(), deleted_at)
    with store.write() as tx:
        tx.models.mark_due([each.record.version for each in found])
    return found


def last_deletion(store: Store) -> dt.datetime | None:
    """Return the time of the last deletion of a user; None if no user was deleted."""
    last, after = None, None
    with store.read() as tx:
        while page := tx.users.deleted(since=last, after=after, limit=_DELETED_AT_A_TIME):
            last, after = page[-1].deleted_at, (page[-1].deleted_at, page[-1].user_id_hash)
    return last


def _due(registry: Registry, records: Sequence[ModelRecord], deleted_at: dt.datetime) -> list[DueModel]:
    folders: dict[Path, ModelRecord] = {}
    reasons: dict[str, str] = {}
    for record in records:
        try:
            folders[registry.folder_of(record.version)] = record
        except BundleUnusable as error:
            reasons[record.version] = error.message
    for each in due_bundles(folders, deleted_at):
        reasons[folders[each.folder].version] = each.reason
    return [DueModel(record, reasons[record.version]) for record in records if record.version in reasons]
