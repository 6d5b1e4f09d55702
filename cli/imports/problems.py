"""How imports say what they left out."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from cli.destination import check_file
from cli.output import show
from service.domain.errors import InvalidFile
from service.ingest.problems import Problem
from service.ingest.source import source_name

SHOWN_COUNT = 10
"""Problems of a kind that are shown in text; JSON and reports have all."""


def check_report(report: Path | None) -> None:
    """Check that the report can be written, before anything is stored."""
    if report:
        check_file("report", report)


def show_import(
    result: dict[str, Any],
    text: str,
    skipped: Sequence[Problem],
    repaired: Sequence[Problem] = (),
    *,
    report: Path | None,
    as_json: bool,
) -> None:
    """Print the result of an import, with all problems in JSON or the first ones in text; write the report."""
    if report:
        kinds = (("left out", skipped), ("read", repaired))
        lines = (f"{kind}: {problem}\n" for kind, problems in kinds for problem in problems)
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text("".join(lines), encoding="utf-8")
    lists = {"skipped": [*map(asdict, skipped)], "repaired": [*map(asdict, repaired)]}
    shown = [*_in_words("left out", skipped), *_in_words("read, although something was wrong", repaired)]
    show(result | lists, as_json=as_json, text="\n".join([text, *shown]))


def end_with_nothing(file: Path, skipped: Sequence[Problem], *, report: Path | None, as_json: bool) -> NoReturn:
    """Print why no entry of a file could be imported.

    Raises:
        InvalidFile: Always.
    """
    text = f"0 of {len(skipped):,} imported, {len(skipped):,} skipped"
    show_import({"entries": len(skipped), "papers": 0}, text, skipped, report=report, as_json=as_json)
    raise InvalidFile(source_name(file), "nothing could be imported")


def _in_words(title: str, problems: Sequence[Problem]) -> list[str]:
    if not problems:
        return []
    more = len(problems) - SHOWN_COUNT
    shown = [f"  {problem}" for problem in problems[:SHOWN_COUNT]]
    return [f"{title}:", *shown] + ([f"  and {more:,} more; --json or --report FILE names all"] if more > 0 else [])
