"""How imports say what they left out."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from cli.output import show
from service.domain.errors import InvalidFile
from service.ingest.problems import Problem
from service.ingest.source import source_name

SHOWN_COUNT = 10
"""Problems of a kind that are shown in text; JSON and reports have all."""


def problem_lists(skipped: Sequence[Problem], repaired: Sequence[Problem] | None = None) -> dict[str, Any]:
    """Return the problems for a result in JSON, each with line, key and reason; without ``repaired`` if it is None."""
    lists = {"skipped": skipped} | ({} if repaired is None else {"repaired": repaired})
    return {name: [asdict(problem) for problem in problems] for name, problems in lists.items()}


def show_import(
    result: dict[str, Any],
    text: str,
    skipped: Sequence[Problem],
    repaired: Sequence[Problem] = (),
    *,
    report: Path | None,
    as_json: bool,
) -> None:
    """Print the result of an import and its first problems; write the report, if there is to be one.

    Raises:
        InvalidFile: The report cannot be written.
    """
    if report:
        try:
            report.write_text(json.dumps(result, default=str, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise InvalidFile(source_name(report), f"the report cannot be written: {error.strerror}") from error
    lists = [*_lines("left out", skipped), *_lines("read, although something was wrong", repaired)]
    show(result, as_json=as_json, text="\n".join([text, *lists]))


def end_with_nothing(file: Path, skipped: Sequence[Problem], *, report: Path | None, as_json: bool) -> NoReturn:
    """Print why nothing of a file could be imported.

    Raises:
        InvalidFile: Always.
    """
    result = {"entries": len(skipped), "papers": 0, **problem_lists(skipped)}
    text = f"0 of {len(skipped):,} imported, {len(skipped):,} skipped"
    show_import(result, text, skipped, report=report, as_json=as_json)
    raise InvalidFile(source_name(file), "nothing could be imported")


def _lines(title: str, problems: Sequence[Problem]) -> list[str]:
    if not problems:
        return []
    shown = [f"  {problem}" for problem in problems[:SHOWN_COUNT]]
    more = len(problems) - len(shown)
    return [f"{title}:", *shown] + ([f"  and {more:,} more; --json or --report FILE has all"] if more else [])
