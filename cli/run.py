"""``paperfeed run``: fetch papers once a day, and send mail that is due several times an hour."""

import datetime as dt
import shlex
import subprocess
import sys
import threading
import time
import zoneinfo
from collections import Counter
from queue import SimpleQueue
from typing import Annotated

import typer

from cli.output import console, show_text, warn
from service.domain.errors import InvalidField
from service.process.stopping import on_stop

WARN_AFTER = 3
"""A step that fails this often in a row gets a warning."""
_ALLOWED = ("fetch", "mail", "digest", "papers", "library", "db")
_SYNC = ("library", "sync")


class Steps:
    """Runs paperfeed commands one at a time, each in its own process, so that no step can harm the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: Counter[str] = Counter()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self, name: str) -> int:
        """Run ``paperfeed NAME``, print the outcome, and return its exit code."""
        with self._lock:
            if self._stopping:
                return 0
            began = time.monotonic()
            command = [sys.executable, "-P", "-m", "cli.main", *shlex.split(name)]
            self._process = subprocess.Popen(command)  # noqa: S603 (one of our own commands, checked at the start)
            code = self._process.wait()
            self._process = None
        self._failures[name] = self._failures[name] + 1 if code else 0
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        outcome = "ok" if code == 0 else f"failed ({code})"
        show_text(f"{now} {name}: {outcome}, {time.monotonic() - began:.1f} s")
        if self._failures[name] >= WARN_AFTER:
            warn(f"'{name}' has failed {self._failures[name]} times in a row")
        return code

    def stop(self) -> None:
        """Ask the running step to end, and start no other."""
        self._stopping = True
        if self._process is not None:
            self._process.terminate()


def run(
    fetch: Annotated[
        list[str] | None,
        typer.Option(
            help='Command to run once a day, such as "fetch arxiv --categories cs.LG". Repeat it for more commands.'
        ),
    ] = None,
    sync: Annotated[
        list[str] | None,
        typer.Option(
            help='Command to run before each round of --fetch, such as "library sync zotero --user me". '
            "Repeat it for more libraries. If it fails, papers are fetched all the same."
        ),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(help='Command to run once now, such as "library import refs.bib". Repeat it for more commands.'),
    ] = None,
    at: Annotated[str, typer.Option(help="Local time of the --fetch commands, HH:MM.")] = "05:30",
    days: Annotated[
        str, typer.Option(help="Weekdays of the --fetch commands, from 1 (Monday) to 7 (Sunday), such as 1,2,3,4,5.")
    ] = "1,2,3,4,5,6,7",
    zone: Annotated[str, typer.Option(help="Time zone of --at, such as Europe/Vienna.")] = "UTC",
    mail_every: Annotated[
        float, typer.Option(help="Minutes between two runs of 'paperfeed mail send'; 0 sends no mail.", min=0.0)
    ] = 15.0,
    once: Annotated[
        bool, typer.Option("--once", help="Run every command once now, then exit with the highest exit code.")
    ] = False,
) -> None:
    """Fetch papers and send mail on a schedule until SIGTERM, SIGHUP or Ctrl-C. For cron, see docs/mailer.md."""
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    first = [_checked("start", step) for step in start or []]
    daily = [*map(_checked_sync, sync or []), *(_checked("fetch", step) for step in fetch or [])]
    hour, minute, weekdays = _schedule(at, days, zone)
    steps = Steps()
    if once:
        codes = [steps.run(step) for step in [*first, *daily, *(["mail send"] if mail_every else [])]]
        raise typer.Exit(max(codes, default=0))
    stopping: SimpleQueue[int] = SimpleQueue()
    on_stop(stopping.put)
    # If the machine slept at the planned time, the steps run once when it wakes, however often they were missed.
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": 18 * 3600}
    scheduler = BackgroundScheduler(timezone=zone, job_defaults=defaults)
    if first:
        scheduler.add_job(lambda: [steps.run(step) for step in first], name="start")
    if daily:
        trigger = CronTrigger(day_of_week=weekdays, hour=hour, minute=minute, timezone=zone)
        scheduler.add_job(lambda: [steps.run(step) for step in daily], trigger, name="fetch")
    if mail_every:
        scheduler.add_job(lambda: steps.run("mail send"), IntervalTrigger(seconds=mail_every * 60), name="mail")
    scheduler.start()
    for job in scheduler.get_jobs():
        console.print(f"{job.name}: next at {job.next_run_time:%Y-%m-%d %H:%M %Z}", markup=False)
    stopping.get()
    steps.stop()
    scheduler.shutdown(wait=True)


def _checked(option: str, step: str) -> str:
    words = _words(option, step)
    if not words or words[0] not in _ALLOWED:
        raise InvalidField(option, f"'{step}' does not begin with one of: {', '.join(_ALLOWED)}")
    if "--watch" in words:
        raise InvalidField(option, f"'{step}' never ends; leave out --watch")
    return step


def _checked_sync(step: str) -> str:
    words = _words("sync", step)
    if tuple(words[:2]) != _SYNC or "--watch" in words:
        raise InvalidField("sync", f"'{step}' is not 'library sync zotero' or 'library sync file', without --watch")
    return step


def _words(option: str, step: str) -> list[str]:
    try:
        return shlex.split(step)
    except ValueError as error:
        raise InvalidField(option, f"'{step}' cannot be read as a command: {error}") from None


def _schedule(at: str, days: str, zone: str) -> tuple[int, int, str]:
    """Return hour, minute and weekdays in APScheduler's form, where Monday is 0."""
    try:
        time_of_day = dt.time.fromisoformat(at)
    except ValueError:
        raise InvalidField("at", f"'{at}' is not a time such as 05:30") from None
    try:
        numbers = sorted({int(day) for day in days.split(",")})
    except ValueError:
        numbers = []
    if not numbers or not 1 <= numbers[0] <= numbers[-1] <= 7:
        raise InvalidField("days", f"'{days}' is not a list of weekdays from 1 to 7, such as 1,2,3")
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField("zone", f"'{zone}' is not a time zone such as Europe/Vienna") from None
    return time_of_day.hour, time_of_day.minute, ",".join(str(number - 1) for number in numbers)
