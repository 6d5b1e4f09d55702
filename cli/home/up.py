"""``paperfeed up``: run everything that a person's paperfeed needs, or do one day's work and end."""

import socket
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import show_text
from service import logs
from service.config import Settings
from service.domain.errors import InvalidField
from settings.reader import CONFIG, exported

if TYPE_CHECKING:
    from cli.home.plan import Home
    from service.process.supervision import Part

SERVER, PAGES, SCHEDULE = 0, 1, 2


def up(
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Fetch, rank, write the page and mail once, then exit: 0 done, 1 if a step failed."
        ),
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(help="With --once: file for the feed as a web page. Default: feed.html beside paperfeed.toml."),
    ] = None,
) -> None:
    """Run the paperfeed of paperfeed.toml until SIGTERM or Ctrl-C: server, web pages, daily fetch, and mail.

    The library is synced at each start and before each fetch; what failed is tried again after
    growing waits. `up` restarts each part that ends. With --once nothing keeps running, for cron and for automatic
    runs.
    """
    from cli.home.first import prepare
    from cli.home.once import run_once
    from cli.home.plan import open_home

    home = open_home()
    if page is not None and not once:
        raise InvalidField("page", "needs --once")
    if home.service.port == 0:
        home = home.at_port(_free_port(home.service.host))
    with _server_known(home):
        logs.configure(Settings.read().log_level)
        has_digest = prepare(home)
        if once:
            code = run_once(home, page or home.path.parent / "feed.html", has_digest=has_digest)
        else:
            code = _run(home, has_digest=has_digest)
    raise typer.Exit(code)


def _run(home: "Home", *, has_digest: bool) -> int:
    """Keep all parts running until a signal; return the exit code."""
    from service.process.supervision import Supervision

    addresses: dict[int, str] = {}

    def hear(index: int, line: str) -> None:
        if _listens(line):
            addresses[index] = line.removeprefix("listening on ")
        else:
            show_text(line)

    def announce() -> None:
        show_text(f"your paperfeed: {addresses[PAGES]}")
        if home.has_sources and not has_digest:
            show_text("the first papers are being fetched; they are there in some minutes, and the page says if not")
        show_text(f"the server: {addresses[SERVER]}; settings: {home.path}; Ctrl-C ends everything")

    parts = _parts(home, has_digest=has_digest)
    return Supervision(parts, noun="part", drain_seconds=home.service.drain_seconds, hear=hear).run(announce)


def _parts(home: "Home", *, has_digest: bool) -> "list[Part]":
    parts = [
        _part("the server", "serve", "--port", str(home.service.port)),
        _part("the web pages", "mail", "serve"),
    ]
    # The running server computes the vectors, so that the encoder is loaded once.
    first = [f"{step} --no-embed" for step in home.library_steps]
    if home.has_sources and not has_digest:
        first.append(f"{home.fetch_step(is_first=True)} --no-embed")
    daily = [f"{home.fetch_step(is_first=False)} --no-embed"] if home.has_sources else []
    options = [word for step in first for word in ("--start", step)]
    options += [word for step in home.sync_steps for word in ("--sync", f"{step} --no-embed")]
    options += [word for step in daily for word in ("--fetch", step)]
    if options:
        wanted = home.schedule
        options += ["--at", wanted.at, "--days", ",".join(wanted.days), "--zone", wanted.zone]
        options += ["--mail-every", str(wanted.mail_every_minutes if wanted.mail_to else 0), "--pages"]
        parts.append(_part("the schedule", "run", *options))
    return parts


def _part(title: str, *words: str) -> "Part":
    from service.process.supervision import Part

    # -P: files of the working folder, which is a person's, must not be taken for modules.
    command = (sys.executable, "-P", "-m", "cli.part", *words)
    return Part(title, title, command, is_serving=lambda line: _listens(line) or ": next at " in line)


def _listens(line: str) -> bool:
    return line.startswith("listening on ")


def _server_known(home: "Home") -> AbstractContextManager[None]:
    """Tell all commands in the ``with`` block, and their processes, the settings file and the server's address.

    They log warnings only, unless the settings ask for more: a person reads the output.
    """
    from mailer.config import MailSettings

    host = home.service.host
    address = f"{'127.0.0.1' if host in {'0.0.0.0', '::', ''} else host}:{home.service.port}"  # noqa: S104 (compared)
    values = {CONFIG: str(home.path)}
    for prefix, given in (("PAPERFEED_", Settings.given()), ("PAPERFEED_MAIL_", MailSettings.given())):
        wanted = {"server": address, "log_level": "WARNING"}
        values |= {prefix + name.upper(): value for name, value in wanted.items() if name not in given}
    return exported(values)


def _free_port(host: str) -> int:
    """Return a port that is free now. The server keeps it when it is started again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as held:
        held.bind((host, 0))
        port: int = held.getsockname()[1]
        return port
