"""Finds the registered bundles that were trained on rows of deleted users, which have to be trained again."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from ranker.bundle.learned_users import which_learned
from ranker.bundle.manifest import MANIFEST_NAME, read_manifest
from ranker.errors import BundleError
from service.app.ports import Store
from service.app.registry import Registry
from service.domain.errors import BundleUnusable
from service.domain.models import ModelRecord

_DELETED_AT_A_TIME = 1_000


@dataclass(frozen=True)
class DueModel:
    """A registered bundle that has to be trained again, or may have to.

    Attributes:
        user_id_hashes: The users whose rows it was trained on; the manifest may name a user by chance, see
            ``ranker.bundle.learned_users``.
        problem: Why it is not known which users it was trained on; empty if it is known.
    """

    record: ModelRecord
    user_id_hashes: tuple[str, ...]
    problem: str = ""


def models_trained_on(registry: Registry, user_id_hashes: Sequence[str]) -> list[DueModel]:
    """Return the registered bundles that were trained on rows of one of these users, newest registration first.

    Bundles of which this is not known are returned with the problem.

    Args:
        user_id_hashes: See ``service.domain.events.user_id_hash``.
    """
    found = []
    for record in registry.list_models():
        try:
            file = registry.folder_of(record.version) / MANIFEST_NAME
            users = which_learned(read_manifest(file, file.read_bytes()).params, user_id_hashes)
        except (BundleError, BundleUnusable, OSError, ValueError) as error:
            found.append(DueModel(record, (), str(error)))
            continue
        if users is None:
            found.append(DueModel(record, (), "trained by a version that did not record users"))
        elif users:
            found.append(DueModel(record, tuple(users)))
    return found


def due_models(store: Store, registry: Registry) -> list[DueModel]:
    """Return the bundles that were trained on rows of any deleted user, and mark them as such in the registry."""
    hashes = deleted_hashes(store)
    found = models_trained_on(registry, hashes) if hashes else []
    due = [each.record.version for each in found if each.user_id_hashes]
    with store.write() as tx:
        tx.models.mark_due(due)
    return found


def deleted_hashes(store: Store) -> list[str]:
    """Return the hashes of the ids of all deleted users, in order of deletion."""
    found: list[str] = []
    after: tuple[dt.datetime, str] | None = None
    with store.read() as tx:
        while page := tx.users.deleted(since=None, after=after, limit=_DELETED_AT_A_TIME):
            found += [user.user_id_hash for user in page]
            after = (page[-1].deleted_at, page[-1].user_id_hash)
    return found
