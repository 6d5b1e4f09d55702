"""``paperfeed run``: fetch papers once a day, and send mail that is due several times an hour."""

import datetime as dt
import shlex
import zoneinfo
from queue import SimpleQueue
from typing import Annotated

import typer

from cli.output import console, warn
from cli.steps import Rounds, Steps
from service.domain.errors import InvalidField, PaperfeedError
from service.process.stopping import on_stop

_ALLOWED = ("fetch", "mail", "digest", "papers", "library", "db")
_SYNC = ("library", "sync")


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
    retry_after: Annotated[
        float,
        typer.Option(
            help="Minutes until a --start, --sync or --fetch command that failed is tried again. The wait doubles "
            "after each further failure, up to one hour, for at most 24 tries; 0 tries only once.",
            min=0.0,
            max=60.0,
        ),
    ] = 1.0,
    pages: Annotated[
        bool, typer.Option("--pages", help="Tell the mailer's web pages, in its database, why a fetch failed.")
    ] = False,
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
        codes = [steps.run(step).code for step in [*first, *daily, *(["mail send"] if mail_every else [])]]
        raise typer.Exit(max(codes, default=0))
    stopping: SimpleQueue[int] = SimpleQueue()
    on_stop(stopping.put)
    # If the machine slept at the planned time, the steps run once when it wakes, however often they were missed.
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": 18 * 3600}
    scheduler = BackgroundScheduler(timezone=zone, job_defaults=defaults)
    rounds = Rounds(steps, scheduler, dt.timedelta(minutes=retry_after), _tell_pages if pages else lambda _: None)
    if first:
        scheduler.add_job(rounds.run, args=[first], name="start")
    if daily:
        trigger = CronTrigger(day_of_week=weekdays, hour=hour, minute=minute, timezone=zone)
        scheduler.add_job(rounds.run, trigger, args=[daily], name="fetch")
    if mail_every:
        scheduler.add_job(lambda: steps.run("mail send"), IntervalTrigger(seconds=mail_every * 60), name="mail")
    scheduler.start()
    for job in scheduler.get_jobs():
        console.print(f"{job.name}: next at {job.next_run_time:%Y-%m-%d %H:%M %Z}", markup=False)
    stopping.get()
    steps.stop()
    scheduler.shutdown(wait=True)


def _tell_pages(text: str) -> None:
    """Store what the mailer's pages say while there are no papers. A failure is printed, and stops nothing."""
    from cli.mail.store import configured_store
    from mailer.errors import MailerError
    from mailer.storage import runs

    now = dt.datetime.now(dt.UTC)
    try:
        with configured_store(None) as store, store.write() as connection:
            runs.add(connection, runs.Run(runs.FETCH, now, now, {}, text))
    except (MailerError, PaperfeedError) as error:
        warn(f"the web pages were not told about the fetch: {error}")


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
