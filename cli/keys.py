"""``paperfeed keys`` and ``paperfeed audit``: who may call a server, and what callers and commands have done."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.destination import check_database
from cli.local import opened_store
from cli.options import Db, Json
from cli.output import one_line, show
from service.config import Settings
from service.domain.errors import InvalidField
from service.process.failures import note

if TYPE_CHECKING:
    from service.app.callers.keys import ApiKeys
    from service.domain.callers import ApiKey

app = typer.Typer(help="Create, list and revoke the API keys of a server's callers.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the caller, which logs and 'paperfeed audit' show.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What the caller may do: feeds:read, events:write, catalog:write, users:admin or models:admin. "
            "Repeat it for more."
        ),
    ] = None,
    days: Annotated[
        float | None, typer.Option(help="Days that the key is valid. Default: it does not expire.", min=0.0, max=36_500)
    ] = None,
    certificate: Annotated[
        str,
        typer.Option(help="Grant the scopes to the client certificate of this common name or URI; makes no key."),
    ] = "",
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Create an API key and print it. It is shown this once: the database has only its hash.

    Running servers know a new key within two seconds. They must use the same database.
    """
    expires_after = None if days is None else dt.timedelta(days=days)
    with _api_keys(db, may_make=True) as keys:
        key, text = keys.create(name, scope or [], certificate=certificate, expires_after=expires_after)
    if not as_json:
        note(f"{key.key_id}: {', '.join(key.scopes)}{f', until {key.expires_at:%Y-%m-%d}' if key.expires_at else ''}")
    show(_facts(key) | {"key": text}, as_json=as_json, text=text or key.key_id)


@app.command("list")
def list_keys(db: Db = None, as_json: Json = False) -> None:
    """List all keys and granted certificates, also those that were revoked or have expired."""
    now = dt.datetime.now(dt.UTC)
    with _api_keys(db) as keys:
        found = keys.all()
    lines = []
    for key in found:
        state = "valid" if key.is_valid(now) else "revoked" if key.revoked_at else "expired"
        expiry = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "no expiry"
        used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        kind = f"certificate {one_line(key.certificate)}" if key.certificate else "key"
        scopes = ",".join(key.scopes)
        lines.append(f"{key.key_id}  {state}  {one_line(key.name)}  {kind}  {scopes}  {expiry}  {used}")
    show({"keys": [_facts(key) for key in found]}, as_json=as_json, text="\n".join(lines))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key: the second part of it, as 'keys list' prints it.")],
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Revoke a key or the scopes of a certificate. Running servers refuse it within three seconds."""
    with _api_keys(db) as keys:
        keys.revoke(key_id)
    show({"revoked": key_id}, as_json=as_json, text=f"{key_id} is revoked")


def audit(
    since: Annotated[str, typer.Option(help="Earliest day, such as 2026-03-11. Default: all.")] = "",
    user: Annotated[str, typer.Option(help="Only what was done to the user with this id.")] = "",
    action: Annotated[str, typer.Option(help="Only this action, such as ProfileService/DeleteUser.")] = "",
    limit: Annotated[int, typer.Option("-n", "--limit", help="Number of entries.", min=1)] = 100,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """List admin calls, deletions and changes of keys, newest first: when, who, what, target and outcome."""
    from service.domain.events import user_id_hash

    try:
        start = dt.datetime.fromisoformat(since) if since else None
    except ValueError:
        raise InvalidField("since", f"'{since}' is not a day such as 2026-03-11") from None
    if start is not None and start.tzinfo is None:
        start = start.replace(tzinfo=dt.UTC)
    target = f"user:{user_id_hash(user)}" if user else ""
    with opened_store(Settings.read(db=db).db) as store, store.read() as tx:
        entries = tx.audit.newest(limit=limit, since=start, action=action, target=target)
    lines = []
    for entry in entries:
        who = f"{one_line(entry.actor)}{f' ({entry.key_id})' if entry.key_id else ''}"
        when = f"{entry.recorded_at:%Y-%m-%d %H:%M:%S}"
        lines.append(f"{when}  {who}  {entry.action}  {one_line(entry.target)}  {entry.outcome}")
    show({"entries": [asdict(entry) for entry in entries]}, as_json=as_json, text="\n".join(lines))


@contextmanager
def _api_keys(db: str | None, *, may_make: bool = False) -> Iterator["ApiKeys"]:
    """Open the keys of the database.

    Args:
        may_make: Whether to make a missing database, so that a key can exist before a server.
    """
    from service.app.callers.keys import ApiKeys
    from service.resources import SystemClock
    from service.storage import schema

    url = Settings.read(db=db).db
    check_database("db", url, is_given="db" in Settings.given(db=db), may_make=may_make)
    if may_make and schema.current_revision(url) is None:
        schema.upgrade(url)
    with opened_store(url) as store:
        yield ApiKeys(store, SystemClock())


def _facts(key: "ApiKey") -> dict[str, object]:
    return {name: value for name, value in asdict(key).items() if name != "key_hash"}
