"""The commands ``paperfeed mail subscribers``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.mail.store import MailDb, configured_store
from cli.options import Json
from cli.output import show, show_file, show_text, warn

if TYPE_CHECKING:
    from mailer.domain.subscription import Subscriber

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
    min_probability: Annotated[
        float | None,
        typer.Option(
            help="Lowest probability, 0 to 1, that the user likes or saves a paper of an issue; 0 means no limit. "
            "Default: PAPERFEED_MAIL_MIN_PROBABILITY."
        ),
    ] = None,
    mail_db: MailDb = None,
) -> None:
    """Subscribe a user whose consent you have. Users can subscribe themselves on the web page."""
    from mailer.clock import SystemClock
    from mailer.subscribers.schedule import parse_schedule
    from mailer.subscribers.subscriptions import Entry, Subscriptions

    schedule = parse_schedule(weekdays, time, zone)
    with configured_store(mail_db, may_make=True) as store:
        entry = Entry(user, address, name, schedule, papers, sections, min_probability)
        added = Subscriptions(store, SystemClock()).add_many([entry], consent)
    show_text(f"{'added' if added else 'already subscribed'}: {user}")


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="CSV file: user_id,address and optionally other columns: docs/mailer.md.")
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
def list_subscribers(
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the active subscribers as a CSV file.")] = False,
    mail_db: MailDb = None,
    as_json: Json = False,
) -> None:
    """Print all subscribers, one per line.

    With --csv, print those who get mail as a file that `paperfeed mail subscribers import` reads.
    """
    from mailer.domain.subscription import SubscriptionState
    from mailer.storage import subscribers
    from mailer.subscribers.csv_file import export_csv

    wanted = [SubscriptionState.ACTIVE] if as_csv else SubscriptionState
    with configured_store(mail_db) as store:
        known = [each for page in subscribers.pages(store, 1_000, wanted) for each in page]
    if as_csv:
        show_file(export_csv(known))
        return
    found = [
        {
            "user_id": each.user_id,
            "address": each.address,
            "state": each.state.value,
            "weekdays": list(each.schedule.weekdays),
            "local_time": f"{each.schedule.local_time:%H:%M}",
            "time_zone": each.schedule.time_zone,
            "paper_count": each.paper_count,
            "sections": each.has_sections,
            "min_probability": each.min_probability,
        }
        for each in known
    ]
    shown = [
        {**values, "weekdays": each.schedule.days_in_words, **_form_in_words(each)}
        for values, each in zip(found, known, strict=True)
    ]
    text = "\n".join("  ".join(str(value) for value in each.values() if value != "") for each in shown)
    show({"subscribers": found}, as_json=as_json, text=text or "no subscribers")


def _form_in_words(each: "Subscriber") -> dict[str, str]:
    limit = each.min_probability
    return {
        "sections": "sections" if each.has_sections else "",
        "min_probability": "" if limit is None else f"min_probability {limit}",
    }


@app.command("change")
def change(
    user: Annotated[str, typer.Argument(help="User id in the feed service.")],
    sections: Annotated[
        bool | None, typer.Option("--sections/--no-sections", help="Whether each interest of the user gets a section.")
    ] = None,
    min_probability: Annotated[
        str,
        typer.Option(
            help="Lowest probability, 0 to 1, that the user likes or saves a paper of an issue; 0 means no limit, and "
            "'usual' PAPERFEED_MAIL_MIN_PROBABILITY."
        ),
    ] = "",
    mail_db: MailDb = None,
) -> None:
    """Change the form of a subscriber's issues. Options that are not given leave it as it is."""
    from mailer.errors import InvalidField, NotFound
    from mailer.storage import subscribers
    from mailer.subscribers.subscriptions import check_min_probability

    try:
        limit = check_min_probability(float(min_probability) if min_probability not in {"", "usual"} else None)
    except ValueError:
        raise InvalidField("min_probability", f"'{min_probability}' is neither a number nor 'usual'") from None
    with configured_store(mail_db) as store, store.write() as connection:
        found = subscribers.find_by_user(connection, user)
        if found is None:
            raise NotFound("subscriber", user)
        changed = replace(
            found,
            has_sections=found.has_sections if sections is None else sections,
            min_probability=limit if min_probability else found.min_probability,
        )
        subscribers.save(connection, changed)
    show_text(f"changed: {user}")


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
