"""``paperfeed export``: write the database as Parquet files."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Db, Json
from cli.output import progress_bar, show


def export(
    out: Annotated[Path, typer.Option(help="New folder for the files; it must not exist yet.")],
    events: Annotated[bool, typer.Option("--events", help="Also write every single event.")] = False,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Write papers with vectors, digests and user profiles as Parquet files, in one consistent snapshot."""
    from batch.export.writer import ExportRequest
    from batch.export.writer import export as run_export
    from service.bootstrap import SystemClock, make_encoder
    from service.config import Settings
    from service.storage import schema

    settings = Settings.read(db=db)
    schema.check(settings.db)
    encoder = make_encoder(settings)
    encoder.close()
    request = ExportRequest(settings.db, encoder.name, out, SystemClock().now(), with_events=events)
    with progress_bar("exporting") as bar:
        manifest = run_export(request, bar.advance)
    counts = manifest["row_counts"]
    show({"out": str(out), **manifest}, as_json=as_json, text="\n".join(f"{name}: {counts[name]}" for name in counts))
