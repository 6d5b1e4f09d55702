"""The plan of an evaluation, and its check against the data before any work is done."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from training.data.snapshot import GRACE_SECONDS, Dataset
from training.data.weeks import start_of, week_of
from training.dates import day_of
from training.errors import EvaluationError

PROTOCOLS = ("cold-items", "weekly-digest")
TEST_YEAR = (dt.date(2018, 1, 1), dt.date(2018, 12, 31))


@dataclass(frozen=True)
class Plan:
    """One run of one protocol.

    Attributes:
        seeds: cold-items runs once for each seed; weekly-digest uses the first for all random draws.
        first_day: weekly-digest uses weeks that begin on or after this day.
        last_day: The last day on which such a week may begin.
        recipe: Recipe of the bundles trained here.
        retrain: weekly-digest trains on data from before ``first_day``; cold-items always trains, unless a bundle is
            given.
        masked_families: Each adds a variant of the ranker with this feature family unknown.
        train_without: Feature families that the bundles trained here never see.
        max_users: Number of users tested, drawn at random; None tests all.
        workers: Queries answered at a time; this changes no figure.
    """

    protocol: str
    seeds: tuple[int, ...] = (1,)
    first_day: dt.date = TEST_YEAR[0]
    last_day: dt.date = TEST_YEAR[1]
    recipe: str = "default"
    retrain: bool = False
    masked_families: tuple[str, ...] = ()
    train_without: tuple[str, ...] = ()
    max_users: int | None = None
    workers: int = 1


def days_of(dataset: Dataset) -> tuple[dt.date, dt.date] | None:
    """Return the Mondays of the first and the last week in which papers appeared; None for undated papers."""
    weeks = week_of(dataset.appeared_at)
    known = weeks[weeks >= 0]
    return (day_of(start_of(int(known.min()))), day_of(start_of(int(known.max())))) if len(known) else None


def check(dataset: Dataset, plan: Plan) -> list[str]:
    """Check the data, and return warnings about oddities that do not prevent the run.

    Raises:
        EvaluationError: The protocol cannot be run on these data; the message says what is missing.
    """
    users = np.unique(dataset.likes.users)
    if not len(users):
        raise EvaluationError(f"{dataset.name}: nobody likes any of the papers: there are no positive labels")
    if len(users) < 2:
        raise EvaluationError(f"{dataset.name}: has only one user; intervals need at least two")
    return _check_dates(dataset) if plan.protocol == "weekly-digest" else []


def _check_dates(dataset: Dataset) -> list[str]:
    appeared = dataset.appeared_at[dataset.likes.papers]
    liked_at = dataset.likes.liked_at
    for what, times in (("papers have no date", dataset.appeared_at), ("likes have no time", liked_at)):
        if np.isnan(times).all():
            raise EvaluationError(f"{dataset.name}: {what}: weekly-digest needs dates, cold-items does not")
    early = int((liked_at < appeared - GRACE_SECONDS).sum())
    if early * 2 > len(liked_at):
        raise EvaluationError(
            f"{dataset.name}: {early} of {len(liked_at)} likes are from before their paper appeared: "
            "the times are out of order"
        )
    unknown = int(np.isnan(dataset.appeared_at).sum()), int(np.isnan(liked_at).sum())
    found = []
    if early:
        found.append(f"{early} of {len(liked_at)} likes are from before their paper appeared")
    if any(unknown):
        found.append(f"{unknown[0]} papers and {unknown[1]} likes without a time are not used")
    return found
