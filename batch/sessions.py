"""What a worker keeps of its jobs from task to task, each for as long as the worker has what it was given for it."""

import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Session(Protocol):
    """Something of one job."""

    def close(self) -> None:
        """Gives back what it holds; nobody works with it any more."""


GivenT = TypeVar("GivenT", bound="DataclassInstance")
SessionT = TypeVar("SessionT", bound=Session)


class Sessions(Generic[GivenT, SessionT]):
    """A session for each thing given; several jobs may share a worker."""

    def __init__(self, open_session: Callable[[GivenT], SessionT]) -> None:
        self._open = open_session
        self._held: dict[int, SessionT] = {}
        self._opening = threading.Lock()

    def __len__(self) -> int:
        """Those that are open."""
        return len(self._held)

    def of(self, given: GivenT) -> SessionT:
        """The session with this; opened once, and alone. It goes with what was given, at the end of the job."""
        with self._opening:
            if id(given) not in self._held:
                # With a copy, as a session that held the given would keep alive what it shall go with.
                self._held[id(given)] = self._open(replace(given))
                weakref.finalize(given, self._close, id(given))
            return self._held[id(given)]

    def _close(self, given_id: int) -> None:
        self._held.pop(given_id).close()
