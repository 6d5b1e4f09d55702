"""``paperfeed users``: remove a user everywhere, and prove it."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.mail.store import MailDb
from cli.options import Commands, Json, ServerOptions, User
from cli.output import one_line, show
from cli.queries.server import server_client
from cli.users.places import DatabasePlace, FilesPlace, Found, MailPlace, Place, ServerPlace, Service, found_in
from service.config import Settings, without_password
from service.process.failures import note

if TYPE_CHECKING:
    from ranker.bundle.origin import DueBundle

app = Commands(help="Remove users with everything derived from them.", no_args_is_help=True)

Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--files",
        help="Folder with exports, re-ranked slates or bundles, searched with all folders below it. May be repeated.",
        exists=True,
        file_okay=False,
    ),
]
UserDb = Annotated[
    str | None,
    typer.Option("--db", help="Work on this database URL of a service directly. Default: call the server."),
]


@app.callback()
def users() -> None:
    """Remove users with everything derived from them."""


@app.command("forget")
def forget(
    user: User,
    server: ServerOptions,
    db: UserDb = None,
    mail_db: MailDb = None,
    files: Files = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Search all places again afterwards, and fail if anything is left.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete a user in the service, the mailer and files, and list the bundles to train again. Safe to repeat."""
    from service.domain.errors import InvalidField
    from service.domain.events import user_id_hash
    from service.domain.papers import check_id

    check_id(user, "user")
    if db is not None and server.server is not None:
        raise InvalidField("db", "cannot be given together with --server")
    roots = files or []
    with contextlib.ExitStack() as stack:
        service: Service = stack.enter_context(_service(server, db))
        mail = stack.enter_context(_mailer(mail_db))
        # The mailer comes first: a reaction that it still had to report would make the user known again.
        places: list[Place] = [*mail, service, *(FilesPlace(root, _say_rewriting) for root in roots)]
        found = list(found_in(places, user))
        for place in places:
            place.remove(user)
        left = list(found_in(places, user)) if verify else None
        deleted_at = service.deleted_at(user)
    due = _due(roots, deleted_at, found)
    result: dict[str, Any] = {
        "user_id_hash": user_id_hash(user),
        "deleted_at": deleted_at.isoformat() if deleted_at else None,
        "found": [_plain(each) for each in found],
        "left": None if left is None else [_plain(each) for each in left],
        "due_bundles": [asdict(each) | {"folder": str(each.folder)} for each in due],
        "not_searched": ([] if mail else [_NO_MAILER]) + ([_OTHER_FILES] if roots else []),
    }
    show(result, as_json=as_json, text="\n".join(_lines(found, left, due, result["not_searched"])))
    remains = left if left is not None else [each for each in found if each.problem]
    if any(not each.is_empty for each in remains):
        raise typer.Exit(1)


_NO_MAILER = "the mailer: name its database with --mail-db, or its next run removes the subscriber"
_OTHER_FILES = "files under --files that are not Parquet, such as CSV, JSON Lines, databases and archives"


@contextmanager
def _service(server: ServerOptions, db: str | None) -> "Iterator[Service]":
    """Yield the service: the database that ``--db`` names, else the server."""
    if db is None:
        with server_client(server) as client:
            place = ServerPlace(client, Settings.read(server=server.server).server)
            place.check_rights()
            yield place
        return
    from cli.local import opened_store
    from service.app.profiles import Profiles
    from service.resources import SystemClock

    url = Settings.read(db=db).db
    with opened_store(url) as store:
        yield DatabasePlace(Profiles(store, SystemClock()), without_password(url))


@contextmanager
def _mailer(mail_db: str | None) -> "Iterator[list[Place]]":
    """Yield the mailer's database that the option or the settings name; nothing if neither does."""
    from mailer.config import MailSettings

    url = MailSettings.read(db=mail_db).db
    if mail_db is None and url == MailSettings.db:
        yield []
        return
    from mailer import storage
    from mailer.storage import schema

    schema.check(url)
    with storage.open_store(url) as store:
        yield [MailPlace(store, without_password(url))]


def _due(roots: Sequence[Path], deleted_at: dt.datetime | None, found: Sequence[Found]) -> "list[DueBundle]":
    """Return the bundles in the folders that are due for training again.

    A user who is in files alone was deleted before these files were restored or copied here, at an unknown time.
    """
    from ranker.bundle.origin import due_bundles

    if deleted_at is None and all(each.is_empty for each in found):
        return []
    since = [each.stored_since for each in found if each.stored_since is not None]
    return due_bundles(roots, deleted_at or dt.datetime.now(dt.UTC), min(since) if since else None)


def _say_rewriting(folder: str) -> None:
    note(f"removing the user's rows from {folder}")


def _plain(found: Found) -> dict[str, Any]:
    return {"place": found.place, "counts": dict(found.counts), "problem": found.problem}


def _lines(
    found: Sequence[Found], left: Sequence[Found] | None, due: "Sequence[DueBundle]", not_searched: Sequence[str]
) -> Iterator[str]:
    yield from (f"found  {_line(each)}" for each in found)
    yield from (f"not searched  {each}" for each in not_searched)
    if left is not None:
        remains = [each for each in left if not each.is_empty]
        yield from (f"LEFT   {_line(each)}" for each in remains)
        if not remains:
            yield "verified: nothing is left in these places"
    yield from (
        f"due for training again: {one_line(f'{each.folder}  {each.version}  ({each.reason})')}" for each in due
    )


def _line(found: Found) -> str:
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.counts.items() if count)
    return f"{one_line(found.place)}: {counts or 'nothing'}" + (f"; {one_line(found.problem)}" if found.problem else "")
