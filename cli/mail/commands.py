"""``paperfeed mail``."""

import datetime as dt
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.destination import check_folder
from cli.mail.subscribers import app as subscribers_app
from cli.options import Json
from cli.output import console, show, warn

if TYPE_CHECKING:
    from mailer.config import MailSettings
    from mailer.storage import MailStore

app = typer.Typer(help="The digest by e-mail: subscribers, issues, bounces.", no_args_is_help=True)
app.add_typer(subscribers_app, name="subscribers")

MailDb = Annotated[
    str | None, typer.Option("--mail-db", help="The mailer's own database, sqlite:/// or postgresql://.")
]
Server = Annotated[str | None, typer.Option("--server", help="Address of the feed service, HOST:PORT.")]


@contextmanager
def open_store(settings: "MailSettings") -> Iterator["MailStore"]:
    """The mailer's database, made if it is empty."""
    from mailer import storage
    from mailer.storage import schema

    if schema.current_revision(settings.db) is None:
        schema.upgrade(settings.db)
    schema.check(settings.db)
    store = storage.open_store(settings.db)
    try:
        yield store
    finally:
        store.dispose()


@app.command("send")
def send(
    mail_db: MailDb = None,
    server: Server = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Make an issue for every active subscriber now, due or not.")
    ] = False,
    lease_seconds: Annotated[float, typer.Option(help="What a killed mailer held is free again after so long.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Make the issues that are due and hand them to the SMTP server. Fails when somebody did not get theirs."""
    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.run import MailRun
    from mailer.service import FeedService
    from service import logs

    settings = MailSettings.read(db=mail_db, server=server)
    logs.configure(settings.log_level)
    with open_store(settings) as store, FeedService(settings.server, tls=settings.server_tls) as service:
        run = MailRun(store, service, settings, SystemClock(), lease_seconds=lease_seconds)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: run.stop())
        summary = run.run(everybody=everybody)
    show(asdict(summary), as_json=as_json, text=summary.in_words())
    if not summary.is_ok:
        raise typer.Exit(1)


@app.command("preview")
def preview(
    user: Annotated[str, typer.Option(help="The service's user.")],
    out: Annotated[Path, typer.Option(help="Folder for the .eml, .html and .txt files.")],
    digest: Annotated[str, typer.Option(help="Digest id; empty: the newest.")] = "",
    papers: Annotated[int, typer.Option(help="Papers in the issue.", min=1, max=50)] = 10,
    server: Server = None,
) -> None:
    """Write a user's issue to files. Nothing is stored or sent, and its links work nowhere."""
    import secrets
    from email import message_from_bytes
    from email.policy import default

    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.domain.subscription import Schedule, Subscriber, SubscriptionState
    from mailer.errors import NotFound
    from mailer.issues.message import Draft, compose
    from mailer.links import Links
    from mailer.service import FeedService

    settings, now = MailSettings.read(server=server), SystemClock().now()
    check_folder("out", out)
    with FeedService(settings.server, tls=settings.server_tls) as service:
        feed = next(iter(service.feeds([user], digest, papers)))
    if not feed.papers:
        raise NotFound("paper", f"for {user}: the feed is empty ({feed.fallback})")
    reader = Subscriber(
        "preview", user, "reader@example.org", "", SubscriptionState.ACTIVE, Schedule(), papers, "", now, now
    )
    draft = Draft("preview", feed.digest_id, feed.slate_id, (now.date(),), feed.papers, feed.fallback)
    issue = compose(draft, reader, settings, Links(secrets.token_bytes(32), settings.base_url), now)
    out.mkdir(parents=True, exist_ok=True)
    message = message_from_bytes(issue.content, policy=default)
    (out / f"{user}.eml").write_bytes(issue.content)
    for kind, ending in (("html", "html"), ("plain", "txt")):
        body = message.get_body((kind,))
        assert body is not None  # noqa: S101 (every issue has both parts)
        (out / f"{user}.{ending}").write_text(body.get_content(), encoding="utf-8")
    console.print(f"{out / user}.eml, .html and .txt: {issue.subject}", markup=False, soft_wrap=True)


@app.command("serve")
def serve(
    mail_db: MailDb = None,
    server: Server = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Serve the pages that mails link to, until SIGTERM or Ctrl-C: confirm, preferences, issues, unsubscribe."""
    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.service import FeedService
    from mailer.web.server import run
    from service import logs

    settings = MailSettings.read(db=mail_db, server=server, host=host, port=port)
    logs.configure(settings.log_level)
    with open_store(settings) as store, FeedService(settings.server, tls=settings.server_tls) as service:
        run(
            store,
            service,
            settings,
            SystemClock(),
            announce=lambda url: console.print(f"listening on {url}", markup=False),
        )


@app.command("bounces")
def bounces(
    maildir: Annotated[
        Path | None, typer.Option(help="Maildir to read; without it one message is read from stdin.")
    ] = None,
    mail_db: MailDb = None,
    as_json: Json = False,
) -> None:
    """Read returned mail (RFC 3464) and complaints (RFC 5965): addresses that are gone or complain get no more.

    Fails when something could not be read; that stays in the Maildir.
    """
    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.sending.bounces import BounceReader

    settings = MailSettings.read(db=mail_db)
    with open_store(settings) as store:
        reader = BounceReader(store, SystemClock())
        outcomes = reader.read_maildir(maildir) if maildir else reader.read_message(sys.stdin.buffer.read())
    for problem in reader.problems:
        warn(problem)
    text = "\n".join(f"{count:7d}  {name.replace('_', ' ')}" for name, count in sorted(outcomes.items()))
    show(dict(outcomes), as_json=as_json, text=text or "no messages")
    if reader.problems:
        raise typer.Exit(1)


@app.command("status")
def status(mail_db: MailDb = None, as_json: Json = False) -> None:
    """Print what waits in the outbox, and what the last run did."""
    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.run import KIND
    from mailer.storage import issues, runs

    settings = MailSettings.read(db=mail_db)
    with open_store(settings) as store, store.read() as connection:
        counts = issues.counts(connection, SystemClock().now())
        last = runs.newest(connection, KIND, 1)
    result = {"outbox": counts, "last_run": asdict(last[0]) if last else None}
    lines = [f"{count:7d}  {name}" for name, count in counts.items()]
    if last:
        ended = last[0].ended_at.astimezone(dt.UTC).isoformat(timespec="seconds")
        outcomes = ", ".join(f"{count} {name}" for name, count in last[0].outcomes.items())
        lines.append(
            f"last run {ended}: {outcomes or 'nothing to do'}{f' ({last[0].problem})' if last[0].problem else ''}"
        )
    show(result, as_json=as_json, text="\n".join(lines))


@app.command("upgrade")
def upgrade(mail_db: MailDb = None) -> None:
    """Bring the mailer's database up to this version's schema. Safe to repeat."""
    from mailer.config import MailSettings
    from mailer.storage import schema

    before, after = schema.upgrade(MailSettings.read(db=mail_db).db)
    console.print(f"the mailer's schema: {before or 'empty'} -> {after}", markup=False)
