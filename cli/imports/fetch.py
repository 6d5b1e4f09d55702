"""``paperfeed fetch``: download papers and store them as a digest."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cli.imports.digests import Add, DigestId, Replace, StoredDigest, chosen_effect, store_digest
from cli.imports.http import open_http
from cli.imports.problems import show_import
from cli.local import open_local
from cli.observed import job
from cli.options import Db, Embed, Json
from service.app.catalog import Existing
from service.config import Settings
from service.domain.papers import Digest
from service.ingest.times import parse_date
from service.process.failures import note

if TYPE_CHECKING:
    from service.fetch.http import Http
    from service.fetch.kept_pages import KeptPages
    from service.fetch.sources import Fetched

app = typer.Typer(help="Download new papers and store them as a digest.", no_args_is_help=True)

Date = Annotated[str | None, typer.Option(help="Day of the digest, YYYY-MM-DD. Default: today (UTC).")]


@app.command("arxiv")
@job("fetch arxiv")
def arxiv(
    categories: Annotated[str, typer.Option(help="arXiv categories with commas between them, such as cs.LG,cs.CL.")],
    days: Annotated[
        int,
        typer.Option(
            help="Fetch papers submitted in this many days up to --date. 0 fetches the papers announced today.",
            min=0,
            max=60,
        ),
    ] = 0,
    date: Date = None,
    digest_id: DigestId = "",
    add: Add = False,
    replace: Replace = False,
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Fetch the papers that arXiv announced today, or those submitted in the last days."""
    from service.fetch import sources

    names = [name.strip() for name in categories.split(",") if name.strip()]

    def fetch(http: "Http", settings: Settings, day: dt.date, kept: "KeptPages") -> "Fetched":
        if not days:
            return sources.arxiv_announced(http, settings.arxiv_feed_url, names)
        first = day - dt.timedelta(days=days - 1)
        return sources.arxiv_submitted(http, settings.arxiv_api_url, names, first, day, kept)

    options = _Options(date, digest_id, chosen_effect(add=add, replace=replace), db, embed, as_json)
    _fetch(options, fetch)


@app.command("hf-daily")
@job("fetch hf-daily")
def hf_daily(
    date: Date = None,
    digest_id: DigestId = "",
    add: Add = False,
    replace: Replace = False,
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Fetch the daily papers of Hugging Face for one day, with their upvotes."""
    from service.fetch.sources import hf_daily as daily

    options = _Options(date, digest_id, chosen_effect(add=add, replace=replace), db, embed, as_json)
    _fetch(options, lambda http, settings, day, _: daily(http, settings.hf_daily_url, day))


@app.command("feed")
@job("fetch feed")
def feed(
    url: Annotated[str, typer.Argument(help="URL of an RSS, Atom or JSON feed.")],
    date: Date = None,
    digest_id: DigestId = "",
    add: Add = False,
    replace: Replace = False,
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Fetch the entries of an RSS, Atom or JSON feed, such as a journal's."""
    from service.fetch.sources import any_feed

    options = _Options(date, digest_id, chosen_effect(add=add, replace=replace), db, embed, as_json)
    _fetch(options, lambda http, *_: any_feed(http, url))


@dataclass(frozen=True)
class _Options:
    """Options that all sources share."""

    date: str | None
    digest_id: str
    existing: Existing
    db: str | None
    embed: bool
    as_json: bool


def _fetch(options: _Options, fetch: "Callable[[Http, Settings, dt.date, KeptPages], Fetched]") -> None:
    """Fetch papers and store them. Exits with code 1 if papers that should be there are missing."""
    from service.fetch.kept_pages import KeptPages

    stored: StoredDigest | None = None
    with open_local(options.db) as local:
        settings, now = local.settings, local.clock.now()
        day = parse_date(options.date, now=now) if options.date else now.date()
        kept = KeptPages(settings.fetch_path)
        with open_http(settings) as http:
            found = fetch(http, settings, day, kept)
        if kept.found_count:
            note(f"{kept.found_count} pages were kept from an earlier run that was interrupted")
        if found.papers:
            digest = Digest(digest_id=options.digest_id, date=day, title=found.title, source=found.source)
            stored = store_digest(local, digest, found.papers, existing=options.existing, embed=options.embed)
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
