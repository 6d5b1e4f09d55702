"""``paperfeed fetch``: download papers and store them as a digest."""

import datetime as dt
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from cli.local import open_local
from cli.options import Db, Embed, Json
from cli.output import show
from service.config import Settings
from service.domain.papers import Digest, UpsertOutcome
from service.ingest.times import parse_date
from service.process.failures import note

if TYPE_CHECKING:
    from service.fetch.http import Http
    from service.fetch.kept_pages import KeptPages
    from service.fetch.sources import Fetched

app = typer.Typer(help="Download new papers and store them as a digest.", no_args_is_help=True)

Date = Annotated[str | None, typer.Option(help="Day of the digest, YYYY-MM-DD. Default: today (UTC).")]
DigestId = Annotated[str, typer.Option("--id", help="Id of the digest. Default: SOURCE-DATE.")]


@app.command("arxiv")
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

    _fetch(date, digest_id, db, embed, as_json, fetch)


@app.command("hf-daily")
def hf_daily(
    date: Date = None, digest_id: DigestId = "", db: Db = None, embed: Embed = True, as_json: Json = False
) -> None:
    """Fetch the daily papers of Hugging Face for one day, with their upvotes."""
    from service.fetch.sources import hf_daily as daily

    _fetch(date, digest_id, db, embed, as_json, lambda http, settings, day, _: daily(http, settings.hf_daily_url, day))


@app.command("feed")
def feed(
    url: Annotated[str, typer.Argument(help="URL of an RSS or Atom feed.")],
    date: Date = None,
    digest_id: DigestId = "",
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Fetch the entries of an RSS or Atom feed, such as a journal's."""
    from service.fetch.sources import any_feed

    _fetch(date, digest_id, db, embed, as_json, lambda http, *_: any_feed(http, url))


def _fetch(
    date: str | None,
    digest_id: str,
    db: str | None,
    embed: bool,
    as_json: bool,
    fetch: "Callable[[Http, Settings, dt.date, KeptPages], Fetched]",
) -> None:
    """Fetch papers and store them. Exits with code 1 if papers that should be there are missing."""
    from service.fetch.http import Http, RetryLimits
    from service.fetch.kept_pages import KeptPages

    with open_local(db) as local:
        settings, now = local.settings, local.clock.now()
        day = parse_date(date, now=now) if date else now.date()
        kept = KeptPages(settings.fetch_path)
        contact = f" ({settings.fetch_contact})" if settings.fetch_contact else ""
        limits = RetryLimits(
            tries=settings.fetch_tries,
            timeout_seconds=settings.fetch_timeout_seconds,
            pause_seconds=settings.fetch_pause_seconds,
            wait_seconds=settings.fetch_wait_seconds,
        )
        with Http(f"paperfeed/{version('paperfeed')}{contact}", limits) as http:
            found = fetch(http, settings, day, kept)
        if kept.found_count:
            note(f"{kept.found_count} pages were kept from an earlier run that was interrupted")
        name = digest_id or f"{found.source_name}-{day}"
        new = 0
        if found.papers:
            digest = Digest(digest_id=name, date=day, title=found.title, source=found.source_name)
            new = local.catalog.import_digest(digest, found.papers).paper_outcomes[UpsertOutcome.CREATED]
        # Only now, so that a run killed earlier can resume from the pages.
        if not found.problem:
            kept.forget()
        embedded = local.embed(wanted=embed) if found.papers else 0
    # Most sources publish nothing at weekends. On a weekday an empty result is suspicious.
    is_suspicious = not found.papers and day.isoweekday() <= 5
    problem = found.problem or ("no paper on a weekday" if is_suspicious else "")
    result = {
        "digest_id": name if found.papers else "",
        "date": day.isoformat(),
        "papers": len(found.papers),
        "new": new,
        "embedded": embedded,
        "problem": problem,
    }
    text = f"{name}: {len(found.papers)} papers, {new} new, {embedded} embedded"
    show(result, as_json=as_json, text=f"{text}; incomplete: {problem}" if problem else text)
    if problem:
        raise typer.Exit(1)
