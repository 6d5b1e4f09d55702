"""``paperfeed fetch``: download papers and store them as a digest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cli.imports.digests import Add, DigestId, Replace, StoredDigest, chosen_effect, store_digest
from cli.imports.http import open_http
from cli.imports.problems import show_import
from cli.local import open_local
from cli.observed import job
from cli.options import Commands, Db, Embed, Json
from cli.output import show
from service.config import Settings
from service.domain.papers import Digest
from service.ingest.times import parse_date
from service.process.failures import note

if TYPE_CHECKING:
    from service.fetch.source import Source

app = Commands(help="Download new papers and store them as a digest.", no_args_is_help=True)

Date = Annotated[str | None, typer.Option(help="Day of the digest, YYYY-MM-DD. Default: today (UTC).")]


@dataclass(frozen=True)
class DigestOptions:
    """The digest that fetched papers are stored as."""

    date: Date = None
    digest_id: DigestId = ""
    add: Add = False
    replace: Replace = False
    db: Db = None
    embed: Embed = True
    as_json: Json = False


@app.command("arxiv")
@job("fetch arxiv")
def arxiv(
    categories: Annotated[str, typer.Option(help="arXiv categories with commas between them, such as cs.LG,cs.CL.")],
    options: DigestOptions,
    days: Annotated[
        int,
        typer.Option(
            help="Fetch papers submitted in this many days up to --date. 0 fetches the papers announced today.",
            min=0,
            max=60,
        ),
    ] = 0,
) -> None:
    """Fetch the papers that arXiv announced today, or those submitted in the last days."""
    from cli.imports import sources

    _fetch(options, lambda settings: sources.arxiv(settings, _names(categories), days))


@app.command("hf-daily")
@job("fetch hf-daily")
def hf_daily(options: DigestOptions) -> None:
    """Fetch the daily papers of Hugging Face for one day, with their upvotes."""
    from service.fetch.hf_daily import HfDaily

    _fetch(options, lambda settings: HfDaily(settings.hf_daily_url))


PreprintCategories = Annotated[
    str,
    typer.Option(
        "--categories", help="Categories with commas between them, such as cell_biology,genomics. Default: all."
    ),
]
PreprintDays = Annotated[
    int, typer.Option("--days", help="Fetch preprints posted in this many days up to --date.", min=1, max=60)
]


@app.command("biorxiv")
def biorxiv(options: DigestOptions, categories: PreprintCategories = "", days: PreprintDays = 2) -> None:
    """Fetch the new preprints of bioRxiv. New versions of older preprints are left out."""
    _fetch_preprints(options, "biorxiv", categories, days)


@app.command("medrxiv")
def medrxiv(options: DigestOptions, categories: PreprintCategories = "", days: PreprintDays = 2) -> None:
    """Fetch the new preprints of medRxiv. New versions of older preprints are left out."""
    _fetch_preprints(options, "medrxiv", categories, days)


@app.command("feed")
@job("fetch feed")
def feed(url: Annotated[str, typer.Argument(help="URL of an RSS, Atom or JSON feed.")], options: DigestOptions) -> None:
    """Fetch the entries of an RSS, Atom or JSON feed, such as a journal's."""
    from service.fetch.feed import AnyFeed

    _fetch(options, lambda _: AnyFeed(url))


@app.command("all")
def fetch_all(
    days: Annotated[
        int,
        typer.Option(
            help="Fetch the papers of this many days up to --date from the archives. 0 fetches today's announcements.",
            min=0,
            max=60,
        ),
    ] = 0,
    date: Date = None,
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Fetch the sources that paperfeed.toml names into one digest, daily-DATE.

    A source that fails does not stop the others, but the exit code is then 1.
    """
    from cli.imports.daily import fetch_daily

    done = fetch_daily(db, date, days, embed=embed)
    show(done.as_json(), as_json=as_json, text=done.in_words())
    if done.problems:
        raise typer.Exit(1)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _fetch_preprints(options: DigestOptions, server: str, categories: str, days: int) -> None:
    from cli.imports import sources

    _fetch(options, lambda settings: sources.preprints(settings, server, _names(categories), days))


def _fetch(options: DigestOptions, choose: "Callable[[Settings], Source]") -> None:
    """Fetch papers from a source and store them. Exits with code 1 if papers that should be there are missing."""
    from service.fetch.kept_pages import KeptPages

    existing = chosen_effect(add=options.add, replace=options.replace)
    stored: StoredDigest | None = None
    with open_local(options.db, may_make=True) as local:
        settings, now = local.settings, local.clock.now()
        day = parse_date(options.date, now=now) if options.date else now.date()
        kept = KeptPages(settings.fetch_path)
        with open_http(settings) as http:
            found = choose(settings).fetch(http, day, kept)
        if kept.found_count:
            note(f"{kept.found_count} pages were kept from an earlier run that was interrupted")
        if found.papers:
            digest = Digest(digest_id=options.digest_id, date=day, title=found.title, source=found.source)
            stored = store_digest(local, digest, found.papers, existing=existing, embed=options.embed)
        # Only now, so that a run killed earlier can resume from the pages.
        if not found.problem:
            kept.forget()
    # Most sources publish nothing at weekends. On a weekday an empty result is suspicious.
    is_suspicious = stored is None and day.isoweekday() <= 5
    problem = found.problem or ("no paper on a weekday" if is_suspicious else "")
    result = {
        "digest_id": stored.digest_id if stored else "",
        "date": day.isoformat(),
        "papers": len(found.papers),
        "new": stored.counts["new"] if stored else 0,
        "embedded": stored.counts["embedded"] if stored else 0,
        "dropped": stored.done.dropped_count if stored else 0,
        "problem": problem,
    }
    name = stored.digest_id if stored else options.digest_id or f"{found.source}, {day}"
    text = f"{name}: {len(found.papers)} papers, {result['new']} new, {result['embedded']} embedded"
    text = f"{text}; incomplete: {problem}" if problem else text
    lines = [text, *(stored.notes if stored else ())]
    show_import(result, "\n".join(lines), found.skipped, report=None, as_json=options.as_json)
    if problem:
        raise typer.Exit(1)
