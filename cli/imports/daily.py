"""Fetches all sources that the settings name into one digest of the day."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cli.imports.digests import StoredDigest, store_digest
from cli.imports.http import open_http
from cli.imports.personal import SourceSettings
from cli.imports.sources import chosen_sources
from cli.local import Local, open_local
from service.app.catalog import Existing
from service.domain.errors import InvalidField, PaperfeedError
from service.domain.papers import Digest, Paper
from service.fetch.kept_pages import KeptPages
from service.fetch.source import Fetched, Source
from service.ingest.times import parse_date

SOURCE = "daily"


@dataclass(frozen=True)
class OneSource:
    """What one source gave: the number of papers, and why papers are missing (empty if none are)."""

    name: str
    paper_count: int
    problem: str = ""


@dataclass(frozen=True)
class DailyFetch:
    """Result of a fetch from all sources.

    Attributes:
        sources: What each source gave.
        stored: The digest; None if no source gave a paper.
    """

    day: dt.date
    sources: tuple[OneSource, ...]
    stored: StoredDigest | None

    @property
    def problems(self) -> list[str]:
        """What went wrong. No paper at all on a weekday is a problem too, because most sources then have some."""
        found = [f"{each.name}: {each.problem}" for each in self.sources if each.problem]
        if not found and self.stored is None and self.day.isoweekday() <= 5:
            found = ["no source has a paper, on a weekday"]
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the result for programs."""
        return {
            "digest_id": self.stored.digest_id if self.stored else "",
            "date": self.day.isoformat(),
            "sources": [{"name": each.name, "papers": each.paper_count} for each in self.sources],
            "papers": len(self.stored.done.digest.paper_ids) if self.stored else 0,
            "new": self.stored.counts["new"] if self.stored else 0,
            "embedded": self.stored.counts["embedded"] if self.stored else 0,
            "problems": self.problems,
        }

    def in_words(self) -> str:
        """Return the result as lines of text."""
        lines = [f"{each.name}: {each.paper_count} papers" for each in self.sources]
        if self.stored:
            count = len(self.stored.done.digest.paper_ids)
            lines.append(f"{self.stored.digest_id}: {count} papers, {self.stored.text}")
        return "\n".join([*lines, *(f"problem: {problem}" for problem in self.problems)])


def fetch_daily(db: str | None, date: str | None, days: int, *, embed: bool) -> DailyFetch:
    """Fetch all sources and add their papers to the digest ``daily-DATE``.

    Args:
        date: Day of the digest, YYYY-MM-DD; None means today (UTC).
        days: See ``chosen_sources``.

    Raises:
        InvalidField: The settings name no source.
    """
    wanted = SourceSettings.read()
    with open_local(db) as local:
        now = local.clock.now()
        day = parse_date(date, now=now) if date else now.date()
        sources = chosen_sources(local.settings, wanted, days)
        if not sources:
            raise InvalidField(
                "sources", "paperfeed.toml names none: fill its table [sources], or run `paperfeed init`"
            )
        return _fetch_into(local, sources, day, embed=embed)


def _fetch_into(local: Local, sources: Sequence[Source], day: dt.date, *, embed: bool) -> DailyFetch:
    kept = KeptPages(local.settings.fetch_path)
    papers: dict[str, Paper] = {}
    outcomes: list[OneSource] = []
    with open_http(local.settings) as http:
        for source in sources:
            try:
                found = source.fetch(http, day, kept)
            except InvalidField:
                raise
            except PaperfeedError as error:
                found = Fetched("", "", (), str(error))
            outcomes.append(OneSource(source.name, len(found.papers), found.problem))
            for paper in found.papers:
                known = papers.setdefault(paper.paper_id, paper)
                # The daily papers have upvotes, arXiv has categories.
                papers[paper.paper_id] = replace(known, upvotes=known.upvotes or paper.upvotes)
    stored = None
    if papers:
        digest = Digest(digest_id=f"{SOURCE}-{day}", date=day, title=f"Papers of {day}", source=SOURCE)
        stored = store_digest(local, digest, list(papers.values()), existing=Existing.ADD, embed=embed)
    if not any(each.problem for each in outcomes):
        kept.forget()
    return DailyFetch(day, tuple(outcomes), stored)
