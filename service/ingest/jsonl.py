"""Papers in the interchange format: one JSON object per line, plain or gzip.

Required: paper_id, title. Optional: abstract, authors, categories, url, published_at, first_seen_at, upvotes. Other
fields are ignored, so that files of newer versions can be read.
"""

from collections.abc import Callable, Iterator

from service.domain.errors import InvalidFile
from service.domain.papers import Paper
from service.ingest.json_record import JsonRecord, load_json
from service.ingest.papers import SeenPapers, valid_paper
from service.ingest.problems import Problem
from service.ingest.source import Source, iter_lines, source_name


def iter_papers(source: Source, *, on_problem: Callable[[Problem], None] | None = None) -> Iterator[Paper]:
    """Return the papers in the file's order, reading one line at a time. Memory holds the ids of all papers.

    Args:
        on_problem: Called with each invalid or repeated line, which is then left out; None means that such a line is an
            error.

    Raises:
        InvalidFile: While iterating: the file cannot be read, or its last line is not JSON, so that the file seems to
            be cut off. Without ``on_problem`` also for the first invalid line; the error of a repeated id names both
            lines.
    """
    name = source_name(source)
    seen = SeenPapers(name)
    number, is_json = 0, True
    for number, line in iter_lines(source):
        if not line.strip():
            continue
        is_json = False
        try:
            value = load_json(line, name, line=number)
            is_json = True
            paper = _paper(JsonRecord.of(value, name, line=number))
            seen.add(paper.paper_id, number)
        except InvalidFile as error:
            if on_problem is None:
                raise
            on_problem(Problem(number, "", error.problem))
        else:
            yield paper
    if not is_json:
        raise InvalidFile(name, "the last line is not whole; is the file cut off?", line=number)


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
