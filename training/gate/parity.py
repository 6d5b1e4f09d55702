"""Checks that a bundle's features do not depend on how many users are ranked together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.features import SCHEMA, Inputs
from ranker.pipeline import Scored, score
from ranker.user_context import UNKNOWN_USER
from training.checks import Check, Outcome
from training.gate.workload import AS_OF, made_up_papers, profiles

TOLERANCE = 1e-5
"""Greatest difference of a feature, absolute and relative, that rounding may cause."""
_GROUP_SIZES = (1, 3, 16)
_CANDIDATES = 77


def parity_check(bundle: Bundle) -> Check:
    """Compare the features and scores of the same users in groups of several sizes; passed if they agree."""
    matrix = bundle.spaces.matrix(made_up_papers(_CANDIDATES, bundle.spaces.embedding_dim, 1))
    users = profiles(bundle, _GROUP_SIZES[-1])

    def scored(size: int) -> list[Scored]:
        groups = [tuple(users[start : start + size]) for start in range(0, len(users), size)]
        return [
            one for group in groups for one in score(bundle, Inputs(group, matrix, AS_OF, (UNKNOWN_USER,) * len(group)))
        ]

    return compared({size: scored(size) for size in _GROUP_SIZES}, bundle.manifest.schema_sha256)


def compared(found: dict[int, Sequence[Scored]] | dict[int, list[Scored]], schema_sha256: str) -> Check:
    """Return the check of the same users' features, by size of the groups in which they were computed."""
    base_size, *others = found
    worst, where = 0.0, ""
    for size in others:
        for alone, grouped in zip(found[base_size], found[size], strict=True):
            gap = _gaps(grouped.features, alone.features)
            if gap.max() > worst:
                worst, where = float(gap.max()), SCHEMA.names[int(gap.max(axis=0).argmax())]
    figures = {
        "schema_sha256": schema_sha256,
        "group_sizes": list(found),
        "greatest_difference": worst if np.isfinite(worst) else str(worst),
        "tolerance": TOLERANCE,
    }
    if worst > TOLERANCE:
        return Check("parity", Outcome.FAILED, f"{where} depends on how many users are ranked together", figures)
    reason = f"the features of groups of {', '.join(map(str, found))} users agree to {TOLERANCE:g}"
    return Check("parity", Outcome.PASSED, reason, figures)


def _gaps(found: Any, expected: Any) -> Any:
    """Return differences of features, relative where a value is above 1; infinite where only one side is unknown."""
    gap = np.abs(found.astype(np.float64) - expected) / np.maximum(np.abs(expected), 1.0)
    unknown = np.isnan(found), np.isnan(expected)
    return np.where(unknown[0] & unknown[1], 0.0, np.where(unknown[0] | unknown[1], np.inf, gap))
