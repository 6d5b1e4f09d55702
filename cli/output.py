"""Output of commands: results on stdout as text or JSON; progress, notes and warnings on stderr."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment

from service.process.failures import note, printable


class SafeConsole(Console):
    """A console that removes control characters from all text, also in tables and bars, except for its own ones."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of what is printed."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


console = SafeConsole(highlight=False)
PROGRESS_SECONDS = 15.0
"""Least time between two lines of progress where stderr is no terminal."""


def one_line(text: str) -> str:
    """Return text from outside, such as a title, as one line: its line breaks are removed."""
    return " ".join(printable(text).split())


def show(result: dict[str, Any], *, as_json: bool, text: str = "", tables: Iterable[RenderableType] = ()) -> None:
    """Print a result: as one line of JSON, or for people, as tables followed by text."""
    if as_json:
        # JSON escapes all control characters but this one.
        sys.stdout.write(json.dumps(result, default=str).replace("\x7f", "\\u007f") + "\n")
        return
    for table in tables:
        console.print(table)
    if text:
        show_text(text)


def show_text(text: str, **style: Any) -> None:
    """Print text for people as it is: no markup is read in it, and long lines stay whole."""
    console.print(text, markup=False, soft_wrap=True, **style)


def show_file(text: str) -> None:
    """Print the text of a file, such as CSV, as it is."""
    sys.stdout.write(text)


class Bar(Protocol):
    """Shows how far some work is."""

    def advance(self, count: int) -> None:
        """Add ``count`` units of work done."""

    def reach(self, done: int, total: int, stage: str = "") -> None:
        """Show ``done`` of ``total`` units of work. Another stage than before starts again at 0."""


class _DrawnBar:
    """A bar on a terminal."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task
        self._stage = ""

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def reach(self, done: int, total: int, stage: str = "") -> None:
        if stage != self._stage:
            self._stage = stage
            self._progress.reset(self._task, description=stage, total=total)
        self._progress.update(self._task, completed=done, total=total)


class ProgressLines:
    """Lines on stderr for logs and pipes. Short work prints none.

    Args:
        every_seconds: Least time before the first line and between two lines.
    """

    def __init__(self, stage: str, total: int | None = None, *, every_seconds: float = PROGRESS_SECONDS) -> None:
        self._stage, self._done, self._total = stage, 0, total
        self._every_seconds = every_seconds
        self._printed_at = time.monotonic()

    def advance(self, count: int) -> None:
        """See ``Bar.advance``."""
        self._done += count
        self._print()

    def reach(self, done: int, total: int, stage: str = "") -> None:
        """See ``Bar.reach``."""
        self._stage, self._done, self._total = stage or self._stage, done, total
        self._print()

    def _print(self) -> None:
        now = time.monotonic()
        if now - self._printed_at >= self._every_seconds:
            self._printed_at = now
            note(f"{self._stage}: {self._done:,}" + ("" if self._total is None else f" of {self._total:,}"))


@contextmanager
def progress_bar(stage: str, total: int | None = None) -> Iterator[Bar]:
    """Show progress on stderr: a bar on a terminal, else a line every ``PROGRESS_SECONDS``."""
    errors = SafeConsole(stderr=True)
    if not errors.is_terminal:
        yield ProgressLines(stage, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        yield _DrawnBar(progress, progress.add_task(stage, total=total))


@contextmanager
def staged_progress(stage: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show the progress of work in stages; yield a function to call with (stage, units done, units in all)."""
    with progress_bar(stage) as bar:
        yield lambda now, done, total: bar.reach(done, total, now)


def warn(text: str) -> None:
    """Print one line on stderr about something unusual that does not stop the work."""
    note(f"warning: {text}")


def write_page(file: Path, page: str) -> None:
    """Write an HTML page; create missing folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")


def is_terminal() -> bool:
    """Return whether questions can be asked: stdin and stdout are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()
