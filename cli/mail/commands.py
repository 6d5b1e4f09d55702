"""The commands ``paperfeed mail``."""

import datetime as dt
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.credentials import server_access
from cli.destination import check_database, check_folder
from cli.mail.store import MailDb, configured_store
from cli.mail.subscribers import app as subscribers_app
from cli.observed import job
from cli.options import Commands, Json, ServerOptions
from cli.output import show, show_text, warn

app = Commands(help="Send the digest by e-mail.", no_args_is_help=True)
app.add_typer(subscribers_app, name="subscribers")


@dataclass(frozen=True)
class FeedServer(ServerOptions):
    """The feed service, which the mailer's own settings name."""

    server: Annotated[str | None, typer.Option(help="Address of the feed service, HOST:PORT.")] = None


@app.command("send")
@job("mail send")
def send(
    server: FeedServer,
    mail_db: MailDb = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Make an issue for every active subscriber now, due or not.")
    ] = False,
    lease_seconds: Annotated[
        float, typer.Option(help="Seconds after which the issues that a killed mailer held are due again.")
    ] = 60.0,
    as_json: Json = False,
) -> None:
    """Make the issues that are due and send them. Exit with code 1 if a due subscriber did not get an issue."""
    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.run import MailRun
    from mailer.service import FeedService
    from service import logs

    settings = MailSettings.read(db=mail_db, server=server.server)
    access = server_access(settings.server, server)
    logs.configure(settings.log_level)
    with configured_store(mail_db) as store, FeedService(settings.server, access) as service:
        run = MailRun(store, service, settings, SystemClock(), lease_seconds=lease_seconds)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: run.stop())
        summary = run.run(everybody=everybody)
    show(asdict(summary), as_json=as_json, text=summary.in_words())
    if not summary.is_ok:
        raise typer.Exit(1)


@app.command("preview")
def preview(
    user: Annotated[str, typer.Option(help="User id in the feed service.")],
    out: Annotated[Path, typer.Option(help="Folder for the .eml, .html and .txt files.")],
    server: FeedServer,
    digest: Annotated[str, typer.Option(help="Digest id; empty means the newest digest.")] = "",
    papers: Annotated[int, typer.Option(help="Number of papers in the issue.", min=1, max=50)] = 10,
) -> None:
    """Write the issue of a user to files. Nothing is stored or sent. Links to papers work; all others do not."""
    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.errors import NotFound
    from mailer.issues.preview import compose_preview, write_message
    from mailer.service import FeedService

    settings = MailSettings.read(server=server.server)
    access = server_access(settings.server, server)
    check_folder("out", out)
    with FeedService(settings.server, access) as service:
        feed = next(
            iter(service.feeds([user], [digest] if digest else [], papers, min_probability=settings.min_probability))
        )
    if not feed.papers:
        raise NotFound(f"paper in the feed (fallback reason: {feed.fallback}) of user", user)
    issue = compose_preview(feed, settings, SystemClock())
    write_message(issue.content, out, user)
    show_text(f"{out / user}.eml, .html and .txt: {issue.subject}")


@app.command("serve")
def serve(
    server: FeedServer,
    mail_db: MailDb = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", help="User whose page browsers on this machine see without a sign-in; empty: nobody's."),
    ] = None,
) -> None:
    """Serve the web pages until SIGTERM or Ctrl-C: each user's feed to read on, and the pages that mails link to.

    On this machine the page needs no sign-in, no subscriber and no SMTP server. Elsewhere users sign in by mail.
    """
    from contextlib import closing

    from mailer.clock import SystemClock
    from mailer.config import MailSettings
    from mailer.errors import InvalidField
    from mailer.service import FeedService
    from mailer.web.server import run
    from service import logs
    from telemetry.setup import start_as

    settings = MailSettings.read(db=mail_db, server=server.server, host=host, port=port, page_user=user)
    access = server_access(settings.server, server)
    logs.configure(settings.log_level)
    with (
        closing(start_as("paperfeed-mailer", settings.metrics_port, InvalidField)) as telemetry,
        configured_store(mail_db, may_make=True) as store,
        FeedService(settings.server, access) as service,
    ):

        def announce(url: str) -> None:
            show_text(f"listening on {url}")

        run(store, service, settings, SystemClock(), announce=announce, telemetry=telemetry)


@app.command("bounces")
@job("mail bounces")
def bounces(
    maildir: Annotated[
        Path | None, typer.Option(help="Maildir to read; without it, one message is read from stdin.")
    ] = None,
    mail_db: MailDb = None,
    as_json: Json = False,
) -> None:
    """Read delivery reports (RFC 3464) and complaints (RFC 5965), and stop mail to the addresses concerned.

    Unreadable reports stay in the Maildir, and the exit code is 1.
    """
    from mailer.clock import SystemClock
    from mailer.sending.bounces import BounceReader

    with configured_store(mail_db) as store:
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
    """Print the state of the outbox and the result of the last run."""
    from mailer.clock import SystemClock
    from mailer.run import KIND
    from mailer.storage import issues, runs

    with configured_store(mail_db) as store, store.read() as connection:
        counts = issues.counts(connection, SystemClock().now())
        last = next(iter(runs.newest(connection, KIND, 1)), None)
    result = {"outbox": counts, "last_run": asdict(last) if last else None}
    lines = [f"{count:7d}  {name}" for name, count in counts.items()]
    if last:
        ended = last.ended_at.astimezone(dt.UTC).isoformat(timespec="seconds")
        outcomes = ", ".join(f"{count} {name}" for name, count in last.outcomes.items())
        lines.append(f"last run {ended}: {outcomes or 'nothing to do'}{f' ({last.problem})' if last.problem else ''}")
    show(result, as_json=as_json, text="\n".join(lines))


@app.command("upgrade")
def upgrade(mail_db: MailDb = None) -> None:
    """Upgrade the mailer's database to the schema of this version. Repeating the command changes nothing."""
    from mailer.config import MailSettings
    from mailer.storage import schema

    url = MailSettings.read(db=mail_db).db
    check_database("mail-db", url, is_given="db" in MailSettings.given(db=mail_db), may_make=True)
    before, after = schema.upgrade(url)
    show_text(f"schema of the mailer's database: {before or 'empty'} -> {after}")
