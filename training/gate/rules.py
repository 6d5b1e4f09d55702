"""The rules of the gate; ``gate.toml`` beside this module has their values."""

from dataclasses import dataclass
from pathlib import Path

from training.rules import read_rules

SHIPPED = Path(__file__).with_name("gate.toml")


@dataclass(frozen=True)
class HeldOutRules:
    """How the ranking of held-out data is compared.

    Attributes:
        largest_loss: Loss of nDCG that is accepted, as a share of the serving bundle's.
        least_users: Least number of tested users. The interval of fewer users is too narrow.
        required: Whether an inconclusive check makes the gate inconclusive.
    """

    largest_loss: float
    least_users: int
    required: bool


@dataclass(frozen=True)
class SlateRules:
    """How the estimated values on logged slates are compared.

    Attributes:
        largest_loss: Loss of reactions per slate that is accepted, as a share of what the logged slates earned.
        least_effective_slates: Least number of equally weighted slates with the same information.
        required: As in ``HeldOutRules``.
    """

    largest_loss: float
    least_effective_slates: float
    required: bool


@dataclass(frozen=True)
class LatencyRules:
    """How ranking times are compared.

    Attributes:
        largest_ratio: Ratio of the median times, this bundle to the serving one, that is accepted.
        rounds: Number of rankings by each bundle for each number of candidates.
        required: As in ``HeldOutRules``.
    """

    largest_ratio: float
    rounds: int
    required: bool


@dataclass(frozen=True)
class SizeRules:
    """How large a bundle may be.

    Attributes:
        largest_mebibytes: Size of all files.
    """

    largest_mebibytes: float


@dataclass(frozen=True)
class GateRules:
    """All rules, by check."""

    held_out: HeldOutRules
    slates: SlateRules
    latency: LatencyRules
    size: SizeRules

    @classmethod
    def read(cls, own: Path | None = None) -> "GateRules":
        """Return the shipped rules, with those of a file in their place.

        Raises:
            RulesError: The file cannot be used.
        """
        return read_rules(cls, SHIPPED, own)
