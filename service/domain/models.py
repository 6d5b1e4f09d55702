"""Registered model bundles: their states, the aliases that point to them, and the log of their changes."""

import datetime as dt
import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_HASH_RANGE = 2.0**64


class ModelState(enum.Enum):
    """State of a registered bundle.

    Attributes:
        REGISTERED: Stored and checked; the gate has not judged it.
        GATED: The gate passed it.
        REJECTED: The gate failed it.
        INCONCLUSIVE: The gate had too little data to decide.
        CANARY: Ranks the feeds of a share of the users.
        SERVING: Ranks the feeds of all other users.
        RETIRED: Was the canary or the serving bundle before. It needs a new gate, or force, to serve again.
    """

    REGISTERED = "registered"
    GATED = "gated"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"
    CANARY = "canary"
    SERVING = "serving"
    RETIRED = "retired"


GATE_OUTCOMES = frozenset({ModelState.GATED, ModelState.REJECTED, ModelState.INCONCLUSIVE})


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A registered bundle.

    Attributes:
        version: Version of the bundle, which slates name as their ``model_version``.
        content_sha256: Hash of the content, which names the bundle's folder in the registry.
        encoder: Name of the encoder whose vectors the bundle was trained on.
        schema_sha256: Hash of the feature schema.
        size_bytes: Size of the bundle's files together.
        metrics: Metrics in the bundle's manifest.
        gate_passed: Whether the last gate passed the bundle, and it has not been retired since.
        needs_retraining: Whether a user whose rows it was trained on was deleted.
        created_at: Time of training.
        registered_at: Time of the first registration.
    """

    version: str
    content_sha256: str
    state: ModelState
    encoder: str
    schema_sha256: str
    size_bytes: int
    metrics: Mapping[str, Any]
    gate_passed: bool
    needs_retraining: bool
    created_at: dt.datetime
    registered_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ModelLogEntry:
    """One change of a model, in a log that is only appended to.

    Attributes:
        number: Position in the log; a later entry has a greater number.
        from_state: None for the registration. Equal to ``to_state`` if the state did not change, for example when the
            share of a canary changes or when a server cannot load the bundle.
        actor: Who made the change: a person, a key or a program.
        evidence: JSON object with the reasons: figures of the gate or the judgement, ``forced``, a note, a problem.
    """

    number: int
    version: str
    at: dt.datetime
    actor: str
    from_state: ModelState | None
    to_state: ModelState
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Canary:
    """A bundle that ranks for a share of the users.

    Attributes:
        share: Share of the users, above 0 and below 1.
        experiment_id: Identifies the experiment. It stays when the share changes, so a greater share keeps all users
            of the smaller one.
    """

    version: str
    share: float
    experiment_id: str

    def has(self, user_id: str) -> bool:
        """Return whether the user belongs to the canary. The answer for a user stays while the experiment runs."""
        digest = hashlib.sha256(f"{self.experiment_id}\0{user_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / _HASH_RANGE < self.share


@dataclass(frozen=True, slots=True)
class Aliases:
    """The versions that aliases point to; None where an alias points to nothing.

    Attributes:
        serving: Ranks the feeds of all users who are not in the canary.
        previous: Served before ``serving``; a rollback makes it serve again.
    """

    serving: str | None = None
    previous: str | None = None
    canary: Canary | None = None


@dataclass(frozen=True, slots=True)
class NewModel:
    """A bundle to register; ``ModelRecord`` describes the fields."""

    version: str
    content_sha256: str
    encoder: str
    schema_sha256: str
    size_bytes: int
    created_at: dt.datetime
    metrics: Mapping[str, Any] = field(default_factory=dict)
