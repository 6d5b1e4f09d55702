"""What a re-rank is asked for, and what of it makes two runs the same job."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Job:
    """One slate for each user of a population.

    Attributes:
        source: What users, likes and papers are read from; without a password.
        population: See ``Population.name``.
        encoder: Whose vectors are compared.
        model_version: Of the bundle; empty without one, when users are ranked by cosine.
        features_version: Of the bundle; see ``ranker.bundle.bundle.Bundle``.
        as_of: What ages are counted to.
        page_size: Items of each slate at most.
        diversity: 0 to 1.
        exploration: Chance, 0 to 1, that a place of a slate is explored.
        with_features: Whether the rows bear what the model saw.
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

    def to_json(self) -> dict[str, Any]:
        """As kept beside the output."""
        return asdict(self) | {"as_of": self.as_of.isoformat()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Job":
        """Raises KeyError, TypeError or ValueError for anything but ``to_json``."""
        return cls(**{**row, "as_of": dt.datetime.fromisoformat(row["as_of"])})

    def differences(self, other: "Job") -> list[str]:
        """What differs, in words."""
        mine, theirs = self.to_json(), other.to_json()
        return [f"{name} is {mine[name]!r}, not {theirs[name]!r}" for name in mine if mine[name] != theirs[name]]

    def at(self, as_of: dt.datetime) -> "Job":
        """The same job at another time."""
        return replace(self, as_of=as_of)
