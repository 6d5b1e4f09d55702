"""``paperfeed events``: import what users did with papers."""

from pathlib import Path
from typing import Annotated

import typer

from cli.imports.local import open_local
from cli.options import Db, Json
from cli.output import show

app = typer.Typer(help="Import events: likes, clicks and other actions of users on papers.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Import events: likes, clicks and other actions of users on papers."""


@app.command("import")
def import_events(
    file: Annotated[
        Path, typer.Argument(help="CSV file with the columns user_id, paper_id, event, occurred_at; may be gzipped.")
    ],
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Store events on papers that are in the database. If one line is wrong, nothing is stored.

    Importing the same file again changes nothing.
    """
    from service.app.profiles import Profiles
    from service.domain.errors import InvalidFile, NotFound
    from service.ingest.events_csv import iter_events
    from service.ingest.source import source_name

    with open_local(db) as local:
        events = list(iter_events(file, now=local.clock.now()))
        try:
            _, new = Profiles(local.store, local.clock).record(events)
        except NotFound as error:
            problem = f"paper_id: no paper '{error.name}'; import it first"
            raise InvalidFile(source_name(file), problem, line=_line_of(file, error.name)) from error
    result = {"events": len(events), "recorded": sum(new), "duplicates": len(new) - sum(new)}
    text = f"{result['events']} events, {result['recorded']} new, {result['duplicates']} stored before"
    show(result, as_json=as_json, text=text)


def _line_of(file: Path, paper_id: str) -> int | None:
    """Return the line that first names the paper. This reads the file again, so it is called on failure only."""
    import csv

    from service.ingest.source import iter_lines

    rows = csv.reader(line for _, line in iter_lines(file))
    column: int | None = None
    for row in rows:
        values = [value.strip() for value in row]
        if column is None and "paper_id" in values:
            column = values.index("paper_id")
        elif column is not None and values[column : column + 1] == [paper_id]:
            return rows.line_num
    return None
