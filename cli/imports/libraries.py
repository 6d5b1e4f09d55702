"""``paperfeed library``: import or sync a library, or add named papers, as a user's likes, without a server."""

from pathlib import Path
from typing import Annotated

import typer

from cli.imports import sync
from cli.imports.http import open_http
from cli.imports.personal import USER
from cli.imports.problems import check_report, end_with_nothing, show_import
from cli.local import open_local
from cli.options import Db, Embed, Json, Report
from service.config import Settings
from service.domain.errors import InvalidField
from service.ingest.libraries.library import Library, library_of, read_library
from service.ingest.problems import Problem
from service.ingest.source import iter_lines

app = typer.Typer(help="Import or sync a library, or add named papers, as a user's likes.", no_args_is_help=True)
app.add_typer(sync.app, name="sync")


@app.command("import")
def import_library(
    file: Annotated[Path, typer.Argument(help="Library file: BibTeX, RIS, or a CSV export of Zotero.")],
    user: sync.User,
    db: Db = None,
    embed: Embed = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse the whole file if one entry cannot be read or has no title.")
    ] = False,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Record a like of the user for every paper in the library. Papers that are not in the database are added.

    Entries that cannot be read or have no title are left out and listed. Importing the same file again changes nothing.
    """
    check_report(report)
    library = read_library(file, strict=strict)
    if not library.papers:
        end_with_nothing(file, library.skipped, report=report, as_json=as_json)
    _store(library, user, db, embed=embed, report=report, as_json=as_json)


@app.command("add")
def add(
    papers: Annotated[
        list[str] | None, typer.Argument(help="arXiv ids, addresses at arXiv, or titles of papers.")
    ] = None,
    user: sync.User = USER,
    file: Annotated[
        Path | None, typer.Option("--from", help="File with one paper on each line, in place of arguments.")
    ] = None,
    db: Db = None,
    embed: Embed = True,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Record a like of the user for each paper that is named. Papers with arXiv ids are fetched from arXiv.

    Adding the same papers again changes nothing.
    """
    from service.fetch.arxiv import arxiv_papers
    from service.ingest.libraries.named import entries, parse_names

    check_report(report)
    if bool(papers) == (file is not None):
        raise InvalidField("papers", "name papers, or a file with --from")
    names = parse_names([line for _, line in iter_lines(file)] if file else papers or [])
    settings, source = Settings.read(db=db), str(file or "arguments")
    ids = list(dict.fromkeys(name.arxiv for name in names if name.arxiv))
    with open_http(settings) as http:
        known = arxiv_papers(http, settings.arxiv_api_url, ids)
    library = library_of(entries(names, known, source), source)
    if not library.papers:
        end_with_nothing(Path(source), library.skipped, report=report, as_json=as_json)
    _store(library, user, db, embed=embed, report=report, as_json=as_json)


def _store(library: Library, user: str, db: str | None, *, embed: bool, report: Path | None, as_json: bool) -> None:
    from service.app.libraries import import_library as store_library

    with open_local(db, may_make=True) as local:
        done = store_library(
            local.store, local.clock, user, [(entry.paper, entry.added_at) for entry in library.papers]
        )
        embedded = local.embed(wanted=embed)
    conflicts = [
        Problem(entry.line, entry.key, f"{alias} belongs to another paper in the database; the id is left out")
        for entry, alias in ((library.papers[index], alias) for index, alias in done.conflicts)
    ]
    repaired = [*library.repaired, *conflicts]
    entry_count = library.read_count + len(library.skipped)
    result = {
        "entries": entry_count,
        "papers": len(library.papers),
        "added": done.added_count,
        "matched": done.matched_count,
        "liked": done.liked_count,
        "liked_before": done.liked_before_count,
        "embedded": embedded,
    }
    repeated = library.read_count - len(library.papers)
    text = (
        f"{library.read_count:,} of {entry_count:,} imported, {len(library.skipped):,} skipped\n"
        f"{len(library.papers):,} papers{f' ({repeated:,} repeated)' if repeated else ''}: "
        f"{done.matched_count:,} in the database before, {done.added_count:,} added; "
        f"{done.liked_count:,} new likes of {user}, {done.liked_before_count:,} liked before"
    )
    show_import(result, text, library.skipped, repaired, report=report, as_json=as_json)
