"""Papers in the interchange format: one JSON object per line, plain or gzip.

Required: paper_id, title. Optional: abstract, authors, categories, url, published_at, first_seen_at, upvotes. Other
fields are ignored, so that files of newer versions can be read.
"""

from collections.abc import Iterator

from service.domain.papers import Paper
from service.ingest.json_record import JsonRecord, load_json
from service.ingest.papers import SeenPapers, valid_paper
from service.ingest.source import Source, iter_lines, source_name


def iter_papers(source: Source) -> Iterator[Paper]:
    """Return the papers in the file's order, reading one line at a time. Memory holds the ids of all papers.

    Raises:
        InvalidFile: While iterating, for the first invalid line. The error of a repeated id names both lines.
    """
    name = source_name(source)
    seen = SeenPapers(name)
    for number, line in iter_lines(source):
        if not line.strip():
            continue
        paper = _paper(JsonRecord.of(load_json(line, name, line=number), name, line=number))
        seen.add(paper.paper_id, number)
        yield paper


def _paper(record: JsonRecord) -> Paper:
    paper = Paper(
        paper_id=record.text("paper_id", required=True),
        title=record.text("title", required=True),
        abstract=record.text("abstract"),
        authors=record.texts("authors"),
        categories=record.texts("categories"),
        url=record.text("url"),
        published_at=record.time("published_at"),
        first_seen_at=record.time("first_seen_at"),
        upvotes=record.count("upvotes"),
    )
    return valid_paper(paper, record.source, line=record.line)
