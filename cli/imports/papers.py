"""``paperfeed papers``: import papers from a file."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cli.imports.local import open_local
from cli.options import Db, Embed, Json
from cli.output import progress_bar, show

app = typer.Typer(help="Import papers into the catalog.", no_args_is_help=True)
BATCH_SIZE = 1_000


@app.callback()
def group() -> None:
    """Import papers into the catalog."""


@app.command("import")
def import_papers(
    file: Annotated[
        Path,
        typer.Argument(help="JSON Lines file, one paper per line; paper_id and title are required. May be gzipped."),
    ],
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Store papers. If one line is wrong, nothing is stored. Importing the same file again changes nothing."""
    from service.domain.papers import UpsertOutcome
    from service.ingest.jsonl import iter_papers

    total = sum(1 for _ in iter_papers(file))
    counts = dict.fromkeys(UpsertOutcome, 0)
    with open_local(db) as local:
        papers = iter_papers(file)
        with progress_bar("storing", total) as bar:
            while batch := list(islice(papers, BATCH_SIZE)):
                for _, outcome in local.catalog.upsert(batch):
                    counts[outcome] += 1
                bar.advance(len(batch))
        embedded = local.embed(wanted=embed)
        pending = local.pending()
    result = {
        "papers": total,
        "new": counts[UpsertOutcome.CREATED],
        "updated": counts[UpsertOutcome.UPDATED],
        "unchanged": counts[UpsertOutcome.UNCHANGED],
        "embedded": embedded,
        "pending": pending,
    }
    text = f"{total} papers, {result['new']} new, {result['updated']} updated, {embedded} embedded, "
    text += f"{pending} waiting for a vector"
    show(result, as_json=as_json, text=text)
