"""Entries that an import left out, or read although they had faults."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry of a file and what is wrong with it.

    Attributes:
        line: First line of the entry, from 1; None if unknown.
        key: The entry's own name in the file; empty if it has none.
        reason: What is wrong, as the predicate of a sentence whose subject is the entry.
    """

    line: int | None
    key: str
    reason: str

    def __str__(self) -> str:
        """Return the problem as one line for people."""
        place = "" if self.line is None else f"line {self.line}"
        where = ", ".join(part for part in (place, self.key) if part)
        return f"{where}: {self.reason}" if where else self.reason
