"""What commands print: results on stdout, for people or as JSON; progress on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(highlight=False)


def show(result: dict[str, Any], *, as_json: bool, text: str) -> None:
    """Prints a result: as one line of JSON, or as text for people."""
    if as_json:
        sys.stdout.write(json.dumps(result, default=str) + "\n")
    else:
        console.print(text, markup=False, soft_wrap=True)


class Bar:
    """A progress bar that is told of work done."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int) -> None:
        """So much more is done."""
        self._progress.advance(self._task, count)

    def reach(self, done: int, total: int) -> None:
        """So much of so much is done."""
        self._progress.update(self._task, completed=done, total=total)

    def begin(self, what: str, total: int) -> None:
        """Another stage of the work begins."""
        self._progress.reset(self._task, description=what, total=total)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Bar]:
    """A progress bar on stderr, on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        yield Bar(progress, progress.add_task(what, total=total))


@contextmanager
def staged_progress(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for work in stages: call it with the stage, how much of it is done and how much there is."""
    with progress_bar(what) as bar:
        stage = ""

        def progress(now: str, done: int, total: int) -> None:
            nonlocal stage
            if now != stage:
                stage = now
                bar.begin(now, total)
            bar.reach(done, total)

        yield progress


def note(text: str) -> None:
    """One line on stderr about how the work goes."""
    print(f"paperfeed: {text}", file=sys.stderr)  # noqa: T201 (plain text, whatever logging is set to)


def warn(text: str) -> None:
    """One line on stderr about something odd that does not stop the work."""
    print(f"paperfeed: warning: {text}", file=sys.stderr)  # noqa: T201 (plain text, whatever logging is set to)


def write_page(file: Path, page: str) -> None:
    """Writes a page for people; folders that are missing are made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
