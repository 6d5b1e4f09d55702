"""Commands that run one after the other, each in its own process, and what is done about those that fail."""

import datetime as dt
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.output import show_text, warn

if TYPE_CHECKING:
    from apscheduler.schedulers.base import BaseScheduler

WARN_AFTER = 3
"""A step that fails this often in a row gets a warning."""
MAX_WAIT = dt.timedelta(hours=1)
"""Longest wait before a step is tried again."""
MAX_TRIES = 24
"""With the first wait of one minute, the tries of one round end after 18 hours."""
_PROBLEM = "problem: "
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a step ended: its exit code, and why it failed (empty if it did not)."""

    code: int
    problem: str = ""


class Steps:
    """Runs paperfeed commands one at a time, each in its own process, so that no step can harm the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: Counter[str] = Counter()
        self._process: subprocess.Popen[str] | None = None
        self._stopping = False

    def run(self, name: str) -> Outcome:
        """Run ``paperfeed NAME`` and print its outcome."""
        with self._lock:
            if self._stopping:
                return Outcome(0)
            began = time.monotonic()
            command = [sys.executable, "-P", "-m", "cli.main", *shlex.split(name)]
            problems = []
            # One of our own commands, checked at the start.
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:  # noqa: S603
                self._process = process
                for line in process.stdout or ():
                    show_text(line.rstrip("\n"))
                    if line.startswith(_PROBLEM):
                        problems.append(line.removeprefix(_PROBLEM).strip())
            self._process, code = None, process.returncode
        self._failures[name] = self._failures[name] + 1 if code else 0
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        outcome = "ok" if code == 0 else f"failed ({code})"
        show_text(f"{now} {name}: {outcome}, {time.monotonic() - began:.1f} s")
        if self._failures[name] >= WARN_AFTER:
            warn(f"'{name}' has failed {self._failures[name]} times in a row")
        return Outcome(code, ("; ".join(problems) or f"'{name}' failed, and its output says why") if code else "")

    def stop(self) -> None:
        """Ask the running step to end, and start no other."""
        self._stopping = True
        if self._process is not None:
            self._process.terminate()

    @property
    def is_stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping


@dataclass(frozen=True)
class Rounds:
    """Runs steps in rounds; those that fail run again in a later round, after waits that double each time.

    Attributes:
        first_wait: Wait before the second try; none tries each step once.
        tell: Gets what there is to know about fetches when it changes: that one runs, or why it failed; empty if none
            failed.
    """

    steps: Steps
    scheduler: "BaseScheduler"
    first_wait: dt.timedelta
    tell: Tell = lambda _: None

    def run(self, names: Sequence[str], tries: int = 1) -> None:
        """Run the steps, and plan the next round for those that fail.

        Args:
            tries: How often these steps have run, this round included.
        """
        has_fetch = any(map(_is_fetch, names))
        if has_fetch and tries == 1:
            self.tell("papers are being fetched now")
        failed = {name: done.problem for name in names if (done := self.steps.run(name)).code}
        if self.steps.is_stopping:
            return
        again = ""
        if failed and self.first_wait and tries < MAX_TRIES:
            # The power is bounded, because timedelta is.
            wait = min(self.first_wait * 2 ** min(tries - 1, 20), MAX_WAIT)
            at = (dt.datetime.now(dt.UTC) + wait).astimezone(self.scheduler.timezone)
            self.scheduler.add_job(self.run, "date", run_date=at, args=[list(failed), tries + 1], name="retry")
            again = f"the next try is at {at:%H:%M %Z}"
            show_text(f"failed, {again}: {', '.join(failed)}")
        if has_fetch:
            problems = [problem for name, problem in failed.items() if _is_fetch(name)]
            self.tell("; ".join([*problems, *([again] if again and problems else [])]))


def _is_fetch(name: str) -> bool:
    return name.startswith("fetch ")
