"""``paperfeed library``: import a reference manager's library as likes."""

from pathlib import Path
from typing import Annotated

import typer

from cli.imports.local import open_local
from cli.options import Db, Embed, Json
from cli.output import show

app = typer.Typer(help="Import a reference manager's library as a user's likes.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Import a reference manager's library as a user's likes."""


@app.command("import")
def import_library(
    file: Annotated[Path, typer.Argument(help="Library file: BibTeX, RIS, or a CSV export of Zotero.")],
    user: Annotated[str, typer.Option("--user", help="Id of the user who likes these papers.")],
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Record a like of the user for every paper in the library. Papers that are not in the database are added."""
    from service.app.libraries import import_library as store_library
    from service.ingest.libraries.library import read_library

    with open_local(db) as local:
        entries = [(entry.paper, entry.added_at) for entry in read_library(file)]
        done = store_library(local.store, local.clock, user, entries)
        embedded = local.embed(wanted=embed)
    result = {
        "papers": len(entries),
        "added": done.added_count,
        "matched": done.matched_count,
        "liked": done.liked_count,
        "embedded": embedded,
    }
    text = (
        f"{len(entries)} papers: {done.matched_count} in the database before, {done.added_count} added; "
        f"{done.liked_count} new likes of {user}"
    )
    show(result, as_json=as_json, text=text)
