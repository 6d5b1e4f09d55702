"""The callbacks by which training and the readers of data sets report. They print nothing themselves."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage of the work, the number of steps done and the number of steps in all."""

Warn = Callable[[str], None]
"""Called with one sentence about something odd that does not stop the work."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """Ignore the progress."""


def unheard(_text: str) -> None:
    """Ignore the warning."""
