"""The time, as a value that tests can choose."""

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> dt.datetime:
        """Aware, UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        """Aware, UTC."""
        return dt.datetime.now(dt.UTC)
