"""``paperfeed digest``: import a digest from a file without a server. ``paperfeed fetch`` stores digests alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.imports.problems import check_report, show_import
from cli.local import Local, open_local
from cli.observed import job
from cli.options import Db, Embed, Json, Report
from service.app.catalog import MAX_DIGEST_PAPERS, DigestImport, Existing
from service.domain.errors import InvalidField, InvalidFile
from service.domain.papers import Digest, Paper, UpsertOutcome
from service.ingest.digests.digest import read_digest
from service.ingest.source import source_name
from service.ingest.times import parse_date

app = typer.Typer(help="Import digests: the papers of one day that are ranked for every user.", no_args_is_help=True)

DigestId = Annotated[
    str,
    typer.Option("--id", help="Id of the digest. Default: SOURCE-DATE, or SOURCE-DATE-ORIGIN for a second source."),
]
Add = Annotated[
    bool, typer.Option("--add", help="Add the papers to the digest with this id (default: SOURCE-DATE) if it exists.")
]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="Replace the digest with this id, even if its papers came from another source."),
]


@app.command("import")
@job("digest import")
def import_digest(
    file: Annotated[
        Path,
        typer.Argument(
            help="RSS, Atom or JSON Feed; daily-papers JSON; JSON Lines; a Markdown list of papers with links; or the "
            "saved text of a trending page."
        ),
    ],
    date: Annotated[
        str | None, typer.Option(help="Day of the digest, YYYY-MM-DD. Required if the file does not name one.")
    ] = None,
    digest_id: DigestId = "",
    add: Add = False,
    replace: Replace = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Store nothing if an entry cannot be used. Default: leave such entries out and list them."
        ),
    ] = False,
    report: Report = None,
    db: Db = None,
    embed: Embed = True,
    as_json: Json = False,
) -> None:
    """Store a digest and its papers from a file. Importing the same file again changes nothing."""
    existing = chosen_effect(add=add, replace=replace)
    check_report(report)
    with open_local(db, may_make=True) as local:
        now = local.clock.now()
        parsed = read_digest(file, date=parse_date(date, now=now) if date else None, now=now)
        if strict and parsed.skipped:
            raise InvalidFile(
                source_name(file), f"{len(parsed.skipped)} entries cannot be used, first {parsed.skipped[0]}"
            )
        digest = Digest(digest_id=digest_id, date=parsed.date, title=parsed.title, source=parsed.source)
        stored = store_digest(local, digest, parsed.papers, existing=existing, embed=embed)
    result = {
        "digest_id": stored.digest_id,
        "date": parsed.date.isoformat(),
        "digest": stored.done.digest_outcome.value,
        "papers": len(stored.done.digest.paper_ids),
        "dropped": stored.done.dropped_count,
        **stored.counts,
        "replaced": parsed.replaced_count,
    }
    text = f"{stored.digest_id}: {result['papers']} papers, {stored.text}"
    lines = [f"{text}, {len(parsed.skipped)} left out" if parsed.skipped else text, *stored.notes]
    if parsed.replaced_count:
        lines.append(f"{parsed.replaced_count} new versions of older papers are not in it")
    show_import(result, "\n".join(lines), parsed.skipped, report=report, as_json=as_json)


@dataclass(frozen=True)
class StoredDigest:
    """A stored digest.

    Attributes:
        counts: Numbers of new, updated, unchanged, embedded and pending papers by name.
        text: The counts in words.
        notes: One line for each thing that the user may not expect, such as a replacement.
    """

    done: DigestImport
    counts: dict[str, Any]
    text: str
    notes: tuple[str, ...]

    @property
    def digest_id(self) -> str:
        """The id under which it was stored."""
        return self.done.digest.digest_id


def chosen_effect(*, add: bool, replace: bool) -> Existing:
    """Return what --add and --replace ask for.

    Raises:
        InvalidField: Both were given.
    """
    if add and replace:
        raise InvalidField("add", "cannot be combined with --replace")
    return Existing.ADD if add else Existing.REPLACE if replace else Existing.REPLACE_SAME_SOURCE


def store_digest(
    local: Local, digest: Digest, papers: Sequence[Paper], *, existing: Existing, embed: bool
) -> StoredDigest:
    """Store a digest; if it has too many papers, only the first ones."""
    done = local.catalog.import_digest(digest, papers[:MAX_DIGEST_PAPERS], existing=existing)
    counts, text = counted(local, done.paper_outcomes, wanted=embed)
    return StoredDigest(done, counts, text, tuple(_notes(done, papers, counts)))


def _notes(done: DigestImport, papers: Sequence[Paper], counts: dict[str, Any]) -> list[str]:
    notes = []
    if len(papers) > MAX_DIGEST_PAPERS:
        notes.append(f"only the first {MAX_DIGEST_PAPERS:,} of {len(papers):,} papers are in it; a digest has no more")
    if done.dropped_count:
        notes.append(
            f"it replaces the earlier digest with this id and leaves out {done.dropped_count} of its papers; "
            "to keep both, give this one another --id, or join them with --add"
        )
    if done.kept_count:
        notes.append(f"{done.kept_count} papers were in this digest before")
    if papers and not counts["new"]:
        days = [paper.published_at for paper in papers if paper.published_at]
        newest = f"; the newest is of {max(days):%Y-%m-%d}" if days else ""
        notes.append(f"nothing new: all {len(papers)} papers were known before{newest}")
    return notes


def counted(local: Local, outcomes: dict[UpsertOutcome, int], *, wanted: bool) -> tuple[dict[str, Any], str]:
    """Embed the new papers if requested; return the counts of the import by name, and in words."""
    new, updated = outcomes[UpsertOutcome.CREATED], outcomes[UpsertOutcome.UPDATED]
    embedded, pending = local.embed(wanted=wanted), local.pending()
    text = f"{new} new, {updated} updated, {embedded} embedded, {pending} waiting for a vector"
    counts = {"new": new, "updated": updated, "unchanged": outcomes[UpsertOutcome.UNCHANGED]}
    return {**counts, "embedded": embedded, "pending": pending}, text
