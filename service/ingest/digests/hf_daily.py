"""JSON of the Hugging Face daily-papers API: a list of objects, each with a ``paper``."""

import datetime as dt

from service.domain.errors import InvalidFile
from service.domain.identifiers import arxiv_id
from service.domain.papers import Paper
from service.ingest.json_record import JsonRecord, load_json
from service.ingest.papers import one_line, snippet, valid_paper
from service.ingest.problems import Problem

PAGE_ADDRESS = "https://huggingface.co/papers/"


def parse_hf_daily(text: str, source: str) -> tuple[tuple[Paper, ...], dt.date | None, tuple[Problem, ...]]:
    """Return the papers in the list's order, the newest day on which one was added to the list, and what was left out.

    Entries that are repeated, or break a rule, are left out. They are named by zero-based numbers, as JSON tools count.

    Raises:
        InvalidFile: Not JSON, or not a list.
    """
    entries = load_json(text, source)
    if not isinstance(entries, list):
        raise InvalidFile(source, "must be a list of daily papers")
    papers: dict[str, Paper] = {}
    places: dict[str, str] = {}
    days: list[dt.date] = []
    skipped: list[Problem] = []
    for index, entry in enumerate(entries):
        place = f"[{index}]"
        try:
            record = JsonRecord.of(entry, source)
            described = record.record("paper")
            paper = _paper(described)
            listed_at = described.time("submittedOnDailyAt") or record.time("publishedAt")
        except InvalidFile as error:
            skipped.append(Problem(None, place, error.problem))
            continue
        if paper.paper_id in papers:
            skipped.append(Problem(None, place, f"repeats the paper of {places[paper.paper_id]}"))
            continue
        papers[paper.paper_id], places[paper.paper_id] = paper, place
        if listed_at:
            days.append(listed_at.date())
    return tuple(papers.values()), max(days, default=None), tuple(skipped)


def _paper(record: JsonRecord) -> Paper:
    given_id = record.text("id", required=True)
    paper_id = arxiv_id(given_id)
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
