"""The rules of a judgement; ``judgement.toml`` beside this module has their values."""

from dataclasses import dataclass
from pathlib import Path

from training.rules import read_rules

SHIPPED = Path(__file__).with_name("judgement.toml")


@dataclass(frozen=True)
class ReactionRules:
    """How reactions are compared.

    Attributes:
        error_chance: Greatest probability, over all looks together, that the interval misses the truth.
        expected_gain: Relative gain for which the interval is tuned.
        least_users: Least number of users with slates on each side.
        least_reactions: Least number of reactions on each side.
        least_days: A canary is promoted after this many days at the earliest.
    """

    error_chance: float
    expected_gain: float
    least_users: int
    least_reactions: int
    least_days: float


@dataclass(frozen=True)
class ShareRules:
    """How a share of users, slates or calls is compared.

    Attributes:
        largest_rise: Rise of the share, 0 to 1, that is accepted.
        error_chance: As in ``ReactionRules``.
        required: Whether a canary is promoted only if this could be measured.
    """

    largest_rise: float
    error_chance: float
    required: bool


@dataclass(frozen=True)
class LatencyRules:
    """How ranking times are compared.

    Attributes:
        largest_ratio: Ratio of the canary's 99th percentile to that of the serving bundle that is accepted.
        least_calls: Least number of rankings on each side.
        error_chance: As in ``ReactionRules``.
        required: As in ``ShareRules``.
    """

    largest_ratio: float
    least_calls: int
    error_chance: float
    required: bool


@dataclass(frozen=True)
class AssignmentRules:
    """How the numbers of users on both sides are compared with the canary's share.

    Attributes:
        error_chance: As in ``ReactionRules``.
        required: As in ``ShareRules``.
    """

    error_chance: float
    required: bool


@dataclass(frozen=True)
class JudgementRules:
    """All rules, by check."""

    reactions: ReactionRules
    fallbacks: ShareRules
    complaints: ShareRules
    errors: ShareRules
    latency: LatencyRules
    assignment: AssignmentRules

    @classmethod
    def read(cls, own: Path | None = None) -> "JudgementRules":
        """Return the shipped rules, with those of a file in their place.

        Raises:
            RulesError: The file cannot be used.
        """
        return read_rules(cls, SHIPPED, own)
