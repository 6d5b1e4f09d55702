"""``paperfeed db``: upgrade and prune the service's database."""

from dataclasses import asdict

import typer

from cli.options import Db, Json
from cli.output import show

app = typer.Typer(help="Upgrade the database schema, or remove old rows.", no_args_is_help=True)


@app.command()
def upgrade(db: Db = None, as_json: Json = False) -> None:
    """Create or upgrade the tables for this version of paperfeed. Safe to repeat. Back up the database first."""
    from service.config import Settings
    from service.storage import schema

    url = Settings.read(db=db).db
    before, after = schema.upgrade(url)
    text = f"the schema is at {after}" + ("" if before == after else f" (was {before or 'empty'})")
    show({"before": before, "after": after}, as_json=as_json, text=text)


@app.command()
def prune(db: Db = None, as_json: Json = False) -> None:
    """Remove events, slates and stored features that are older than the PAPERFEED_KEEP_* settings allow."""
    from service.bootstrap import SystemClock
    from service.config import Settings
    from service.storage import open_store, retention, schema

    settings = Settings.read(db=db)
    schema.check(settings.db)
    store = open_store(settings.db, pool_size=1)
    try:
        counts = retention.prune(
            store,
            SystemClock().now(),
            events_days=settings.keep_events_days or None,
            slates_days=settings.keep_slates_days or None,
            features_days=settings.keep_features_days or None,
        )
    finally:
        store.dispose()
    result = asdict(counts)
    show(result, as_json=as_json, text="\n".join(f"{name}: {count}" for name, count in result.items()))
