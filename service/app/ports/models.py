"""The stores of registered models: their rows in the database, and their folders of files."""

import datetime as dt
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from service.domain.models import Aliases, Canary, ModelLogEntry, ModelRecord, ModelState, NewModel


class ModelStore(Protocol):
    """Registered models, their aliases and their log."""

    def lock(self) -> None:
        """Make other transactions that call this wait until this transaction ends."""

    def find(self, version: str) -> ModelRecord | None:
        """Return the model of this version; None if there is none."""

    def newest(self, after: tuple[dt.datetime, str] | None, *, limit: int) -> list[ModelRecord]:
        """Return models, newest registration first; with ``after``, those that follow (registered_at, version)."""

    def add(self, model: NewModel, *, now: dt.datetime) -> ModelRecord:
        """Store a new model in the state REGISTERED and return it."""

    def change(self, version: str, state: ModelState, *, gate_passed: bool) -> None:
        """Change the state of a model."""

    def mark_due(self, versions: Collection[str]) -> None:
        """Set ``needs_retraining`` of these models, and clear it of all others."""

    def aliases(self) -> Aliases:
        """Return what the aliases point to. Cheap: servers ask every second."""

    def put_aliases(self, serving: str | None, previous: str | None, canary: Canary | None) -> None:
        """Point the aliases to these versions; remove those that are None."""

    def append(
        self,
        version: str,
        from_state: ModelState | None,
        to_state: ModelState,
        evidence: Mapping[str, Any],
        *,
        actor: str,
        at: dt.datetime,
    ) -> int:
        """Append an entry to the log and return its number."""

    def log(self, version: str | None = None, *, after: int = 0, limit: int | None = None) -> list[ModelLogEntry]:
        """Return log entries with greater numbers than ``after``, oldest first; of one model or of all."""


class BundleFolders(Protocol):
    """Immutable folders of bundle files, named by the hash of their content."""

    def put(self, content_sha256: str, files: Mapping[str, bytes]) -> None:
        """Store the files of a bundle by name. A folder that exists stays as it is.

        Readers see the whole folder or none.

        Raises:
            BundleUnusable: The files cannot be stored.
        """

    def folder(self, content_sha256: str) -> Path:
        """Return the local folder of a bundle. Files in a remote registry are copied first.

        The caller checks the files by their hashes: they may have been damaged.

        Raises:
            BundleUnusable: There is no such folder, or it cannot be copied.
        """

    def remove(self, content_sha256: str) -> bool:
        """Delete the folder of a bundle with all its files; return whether there was one.

        Raises:
            BundleUnusable: The folder cannot be deleted.
        """
