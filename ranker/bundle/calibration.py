"""Calibration of a bundle: from scores, which compare papers of one slate, to probabilities, which compare slates.

Scores are sums of how far a paper stands out from the other candidates, so equal scores mean about the same for all
users and digests (docs/probabilities.md). That is what makes one function for all users possible.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ranker.types import Float64Array

MAX_POINTS = 1_000


@dataclass(frozen=True)
class Calibration:
    """A rising, piecewise linear function from a score to a probability.

    The probability means: of all papers with this probability in the digests of users with likes, this share is liked
    or saved.

    Attributes:
        scores: Scores at the points of the function, ascending.
        probabilities: Probability at each point, 0 to 1, not falling. Outside the points the function is constant.
        facts: What the calibration was fitted on, and how well it fits; see ``training.calibration``.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def probabilities_of(self, scores: Float64Array) -> Float64Array:
        """Return the probability of each of (n,) scores; (n,) float64, rounded to 1e-6."""
        return np.asarray(np.round(np.interp(scores, self.scores, self.probabilities), 6))

    def as_fields(self) -> dict[str, Any]:
        """Return the fields for the manifest."""
        return {
            "scores": list(self.scores),
            "probabilities": list(self.probabilities),
            "facts": dict(self.facts),
        }

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> "Calibration":
        """Return the calibration in a manifest.

        Raises:
            ValueError: The fields are not a rising function from numbers to probabilities.
        """
        try:
            facts = dict(fields["facts"])
            scores, probabilities = (tuple(map(float, fields[name])) for name in ("scores", "probabilities"))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"has a calibration with missing or wrong fields ({error})") from error
        is_sound = (
            0 < len(scores) == len(probabilities) <= MAX_POINTS
            and all(map(math.isfinite, scores))
            and all(first < second for first, second in pairwise(scores))
            and all(first <= second for first, second in pairwise(probabilities))
            and 0 <= probabilities[0] <= probabilities[-1] <= 1
        )
        if not is_sound:
            raise ValueError("has a calibration that is not a rising function to probabilities")
        return cls(scores, probabilities, facts)
