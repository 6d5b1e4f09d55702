"""Subscribers as a CSV file: import and export."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mailer.domain.subscription import Subscriber, SuppressionReason
from mailer.errors import InvalidField, InvalidFile
from mailer.subscribers.schedule import parse_schedule
from mailer.subscribers.subscriptions import Entry, Subscriptions

COLUMNS = ("user_id", "address")
"""Required columns."""
OPTIONAL_COLUMNS = ("name", "weekdays", "time", "zone", "papers", "sections", "min_probability")
T = TypeVar("T")


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        read: Number of rows.
        added: Number of new subscribers.
        stopped: (line, address, reason) of each row that was skipped because mail to the address is stopped.
    """

    read: int
    added: int
    stopped: tuple[tuple[int, str, SuppressionReason], ...]


def import_csv(subscriptions: Subscriptions, file: Path, consent: str) -> Imported:
    """Subscribe all users of a CSV file, or nobody if a line is invalid. Importing a file again adds nothing.

    Args:
        consent: Grounds of the consent, for the record of consents.

    Raises:
        InvalidFile: The file cannot be read, or a line is invalid.
    """
    rows = _read_rows(file)
    stopped: dict[int, SuppressionReason] = {}
    try:
        added = subscriptions.add_many([entry for _, entry in rows], consent, stopped=stopped)
    except InvalidField as error:
        number, _, field = error.field.removeprefix("subscribers[").partition("].")
        raise InvalidFile(str(file), f"{field}: {error.problem}", line=rows[int(number)][0]) from None
    skipped = tuple((rows[number][0], rows[number][1].address, reason) for number, reason in stopped.items())
    return Imported(len(rows), added, skipped)


def _read_rows(file: Path) -> list[tuple[int, Entry]]:
    """Return (line, entry) of each row."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True)
            header = list(reader.fieldnames or ())
            if missing := [name for name in COLUMNS if name not in header]:
                raise InvalidFile(str(file), f"has no column {', '.join(missing)}{_hint(header, missing)}", line=1)
            return [(reader.line_num, _entry(file, reader.line_num, row)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidFile(str(file), f"cannot be read: {error}") from None


def _hint(header: Sequence[str], missing: Sequence[str]) -> str:
    """Return what is probably wrong with a header; empty if that is unknown."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            return f": it has {name} between the columns; save the file with commas"
    if set(missing) & {name.strip().lower() for name in header}:
        return ": column names must be written in small letters and without spaces around them"
    return ""


def _entry(file: Path, line: int, row: dict[str, str | None]) -> Entry:
    try:
        schedule = parse_schedule(row.get("weekdays") or "daily", row.get("time") or "07:00", row.get("zone") or "UTC")
        papers, limit = _number(row, "papers", int), _number(row, "min_probability", float)
        has_sections = _yes_or_no(row, "sections")
    except InvalidField as error:
        raise InvalidFile(str(file), str(error), line=line) from None
    user_id, address, name = (row.get(column) or "" for column in ("user_id", "address", "name"))
    papers = 10 if papers is None else papers
    return Entry(user_id, address, name, schedule, papers, has_sections, limit)


def _number(row: dict[str, str | None], column: str, kind: Callable[[str], T]) -> T | None:
    """Return the number in a column; None if it is empty or missing."""
    text = row.get(column)
    try:
        return kind(text) if text else None
    except ValueError:
        raise InvalidField(column, f"'{text}' is not a number") from None


def _yes_or_no(row: dict[str, str | None], column: str) -> bool:
    text = row.get(column) or "no"
    if text not in {"yes", "no"}:
        raise InvalidField(column, f"'{text}' is neither yes nor no")
    return text == "yes"


def export_csv(found: Iterable[Subscriber]) -> str:
    """Return subscribers as a CSV file with all columns, which ``import_csv`` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *OPTIONAL_COLUMNS))
    for each in found:
        schedule = each.schedule
        writer.writerow(
            (
                each.user_id,
                each.address,
                each.name,
                ",".join(map(str, schedule.weekdays)),
                f"{schedule.local_time:%H:%M}",
                schedule.time_zone,
                each.paper_count,
                "yes" if each.has_sections else "no",
                "" if each.min_probability is None else each.min_probability,
            )
        )
    return text.getvalue()
