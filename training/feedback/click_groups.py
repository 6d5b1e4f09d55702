"""Query groups from slates: one for each reaction, weighted against position bias.

A group holds the paper that was reacted to, with its grade as label, and the other papers shown in the slate with
label 0. Its weight is what the grade is worth divided by the examination propensity of the place (the inverse
propensity weighting of Joachims, Swaminathan and Schnabel 2017, as pairs of LambdaMART): a like at place 10 says more
than one at place 1, because fewer readers came so far. Groups of their own, because LightGBM multiplies what a row
gains by the row's weight, not a pair's by the pair's, and weighs all groups of one query group alike.

That a paper was not reacted to is used only against the one that was, in the same slate, and in expectation both ways:
where both are wanted alike, the two weighted comparisons cancel out. So a paper that nobody looked at is no negative.
"""

from dataclasses import dataclass

import numpy as np

from ranker.types import IndexArray
from training.data.query_groups import check_contiguous
from training.data.rows import Rows
from training.feedback.examination import Examination
from training.feedback.log import SlateLog
from training.trees.fit import LABEL_GAIN

LEAST_EXAMINATION_PROPENSITY = 0.05
"""Examination propensities are taken to be at least this, so that no single reaction counts more than twenty times."""


@dataclass(frozen=True)
class ClickGroups:
    """Query groups ready to fit.

    Attributes:
        users: (groups,) whose reaction each is.
    """

    rows: Rows
    users: IndexArray


def click_groups(log: SlateLog, examination: Examination) -> ClickGroups:
    """One group for each reaction in a slate of which two or more papers were shown; empty where there are none."""
    starts = np.searchsorted(log.slates, np.arange(len(log) + 1))
    rows, labels, weights, users, sizes = [], [], [], [], []
    looked_at = np.maximum(examination.examination_propensities(log.places), LEAST_EXAMINATION_PROPENSITY)
    for slate, (start, stop) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        shown = np.flatnonzero(log.shown[start:stop]) + start
        if len(shown) < 2:
            continue
        for wanted in shown[log.reacted[shown]].tolist():
            rows.append(shown)
            labels.append(np.where(shown == wanted, log.grades[wanted], 0))
            weights.append(LABEL_GAIN[log.grades[wanted]] / looked_at[wanted])
            users.append(log.users[slate])
            sizes.append(len(shown))
    group_sizes = np.array(sizes, dtype=np.int32)
    check_contiguous(np.repeat(np.arange(len(sizes)), group_sizes).tolist(), group_sizes)
    # Only ratios count; around 1 they leave LightGBM's own regularisation its meaning.
    relative = np.array(weights) / np.mean(weights) if weights else np.empty(0)
    return ClickGroups(
        Rows(
            log.features[_joined(rows)],
            _joined(labels),
            group_sizes,
            np.repeat(relative, group_sizes).astype(np.float32),
        ),
        np.array(users, dtype=np.intp),
    )


def part_of(groups: ClickGroups, chosen: IndexArray) -> ClickGroups:
    """Some of the groups, in their order."""
    rows = groups.rows
    stops = np.cumsum(rows.group_sizes)
    kept = _joined([np.arange(stops[i] - rows.group_sizes[i], stops[i]) for i in chosen.tolist()])
    weights = None if rows.weights is None else rows.weights[kept]
    part = Rows(rows.features[kept], rows.labels[kept], rows.group_sizes[chosen], weights)
    return ClickGroups(part, groups.users[chosen])


def _joined(parts: list[IndexArray]) -> IndexArray:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.intp)
