"""Entries of the audit log for admin calls and deletions, whatever becomes of the call."""

import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import Message

from service.api.callers.scopes import WITHIN_TRANSACTION, is_audited
from service.api.calls import Call
from service.api.queues import CallQueue, Work
from service.api.status import code_of
from service.app.ports import Clock, Store
from service.domain.callers import AuditEntry
from service.domain.errors import Overloaded, StorageUnavailable
from service.domain.events import user_id_hash

# Request fields that name the target of an audited method, with the kind of target.
_TARGETS = {
    "user_id": "user",
    "paper_id": "paper",
    "digest_id": "digest",
    "model_version": "model",
    "from_model_version": "model",
    "content_sha256": "model",
}
MAX_TARGET_LENGTH = 300
# Entries of refused calls that may wait to be written; more are only logged.
MAX_WAITING = 64
Answer = TypeVar("Answer")
_log = logging.getLogger("paperfeed.audit")


class CallAudit:
    """Wraps the methods of servicers so that audited calls leave an entry. ``close`` ends its thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._queue = CallQueue("audit", threads=1, max_waiting=MAX_WAITING)

    def unary(self, method: str, make: Callable[[Any, Call], Answer]) -> Callable[[Any, Call], Answer]:
        """Return a unary method of a servicer that also leaves an entry, if calls of the method are audited."""
        if not is_audited(method):
            return make

        def audited(request: Any, call: Call) -> Answer:
            call.audit_entry = self._entry(call, target_of(request), "OK")
            try:
                answer = make(request, call)
            except Exception as error:
                self._add_failure(call, target_of(request), error)
                raise
            if method not in WITHIN_TRANSACTION:
                self._add(call.audit_entry)
            return answer

        return audited

    def stream(self, method: str, make: Callable[[Any, Call], Iterator[Message]]) -> Callable[..., Iterator[Message]]:
        """Return a streaming method that also leaves an entry, before the first message of its answer is sent."""
        if not is_audited(method):
            return make

        def audited(request: Any, call: Call) -> Iterator[Message]:
            answers = make(request, call)
            try:
                first = list(itertools.islice(answers, 1))
            except Exception as error:
                self._add_failure(call, target_of(request), error)
                raise
            self._add(self._entry(call, target_of(request), "OK"))
            yield from first
            yield from answers

        return audited

    async def note_denied(self, call: Call, error: Exception) -> None:
        """Leave an entry of an audited call that was refused before its message was read."""
        if not is_audited(call.method):
            return
        try:
            self._queue.check_room()
            await self._queue.run(Work(self._add), self._entry(call, "", code_of(error).name))
        except (Overloaded, StorageUnavailable):
            self._log_lost(call)

    def close(self) -> None:
        """End the thread when the waiting entries have been written."""
        self._queue.close()

    def _add(self, entry: AuditEntry) -> None:
        with self._store.write() as tx:
            tx.audit.add(entry)

    def _add_failure(self, call: Call, target: str, error: Exception) -> None:
        try:
            self._add(self._entry(call, target, code_of(error).name))
        except StorageUnavailable:
            self._log_lost(call)

    def _entry(self, call: Call, target: str, outcome: str) -> AuditEntry:
        actor, key_id = (call.caller.shown_name, call.caller.key_id) if call.caller else ("", "")
        return AuditEntry(self._clock.now(), actor, key_id, call.method, target, outcome)

    def _log_lost(self, call: Call) -> None:
        facts = {"method": call.method, "caller": call.caller.shown_name if call.caller else ""}
        _log.warning("a failed call left no entry in the audit log", extra={"facts": facts})


def target_of(request: Any) -> str:
    """Return what an audited call is about: ``KIND:ID``, for users with the hash of the id; empty if unknown."""
    for field, kind in _TARGETS.items():
        if name := str(getattr(request, field, "")):
            return f"{kind}:{user_id_hash(name) if kind == 'user' else _printable(name)}"
    return ""


def _printable(name: str) -> str:
    """Return a name of a request that was not checked yet: shortened, and without characters such as NUL."""
    return "".join(each if each.isprintable() else "?" for each in name[:MAX_TARGET_LENGTH])


def entry_of(context: object) -> AuditEntry | None:
    """Return the entry that a use case stores with its own changes; ``context`` is what a servicer's method gets."""
    return context.audit_entry if isinstance(context, Call) else None
