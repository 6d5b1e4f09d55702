"""Objects that a worker keeps from task to task of a job, such as a loaded bundle or a connection pool."""

import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Session(Protocol):
    """The objects that a worker keeps for one job."""

    def close(self) -> None:
        """Release what the session holds; nothing uses it any more."""


GivenT = TypeVar("GivenT", bound="DataclassInstance")
SessionT = TypeVar("SessionT", bound=Session)


class Sessions(Generic[GivenT, SessionT]):
    """One session for each job's shared data; several jobs may share a worker.

    Dask drops a job's shared data when the job ends. The session is closed at that moment.
    """

    def __init__(self, open_session: Callable[[GivenT], SessionT]) -> None:
        self._open = open_session
        self._held: dict[int, SessionT] = {}
        self._opening = threading.Lock()

    def __len__(self) -> int:
        """Return the number of open sessions."""
        return len(self._held)

    def of(self, given: GivenT) -> SessionT:
        """Return the session of a job's shared data; the first call opens it, and other threads wait for it."""
        with self._opening:
            if id(given) not in self._held:
                # The session gets a copy: holding the original would keep it alive, and the session with it.
                self._held[id(given)] = self._open(replace(given))
                weakref.finalize(given, self._close, id(given))
            return self._held[id(given)]

    def _close(self, given_id: int) -> None:
        self._held.pop(given_id).close()
