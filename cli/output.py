"""Output of commands: results on stdout as text or JSON; progress, notes and warnings on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def one_line(text: str) -> str:
    """Return text from outside, such as a title, as one line: its line breaks are removed."""
    return " ".join(printable(text).split())


def show(result: dict[str, Any], *, as_json: bool, text: str) -> None:
    """Print a result: as one line of JSON, or as text for people."""
    if as_json:
        # JSON escapes all control characters but this one.
        sys.stdout.write(json.dumps(result, default=str).replace("\x7f", "\\u007f") + "\n")
    else:
        show_text(text)


def show_text(text: str, **style: Any) -> None:
    """Print text for people as it is: no markup is read in it, and long lines stay whole."""
    console.print(text, markup=False, soft_wrap=True, **style)


class Bar:
    """A progress bar."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task
        self._stage = ""

    def advance(self, count: int) -> None:
        """Add ``count`` units of work done."""
        self._progress.advance(self._task, count)

    def reach(self, done: int, total: int, stage: str = "") -> None:
        """Show ``done`` of ``total`` units of work. Another stage than before starts the bar and its clock again."""
        if stage != self._stage:
            self._stage = stage
            self._progress.reset(self._task, description=stage, total=total)
        self._progress.update(self._task, completed=done, total=total)


@contextmanager
def progress_bar(stage: str, total: int | None = None) -> Iterator[Bar]:
    """Show a progress bar on stderr, if that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    errors = SafeConsole(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        yield Bar(progress, progress.add_task(stage, total=total))


@contextmanager
def staged_progress(stage: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar for work in stages; yield a function to call with (stage, units done, units in all)."""
    with progress_bar(stage) as bar:
        yield lambda now, done, total: bar.reach(done, total, now)


def warn(text: str) -> None:
    """Print one line on stderr about something unusual that does not stop the work."""
    note(f"warning: {text}")


def write_page(file: Path, page: str) -> None:
    """Write an HTML page; create missing folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
