"""Turns slates into query groups: one for each reaction, weighted against position bias.

A group holds the paper with the reaction, labelled with its grade, and the other shown papers of the slate with label
0. Its weight is the gain of the grade divided by the examination propensity of the place (inverse propensity weighting
of Joachims, Swaminathan and Schnabel 2017, for the pairs of LambdaMART). A like at place 10 counts more than one at
place 1, because fewer users read so far. Each reaction has its own group, because LightGBM weights rows, not pairs, and
the two sides of a pair cancel only in groups of one weight.

A paper without a reaction counts only against a paper with one, in the same slate. If both are wanted equally, the two
weighted comparisons cancel in expectation. So a paper that nobody looked at is not a negative.
"""

from dataclasses import dataclass

import numpy as np

from ranker.types import BoolArray, IndexArray
from training.data.rows import Rows
from training.feedback.examination import Examination
from training.feedback.log import SlateLog
from training.trees.fit import LABEL_GAIN

LEAST_EXAMINATION_PROPENSITY = 0.05
"""Lower limit of examination propensities, so that no reaction counts more than twenty times."""

_NO_ROWS = np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class ClickGroups:
    """Query groups ready to fit.

    Attributes:
        users: (groups,) user of each reaction.
    """

    rows: Rows
    users: IndexArray

    def where(self, kept: BoolArray) -> "ClickGroups":
        """Return the groups where ``kept`` (groups,) is true."""
        return ClickGroups(self.rows.where(kept), self.users[kept])


def click_groups(log: SlateLog, examination: Examination) -> ClickGroups:
    """Return one group for each reaction in a slate with two or more shown papers."""
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
    # Only ratios matter; a mean of 1 keeps the meaning of LightGBM's regularisation.
    relative = np.array(weights) / np.mean(weights) if weights else np.empty(0)
    return ClickGroups(
        Rows(
            log.features[np.concatenate([_NO_ROWS, *rows])],
            np.concatenate([_NO_ROWS, *labels]),
            group_sizes,
            np.repeat(relative, group_sizes).astype(np.float32),
        ),
        np.array(users, dtype=np.intp),
    )
