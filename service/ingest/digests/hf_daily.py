"""JSON of the Hugging Face daily-papers API: a list of objects, each with a ``paper``."""

import datetime as dt

from service.domain.errors import InvalidFile
from service.domain.identifiers import arxiv_id
from service.domain.papers import Paper
from service.ingest.json_record import JsonRecord, load_json
from service.ingest.papers import SeenPapers, one_line, short_name, snippet, valid_paper

PAGE_ADDRESS = "https://huggingface.co/papers/"


def parse_hf_daily(text: str, source: str) -> tuple[tuple[Paper, ...], dt.date | None]:
    """Return the papers in the list's order, and the newest day on which one of them was added to the list.

    Raises:
        InvalidFile: The error names the entry (zero-based, as JSON tools count) and the field.
    """
    entries = load_json(text, source)
    if not isinstance(entries, list):
        raise InvalidFile(source, "must be a list of daily papers")
    seen = SeenPapers(source)
    papers: list[Paper] = []
    days: list[dt.date] = []
    for index, entry in enumerate(entries):
        record = JsonRecord.of(entry, source, path=f"[{index}]")
        described = record.record("paper")
        papers.append(_paper(described))
        seen.add(papers[-1].paper_id, record.path)
        listed_at = described.time("submittedOnDailyAt") or record.time("publishedAt")
        if listed_at:
            days.append(listed_at.date())
    return tuple(papers), max(days, default=None)


def _paper(record: JsonRecord) -> Paper:
    given_id = record.text("id", required=True)
    paper_id = arxiv_id(short_name(given_id))
    if paper_id is None:
        record.fail("id", f"{snippet(given_id)} is not an arXiv id")
    authors = (
        JsonRecord.of(author, record.source, path=f"{record.path}.authors[{index}]")
        for index, author in enumerate(record.items("authors"))
    )
    paper = Paper(
        paper_id=f"arxiv:{paper_id}",
        title=one_line(record.text("title", required=True)),
        abstract=one_line(record.text("summary")),
        authors=tuple(one_line(author.text("name", required=True)) for author in authors),
        url=f"{PAGE_ADDRESS}{paper_id}",
        published_at=record.time("publishedAt"),
        upvotes=record.count("upvotes"),
    )
    return valid_paper(paper, record.source, place=record.path)
