"""The job of a re-rank: everything that its slates depend on, so that two runs can be compared."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """One slate for each user of a population.

    Attributes:
        source: Name of the database or export that is read; without a password.
        population: See ``Population.name``.
        encoder: Name of the encoder whose vectors are compared.
        model_version: The bundle's version; empty without a bundle, when users are ranked by cosine.
        features_version: See ``ranker.bundle.bundle.Bundle``; empty without a bundle.
        as_of: Time at which the ages of papers are computed.
        page_size: Maximum number of items of a slate.
        diversity: 0 to 1.
        exploration: Probability, 0 to 1, that a place of a slate is explored.
        with_features: Whether the output has the features of each item.
        statistics_version: Version of the statistics of the catalog that the bundle is adapted to; 0 if its own
            statistics are used alone.
    """

    source: str
    population: str
    digest_id: str
    encoder: str
    model_version: str
    features_version: str
    as_of: dt.datetime
    page_size: int
    diversity: float
    exploration: float
    with_features: bool
    statistics_version: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the job as the plan and the manifest keep it."""
        return asdict(self) | {"as_of": self.as_of.isoformat()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Job":
        """Return the job of a ``to_json`` row; raise KeyError, TypeError or ValueError for anything else."""
        return cls(**{**row, "as_of": dt.datetime.fromisoformat(row["as_of"])})

    def differences(self, other: "Job") -> list[str]:
        """Return, in words, each attribute in which the jobs differ."""
        mine, theirs = self.to_json(), other.to_json()
        return [f"{name} is {mine[name]!r}, not {theirs[name]!r}" for name in mine if mine[name] != theirs[name]]
