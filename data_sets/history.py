"""The rule for data whose history began before its papers were first seen."""

from dataclasses import replace

from training.data.snapshot import Dataset
from training.progress import Warn


def with_history(dataset: Dataset, warn: Warn) -> Dataset:
    """Return the data set, marked as imported where most likes are older than ``first_seen_at`` of their papers.

    Papers of an imported data set count from their publication.
    """
    if not dataset.looks_imported:
        return dataset
    warn(f"{dataset.name}: most likes are older than their papers are here: papers count from when they were published")
    return replace(dataset, is_imported=True)
