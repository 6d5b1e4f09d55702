"""The commands ``paperfeed mail subscribers``."""

from pathlib import Path
from typing import Annotated

import typer

from cli.mail.store import MailDb, configured_store
from cli.options import Json
from cli.output import show, show_text, warn

app = typer.Typer(help="Manage the subscribers of the digest.", no_args_is_help=True)


def _grounds(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("must name the grounds of the consent")
    return text


Consent = Annotated[
    str,
    typer.Option(
        help="Grounds on which you may send mail, e.g. a signed form; stored in the record of consents.",
        callback=_grounds,
    ),
]


@app.command("add")
def add(
    user: Annotated[str, typer.Argument(help="User id in the feed service.")],
    address: Annotated[str, typer.Argument(help="E-mail address.")],
    consent: Consent,
    name: Annotated[str, typer.Option(help="Name for the To header.")] = "",
    weekdays: Annotated[str, typer.Option(help="ISO weekdays, 1 Monday to 7 Sunday, e.g. 1,3,5; or daily.")] = "daily",
    time: Annotated[str, typer.Option(help="Local time, HH:MM.")] = "07:00",
    zone: Annotated[str, typer.Option(help="Time zone, e.g. Europe/Vienna.")] = "UTC",
    papers: Annotated[int, typer.Option(help="Number of papers in an issue, 1 to 50.")] = 10,
    sections: Annotated[bool, typer.Option("--sections", help="Give each interest of the user a section.")] = False,
    mail_db: MailDb = None,
) -> None:
    """Subscribe a user whose consent you have. Users can subscribe themselves on the web page."""
    from mailer.clock import SystemClock
    from mailer.subscribers.schedule import parse_schedule
    from mailer.subscribers.subscriptions import Subscriptions

    schedule = parse_schedule(weekdays, time, zone)
    with configured_store(mail_db, may_make=True) as store:
        entry = (user, address, name, schedule, papers)
        added = Subscriptions(store, SystemClock()).add_many([entry], consent, has_sections=sections)
    show_text(f"{'added' if added else 'already subscribed'}: {user}")


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="CSV file: user_id,address and optionally name,weekdays,time,zone,papers.")
    ],
    consent: Consent,
    mail_db: MailDb = None,
    as_json: Json = False,
) -> None:
    """Subscribe the users of a CSV file whose consent you have. If a line is invalid, nobody is added.

    Importing a file again adds nothing. Addresses to which mail is stopped (bounced, complained, unsubscribed) are
    skipped with a warning.
    """
    from mailer.clock import SystemClock
    from mailer.subscribers.csv_file import import_csv
    from mailer.subscribers.subscriptions import Subscriptions

    with configured_store(mail_db, may_make=True) as store:
        found = import_csv(Subscriptions(store, SystemClock()), file, consent)
    for line, address, reason in found.stopped:
        warn(f"{file}, line {line}: {address}: mail to this address is stopped: {reason.value}")
    skipped = len(found.stopped)
    text = f"{found.added} added, {found.read - found.added - skipped} already subscribed"
    text += f", {skipped} skipped" if skipped else ""
    show({"added": found.added, "read": found.read, "stopped": skipped}, as_json=as_json, text=text)


@app.command("list")
def list_subscribers(mail_db: MailDb = None, as_json: Json = False) -> None:
    """Print all subscribers, one per line."""
    from mailer.domain.subscription import SubscriptionState
    from mailer.storage import subscribers

    with configured_store(mail_db) as store:
        known = [each for page in subscribers.pages(store, 1_000, SubscriptionState) for each in page]
    found = [
        {
            "user_id": each.user_id,
            "address": each.address,
            "state": each.state.value,
            "weekdays": list(each.schedule.weekdays),
            "local_time": f"{each.schedule.local_time:%H:%M}",
            "time_zone": each.schedule.time_zone,
            "paper_count": each.paper_count,
        }
        for each in known
    ]
    shown = [values | {"weekdays": each.schedule.days_in_words} for values, each in zip(found, known, strict=True)]
    text = "\n".join("  ".join(str(value) for value in each.values()) for each in shown)
    show({"subscribers": found}, as_json=as_json, text=text or "no subscribers")


@app.command("remove")
def remove(user: Annotated[str, typer.Argument(help="User id in the feed service.")], mail_db: MailDb = None) -> None:
    """Delete a subscriber with address, consents and issues. To stop mail and keep a record, suppress the address."""
    from mailer.errors import NotFound
    from mailer.storage import subscribers

    with configured_store(mail_db) as store, store.write() as connection:
        found = subscribers.find_by_user(connection, user)
        if found is None:
            raise NotFound("subscriber", user)
        subscribers.remove(connection, found.subscriber_id)
    show_text(f"removed: {user}")


@app.command("suppress")
def suppress(
    address: Annotated[str, typer.Argument(help="E-mail address.")],
    why: Annotated[str, typer.Option(help="Reason, for the record.")] = "by hand",
    lift: Annotated[
        bool, typer.Option("--lift", help="Allow mail to the address again; the subscriber has to confirm anew.")
    ] = False,
    mail_db: MailDb = None,
) -> None:
    """Stop all mail to an address; later requests to subscribe it are ignored."""
    from mailer.clock import SystemClock
    from mailer.domain.address import parse_address
    from mailer.domain.subscription import SuppressionReason
    from mailer.storage import subscribers

    parsed = parse_address(address)
    with configured_store(mail_db) as store, store.write() as connection:
        if lift:
            done = "allowed" if subscribers.unsuppress(connection, parsed) else "was not suppressed"
        else:
            subscribers.suppress(connection, parsed, SuppressionReason.MANUAL, why, SystemClock().now())
            done = "suppressed"
    show_text(done)
