"""``paperfeed db``: upgrade and prune the service's database."""

import datetime as dt
from dataclasses import asdict

import typer

from cli.destination import check_database
from cli.local import opened_store
from cli.observed import job
from cli.options import Db, Json
from cli.output import show
from service.config import Settings

app = typer.Typer(help="Upgrade the database schema, or remove old rows.", no_args_is_help=True)


@app.command()
def upgrade(db: Db = None, as_json: Json = False) -> None:
    """Create or upgrade the tables for this version of paperfeed. Safe to repeat. Back up the database first."""
    from service.storage import schema

    url = Settings.read(db=db).db
    check_database("db", url, is_given="db" in Settings.given(db=db), may_make=True)
    before, after = schema.upgrade(url)
    text = f"the schema is at {after}" + ("" if before == after else f" (was {before or 'empty'})")
    show({"before": before, "after": after}, as_json=as_json, text=text)


@app.command()
@job("db prune")
def prune(db: Db = None, as_json: Json = False) -> None:
    """Remove events, slates, features and audit entries that are older than the PAPERFEED_KEEP_* settings allow."""
    from service.storage import retention

    settings = Settings.read(db=db)
    with opened_store(settings.db) as store:
        counts = retention.prune(
            store,
            dt.datetime.now(dt.UTC),
            events_days=settings.keep_events_days or None,
            slates_days=settings.keep_slates_days or None,
            features_days=settings.keep_features_days or None,
            audit_days=settings.keep_audit_days or None,
        )
    result = asdict(counts)
    show(result, as_json=as_json, text="\n".join(f"{name}: {count}" for name, count in result.items()))
