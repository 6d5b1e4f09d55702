"""``paperfeed run``: fetch at an hour of the day, mail whoever is due several times an hour."""

import datetime as dt
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Annotated

import typer

from cli.output import console, warn

ODD_AFTER = 3
"""A step that has failed so often in a row is worth a warning of its own."""
_ALLOWED = ("fetch", "mail", "digest", "papers", "db")


class Steps:
    """Runs our own commands, one at a time, each in a process: what one leaks or breaks the next does not feel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: Counter[str] = Counter()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self, name: str) -> int:
        """Runs ``paperfeed NAME``, prints what became of it, and gives its exit code."""
        with self._lock:
            if self._stopping:
                return 0
            began = time.monotonic()
            command = [sys.executable, "-m", "cli.main", *shlex.split(name)]
            self._process = subprocess.Popen(command)  # noqa: S603 (our own commands, checked when we began)
            code = self._process.wait()
            self._process = None
        self._failures[name] = self._failures[name] + 1 if code else 0
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        outcome = "ok" if code == 0 else f"failed ({code})"
        console.print(f"{now} {name}: {outcome}, {time.monotonic() - began:.1f} s", markup=False, soft_wrap=True)
        if self._failures[name] >= ODD_AFTER:
            warn(f"'{name}' has failed {self._failures[name]} times in a row")
        return code

    def stop(self) -> None:
        """Asks the present step to end; no other begins."""
        self._stopping = True
        if self._process is not None:
            self._process.terminate()


def run(
    fetch: Annotated[
        list[str] | None, typer.Option(help='A step of the morning, e.g. "fetch arxiv --categories cs.LG"; repeatable.')
    ] = None,
    at: Annotated[str, typer.Option(help="Local time of the morning's steps, HH:MM.")] = "05:30",
    days: Annotated[str, typer.Option(help="Their days: 1 Monday to 7 Sunday, e.g. 1,2,3,4,5.")] = "1,2,3,4,5,6,7",
    zone: Annotated[str, typer.Option(help="Time zone, e.g. Europe/Vienna.")] = "UTC",
    mail_every: Annotated[
        float, typer.Option(help="Minutes between two looks at who is due for mail; 0: no mail.", min=0.0)
    ] = 15.0,
    once: Annotated[bool, typer.Option("--once", help="Run all steps now, once; exit with the worst code.")] = False,
) -> None:
    """Fetch and mail on a schedule until SIGTERM or Ctrl-C. Cron can do the same: docs/mailer.md."""
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    morning = [_checked(step) for step in fetch or []]
    hour, minute, weekdays = _schedule(at, days, zone)
    steps = Steps()
    if once:
        codes = [steps.run(step) for step in [*morning, *(["mail send"] if mail_every else [])]]
        raise typer.Exit(max(codes, default=0))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    # A machine that slept through the hour does the steps when it wakes, once, however many hours it slept through.
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": 18 * 3600}
    scheduler = BackgroundScheduler(timezone=zone, job_defaults=defaults)
    if morning:
        trigger = CronTrigger(day_of_week=weekdays, hour=hour, minute=minute, timezone=zone)
        scheduler.add_job(lambda: [steps.run(step) for step in morning], trigger, name="morning")
    if mail_every:
        scheduler.add_job(
            lambda: steps.run("mail send"), IntervalTrigger(minutes=0, seconds=mail_every * 60), name="mail"
        )
    scheduler.start()
    for job in scheduler.get_jobs():
        console.print(f"{job.name}: next at {job.next_run_time:%Y-%m-%d %H:%M %Z}", markup=False)
    stopping.wait()
    steps.stop()
    scheduler.shutdown(wait=True)


def _checked(step: str) -> str:
    from service.domain.errors import InvalidField

    try:
        words = shlex.split(step)
    except ValueError as error:
        raise InvalidField("fetch", f"'{step}' cannot be read as a command: {error}") from None
    if not words or words[0] not in _ALLOWED:
        raise InvalidField("fetch", f"'{step}' is none of our commands {', '.join(_ALLOWED)}")
    return step


def _schedule(at: str, days: str, zone: str) -> tuple[int, int, str]:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from service.domain.errors import InvalidField

    try:
        time_of_day = dt.time.fromisoformat(at)
    except ValueError:
        raise InvalidField("at", f"'{at}' is not a time such as 05:30") from None
    try:
        numbers = sorted({int(day) for day in days.split(",")})
    except ValueError:
        numbers = []
    if not numbers or not 1 <= numbers[0] <= numbers[-1] <= 7:
        raise InvalidField("days", f"'{days}' is not a list such as 1,2,3")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField("zone", f"'{zone}' is no time zone such as Europe/Vienna") from None
    # APScheduler counts from Monday 0.
    return time_of_day.hour, time_of_day.minute, ",".join(str(number - 1) for number in numbers)
