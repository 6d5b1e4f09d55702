"""Checks with three outcomes, of which a gate and a judgement are made."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Outcome(enum.Enum):
    """Outcome of a check, or of all checks together."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Check:
    """One check and its outcome.

    Attributes:
        reason: One sentence that says why the outcome is what it is.
        figures: Numbers and texts behind the outcome, ready for JSON.
        required: If False, an inconclusive outcome does not matter; a failure always does.
    """

    name: str
    outcome: Outcome
    reason: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    required: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the check for JSON."""
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "required": self.required,
            "figures": dict(self.figures),
        }


def overall(checks: Iterable[Check]) -> Outcome:
    """Return FAILED if any check failed, else INCONCLUSIVE if a required one is inconclusive, else PASSED.

    No checks at all are INCONCLUSIVE.
    """
    found = list(checks)
    if any(check.outcome is Outcome.FAILED for check in found):
        return Outcome.FAILED
    if not found or any(check.outcome is Outcome.INCONCLUSIVE and check.required for check in found):
        return Outcome.INCONCLUSIVE
    return Outcome.PASSED
