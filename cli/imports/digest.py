"""``paperfeed digest``: import a digest from a file."""

from pathlib import Path
from typing import Annotated

import typer

from cli.imports.local import open_local
from cli.options import Db, Embed, Json
from cli.output import show

app = typer.Typer(help="Import digests: the papers of one day that are ranked for every user.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Import digests: the papers of one day that are ranked for every user."""


@app.command("import")
def import_digest(
    file: Annotated[
        Path,
        typer.Argument(help="Saved text of a trending page, daily-papers JSON, an Atom or RSS feed, or JSON Lines."),
    ],
    date: Annotated[
        str | None, typer.Option(help="Day of the digest, YYYY-MM-DD. Required if the file does not name one.")
    ] = None,
    digest_id: Annotated[str, typer.Option("--id", help="Id of the digest. Default: SOURCE-DATE.")] = "",
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Store a digest and its papers from a file. Importing the same file again changes nothing."""
    from service.domain.papers import Digest, UpsertOutcome
    from service.ingest.digests.digest import read_digest
    from service.ingest.times import parse_date

    with open_local(db) as local:
        now = local.clock.now()
        parsed = read_digest(file, date=parse_date(date, now=now) if date else None, now=now)
        digest = Digest(digest_id=digest_id, date=parsed.date, title=parsed.title, source=parsed.source_name)
        done = local.catalog.import_digest(digest, parsed.papers)
        embedded = local.embed(wanted=embed)
        pending = local.pending()
    counts = done.paper_outcomes
    result = {
        "digest_id": done.digest.digest_id,
        "date": done.digest.date.isoformat(),
        "digest": done.digest_outcome.value,
        "papers": len(done.digest.paper_ids),
        "new": counts[UpsertOutcome.CREATED],
        "updated": counts[UpsertOutcome.UPDATED],
        "unchanged": counts[UpsertOutcome.UNCHANGED],
        "dropped": done.dropped_count,
        "embedded": embedded,
        "pending": pending,
    }
    text = (
        f"{result['digest_id']}: {result['papers']} papers, {result['new']} new, {result['updated']} updated, "
        f"{embedded} embedded, {pending} waiting for a vector"
    )
    if done.dropped_count:
        text += (
            f"\nit replaces the earlier digest with this id and leaves out {done.dropped_count} of its papers; "
            "to keep both, give this one another --id"
        )
    show(result, as_json=as_json, text=text)
