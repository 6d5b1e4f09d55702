"""JSON of the API of bioRxiv and medRxiv: ``messages`` about the list, and its ``collection`` of preprints."""

from dataclasses import dataclass

from service.domain.errors import InvalidFile
from service.domain.identifiers import doi
from service.domain.papers import Paper
from service.ingest.digests.names import author_names
from service.ingest.json_record import JsonRecord, load_json
from service.ingest.papers import plain_text, snippet, valid_paper
from service.ingest.problems import Problem

NO_POSTS = "no posts found"


@dataclass(frozen=True, slots=True)
class PreprintPage:
    """One page of a list of preprints.

    Attributes:
        papers: The first versions of the page, each once, in its order.
        versions: DOI and version of every entry, new or not.
        entry_count: Number of entries of the page.
        total: Number of entries of the whole list.
        skipped: Entries that were left out because they break a rule.
    """

    papers: tuple[Paper, ...]
    versions: frozenset[tuple[str, str]]
    entry_count: int
    total: int
    skipped: tuple[Problem, ...] = ()


def parse_preprints(text: str, source: str, category: str = "") -> PreprintPage:
    """Return the preprints of a page of the API. Later versions of a preprint are no new papers and left out.

    Args:
        category: Only preprints of this category, in small letters, are returned; empty means all.

    Raises:
        InvalidFile: Not JSON, not an answer of the API, or the API's message that the request is wrong.
    """
    answer = JsonRecord.of(load_json(text, source), source)
    messages = answer.items("messages")
    message = JsonRecord.of(messages[0] if messages else {}, source, path="messages[0]")
    status = message.text("status")
    if status != "ok" and not status.lower().startswith(NO_POSTS):
        raise InvalidFile(source, f"the API says {snippet(status)}" if status else "is no list of preprints")
    entries = answer.items("collection")
    papers: dict[str, Paper] = {}
    versions: set[tuple[str, str]] = set()
    skipped: list[Problem] = []
    for index, entry in enumerate(entries):
        place = f"[{index}]"
        try:
            record = JsonRecord.of(entry, source, path=f"collection{place}")
            version = _number(record, "version") or 1
            versions.add((record.text("doi"), str(version)))
            subject = record.text("category").strip().lower().replace("_", " ")
            if version == 1 and subject == (category or subject):
                paper = _paper(record)
                papers.setdefault(paper.paper_id, paper)
        except InvalidFile as error:
            skipped.append(Problem(None, place, error.problem))
    total = _number(message, "total")
    return PreprintPage(
        tuple(papers.values()),
        frozenset(versions),
        len(entries),
        len(entries) if total is None else total,
        tuple(skipped),
    )


def _number(record: JsonRecord, field: str) -> int | None:
    """Return a number, which the API writes as a number in some answers and as a text in others."""
    value = record.values.get(field)
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            record.fail(field, f"{snippet(value)} is not a number")
        return int(value)
    return record.count(field)


def _paper(record: JsonRecord) -> Paper:
    given = record.text("doi", required=True)
    found = doi(given)
    if found is None:
        record.fail("doi", f"{snippet(given)} is not a DOI")
    category = plain_text(record.text("category"))
    paper = Paper(
        paper_id=f"doi:{found}",
        title=plain_text(record.text("title", required=True)),
        abstract=plain_text(record.text("abstract")),
        authors=author_names([record.text("authors")]),
        categories=(category,) if category else (),
        url=f"https://doi.org/{found}",
        published_at=record.time("date"),
    )
    return valid_paper(paper, record.source, place=record.path)
