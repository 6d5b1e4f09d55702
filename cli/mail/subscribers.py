"""``paperfeed mail subscribers``."""

import csv
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json
from cli.output import console, show, warn

if TYPE_CHECKING:
    from mailer.domain.subscription import Schedule, SuppressionReason

app = typer.Typer(help="Who gets the digest.", no_args_is_help=True)

MailDb = Annotated[
    str | None, typer.Option("--mail-db", help="The mailer's own database, sqlite:/// or postgresql://.")
]
_COLUMNS = ("user_id", "address")


def _ground(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("must say on what ground")
    return text


Ground = Annotated[
    str,
    typer.Option(help="On what ground mail may be sent to them; goes into the record of consent.", callback=_ground),
]


@app.callback()
def group() -> None:
    """Who gets the digest."""


@app.command("add")
def add(
    user: Annotated[str, typer.Argument(help="The service's user.")],
    address: Annotated[str, typer.Argument(help="E-mail address.")],
    consent: Ground,
    name: Annotated[str, typer.Option(help="Name for the To header.")] = "",
    weekdays: Annotated[str, typer.Option(help="1 Monday to 7 Sunday, e.g. 1,3,5; or daily.")] = "daily",
    time: Annotated[str, typer.Option(help="Local time, HH:MM.")] = "07:00",
    zone: Annotated[str, typer.Option(help="Time zone, e.g. Europe/Vienna.")] = "UTC",
    papers: Annotated[int, typer.Option(help="Papers in an issue, 1 to 50.")] = 10,
    mail_db: MailDb = None,
) -> None:
    """Subscribe somebody whose consent you have. Readers themselves use the web page."""
    added = _add([(user, address, name, _schedule(weekdays, time, zone), papers)], consent, mail_db)
    console.print(f"{'added' if added else 'is subscribed already'}: {user}", markup=False)


@app.command("import")
def import_csv(
    file: Annotated[Path, typer.Argument(help="CSV: user_id,address and if wanted name,weekdays,time,zone,papers.")],
    consent: Ground,
    mail_db: MailDb = None,
    as_json: Json = False,
) -> None:
    """Subscribe many whose consent you have: one bad line and nobody is added. Importing a file again adds nothing.

    Addresses that mail is stopped to (bounced, complained, unsubscribed) are left out and named.
    """
    from mailer.errors import InvalidField, InvalidFile

    rows = _rows(file)
    stopped: dict[int, SuppressionReason] = {}
    try:
        added = _add([row for _, row in rows], consent, mail_db, stopped)
    except InvalidField as error:
        number, _, field = error.field.removeprefix("subscribers[").partition("].")
        raise InvalidFile(str(file), f"{field}: {error.problem}", line=rows[int(number)][0]) from None
    for place, reason in stopped.items():
        line, (_, address, *_) = rows[place]
        warn(f"{file}, line {line}: {address}: mail to this address is stopped: {reason.value}")
    known = len(rows) - added - len(stopped)
    text = f"{added} added, {known} there already" + (f", {len(stopped)} left out" if stopped else "")
    show({"added": added, "read": len(rows), "stopped": len(stopped)}, as_json=as_json, text=text)


@app.command("list")
def list_subscribers(mail_db: MailDb = None, as_json: Json = False) -> None:
    """Print all subscribers, a line each."""
    from cli.mail.commands import open_store
    from mailer.config import MailSettings
    from mailer.storage import subscribers

    found: list[dict[str, Any]] = []
    with open_store(MailSettings.read(db=mail_db)) as store:
        after = ""
        while True:
            with store.read() as connection:
                page = subscribers.page(connection, after=after, limit=1_000)
            if not page:
                break
            after = page[-1].subscriber_id
            found += [
                {
                    "user_id": each.user_id,
                    "address": each.address,
                    "state": each.state.value,
                    "weekdays": list(each.schedule.weekdays),
                    "local_time": f"{each.schedule.local_time:%H:%M}",
                    "time_zone": each.schedule.time_zone,
                    "paper_count": each.paper_count,
                }
                for each in page
            ]
    text = "\n".join("  ".join(str(value) for value in each.values()) for each in found)
    show({"subscribers": found}, as_json=as_json, text=text or "nobody")


@app.command("remove")
def remove(user: Annotated[str, typer.Argument(help="The service's user.")], mail_db: MailDb = None) -> None:
    """Forget a subscriber: address, record and issues. To stop mail and remember why, suppress the address."""
    from cli.mail.commands import open_store
    from mailer.config import MailSettings
    from mailer.errors import NotFound
    from mailer.storage import subscribers

    with open_store(MailSettings.read(db=mail_db)) as store, store.write() as connection:
        found = subscribers.find_by_user(connection, user)
        if found is None:
            raise NotFound("subscriber", user)
        subscribers.remove(connection, found.subscriber_id)
    console.print(f"removed: {user}", markup=False)


@app.command("suppress")
def suppress(
    address: Annotated[str, typer.Argument(help="E-mail address.")],
    why: Annotated[str, typer.Option(help="For the record.")] = "by hand",
    lift: Annotated[bool, typer.Option("--lift", help="Allow mail again; the reader has to confirm anew.")] = False,
    mail_db: MailDb = None,
) -> None:
    """Send nothing to an address any more, whoever asks."""
    from cli.mail.commands import open_store
    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.domain.address import parse_address
    from mailer.domain.subscription import SuppressionReason
    from mailer.storage import subscribers

    parsed = parse_address(address)
    with open_store(MailSettings.read(db=mail_db)) as store, store.write() as connection:
        if lift:
            done = "allowed" if subscribers.unsuppress(connection, parsed) else "was not suppressed"
        else:
            subscribers.suppress(connection, parsed, SuppressionReason.MANUAL, why, SystemClock().now())
            done = "suppressed"
    console.print(done, markup=False)


def _add(
    wanted: "list[tuple[str, str, str, Schedule, int]]",
    consent: str,
    mail_db: str | None,
    stopped: "dict[int, SuppressionReason] | None" = None,
) -> int:
    from cli.mail.commands import open_store
    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.subscribers.subscriptions import Subscriptions

    with open_store(MailSettings.read(db=mail_db)) as store:
        return Subscriptions(store, SystemClock()).add_many(wanted, consent, stopped=stopped)


def _rows(file: Path) -> "list[tuple[int, tuple[str, str, str, Schedule, int]]]":
    """(line, entry) of each row."""
    from mailer.errors import InvalidField, InvalidFile

    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InvalidFile(str(file), f"has no column {', '.join(missing)}", line=1)
            found = []
            for row in reader:
                line = reader.line_num
                try:
                    schedule = _schedule(
                        row.get("weekdays") or "daily", row.get("time") or "07:00", row.get("zone") or "UTC"
                    )
                    papers = int(row.get("papers") or 10)
                except InvalidField as error:
                    raise InvalidFile(str(file), str(error), line=line) from None
                except ValueError:
                    raise InvalidFile(str(file), f"papers: '{row['papers']}' is not a number", line=line) from None
                found.append(
                    (line, (row["user_id"] or "", row["address"] or "", row.get("name") or "", schedule, papers))
                )
            return found
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidFile(str(file), f"cannot be read: {error}") from None


def _schedule(weekdays: str, time: str, zone: str) -> "Schedule":
    from mailer.domain.subscription import Schedule
    from mailer.errors import InvalidField
    from mailer.subscribers.subscriptions import check_schedule

    try:
        days = tuple(range(1, 8)) if weekdays == "daily" else tuple(sorted({int(day) for day in weekdays.split(",")}))
    except ValueError:
        raise InvalidField("weekdays", f"'{weekdays}' is neither daily nor days such as 1,3,5") from None
    try:
        local_time = dt.time.fromisoformat(time)
    except ValueError:
        raise InvalidField("time", f"'{time}' is not a time such as 07:30") from None
    return check_schedule(Schedule(days, local_time, zone))
