"""``paperfeed papers`` and ``events``: import a file into the database, without a server."""

import csv
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cli.imports.digests import counted
from cli.imports.problems import check_report, end_with_nothing, show_import
from cli.local import open_local
from cli.options import Db, Embed, Json, Report
from cli.output import progress_bar, show
from service.domain.errors import InvalidFile, NotFound
from service.domain.papers import UpsertOutcome
from service.ingest.events_csv import iter_events
from service.ingest.jsonl import iter_papers
from service.ingest.problems import Problem
from service.ingest.source import iter_lines, source_name

papers = typer.Typer(help="Import papers into the catalog.", no_args_is_help=True)
events = typer.Typer(help="Import events: likes, clicks and other actions of users on papers.", no_args_is_help=True)
BATCH_SIZE = 1_000


@papers.command("import")
def import_papers(
    file: Annotated[
        Path,
        typer.Argument(help="JSON Lines file, one paper per line; paper_id and title are required. May be gzipped."),
    ],
    db: Db = None,
    embed: Embed = True,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict/--no-strict", help="Refuse the whole file for one wrong line, or leave out wrong lines."
        ),
    ] = True,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Store papers. By default, nothing is stored if one line is wrong, because programs write these files.

    Importing the same file again changes nothing.
    """
    check_report(report)
    skipped: list[Problem] = []
    total = sum(1 for _ in iter_papers(file, on_problem=None if strict else skipped.append))
    if not total:
        end_with_nothing(file, skipped, report=report, as_json=as_json)
    outcomes = dict.fromkeys(UpsertOutcome, 0)
    with open_local(db, may_make=True) as local:
        read = iter_papers(file, on_problem=None if strict else lambda _: None)  # they are listed already
        with progress_bar("storing", total) as bar:
            while batch := list(islice(read, BATCH_SIZE)):
                for _, outcome in local.catalog.upsert(batch):
                    outcomes[outcome] += 1
                bar.advance(len(batch))
        counts, text = counted(local, outcomes, wanted=embed)
    if skipped:
        text += f"\n{total:,} of {total + len(skipped):,} imported, {len(skipped):,} skipped"
    show_import({"papers": total, **counts}, f"{total} papers, {text}", skipped, report=report, as_json=as_json)


@events.command("import")
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

    with open_local(db) as local:
        read = list(iter_events(file, now=local.clock.now()))
        try:
            _, new = Profiles(local.store, local.clock).record(read)
        except NotFound as error:
            problem = f"paper_id: no paper '{error.name}'; import it first"
            raise InvalidFile(source_name(file), problem, line=_line_of(file, error.name)) from error
    result = {"events": len(read), "recorded": sum(new), "duplicates": len(new) - sum(new)}
    text = f"{result['events']} events, {result['recorded']} new, {result['duplicates']} stored before"
    show(result, as_json=as_json, text=text)


def _line_of(file: Path, paper_id: str) -> int | None:
    """Return the line that first names the paper. This reads the file again, so it is called on failure only."""
    rows = csv.reader(line for _, line in iter_lines(file))
    column: int | None = None
    for row in rows:
        values = [value.strip() for value in row]
        if column is None and "paper_id" in values:
            column = values.index("paper_id")
        elif column is not None and values[column : column + 1] == [paper_id]:
            return rows.line_num
    return None
