"""Which entries of a library describe the same paper."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from service.domain.identifiers import is_by_title
from service.domain.papers import Paper
from service.ingest.libraries.entry import LibraryEntry
from service.ingest.problems import Problem


def distinct_papers(entries: Sequence[LibraryEntry]) -> tuple[list[LibraryEntry], list[int], list[Problem]]:
    """Return one entry per paper, in order; the place in this list of each given entry; and the ids that were left out.

    If papers with nothing else in common share an id, it is wrong for all but one of them, and it is unknown which one.
    Some programs write one id into thousands of entries. Then no entry keeps the id.
    """
    wrong = _wrong_ids(entries)
    problems: list[Problem] = []
    kept: list[LibraryEntry] = []
    places: list[int] = []
    index_of_alias: dict[str, int] = {}
    for given in entries:
        entry = given
        for alias in sorted(wrong.intersection(given.paper.aliases)):
            entry = replace(entry, paper=entry.paper.without(alias))
            kind, _, name = alias.partition(":")
            shown = "arXiv id" if kind == "arxiv" else "DOI"
            problems.append(
                Problem(entry.line, entry.key, f"other papers have its {shown} {name} too; the id is left out")
            )
        places.append(_add(entry, kept, index_of_alias))
    return kept, places, problems


def _wrong_ids(entries: Iterable[LibraryEntry]) -> set[str]:
    papers_by_id = defaultdict(list)
    for entry in entries:
        for alias in entry.paper.aliases:
            if not is_by_title(alias):
                papers_by_id[alias].append(entry.paper)
    return {alias for alias, papers in papers_by_id.items() if len(papers) > 1 and _are_several(papers, alias)}


def _are_several(papers: Sequence[Paper], alias: str) -> bool:
    # Compared with one paper only. It must have authors, because a paper without authors would match any other.
    first = next((paper for paper in papers if paper.authors), papers[0])
    return any(paper.is_other_than(first, alias) for paper in papers)


def _add(entry: LibraryEntry, kept: list[LibraryEntry], index_of_alias: dict[str, int]) -> int:
    """Add the entry, or merge it into the kept entry of the same paper; return its index in ``kept``."""
    aliases = entry.paper.aliases
    known = ((alias, index_of_alias[alias]) for alias in aliases if alias in index_of_alias)
    same = (index for alias, index in known if not entry.paper.is_other_than(kept[index].paper, alias))
    index = next(same, len(kept))
    if index == len(kept):
        kept.append(entry)
    else:
        times = (kept[index].added_at, entry.added_at)
        earliest = min((time for time in times if time is not None), default=None)
        kept[index] = replace(kept[index], added_at=earliest)
    for alias in aliases:
        index_of_alias.setdefault(alias, index)
    return index
