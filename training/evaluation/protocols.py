"""The two protocols: they choose candidates, visible data and right answers.

A round is a set of queries with the same visible data and the same candidates: a seed of cold-items, or a week of
weekly-digest.
"""

import datetime as dt
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ranker.types import BoolArray, Float64Array, IndexArray
from training.data.query_groups import Query
from training.data.snapshot import Dataset, Likes
from training.data.weeks import start_of, week_of
from training.dates import day_seconds
from training.errors import EvaluationError

MIN_LIKES = 5
_COLD_SHARE = 0.2


@dataclass(frozen=True)
class Round:
    """Queries with the same visible data and the same candidates.

    Attributes:
        group: Number of the seed in cold-items, else 0. Figures are means within a group, then over groups.
        seed: Seed of all random draws in the round.
        visible: Rows of papers whose texts and vectors may be learned from, ascending.
        negatives: Rows of papers that may be used as negatives, ascending; a part of ``visible``.
        candidates: (n,) rows in an order that does not depend on labels; equal scores keep it.
        likes: The visible likes.
        as_of: Unix seconds; NaN where the protocol has no time.
    """

    group: int
    seed: int
    visible: IndexArray
    negatives: IndexArray
    candidates: IndexArray
    likes: Likes
    as_of: float
    queries: tuple[Query, ...]


def cold_rows(paper_count: int, seed: int) -> BoolArray:
    """Return (paper_count,) flags of a random fifth of the papers."""
    cold = np.zeros(paper_count, dtype=np.bool_)
    cold[np.random.default_rng(seed).permutation(paper_count)[: round(paper_count * _COLD_SHARE)]] = True
    return cold


def cold_items(dataset: Dataset, seed: int, group: int = 0) -> Round:
    """Return the round in which cold papers are to be found from the likes of all other papers.

    Raises:
        EvaluationError: No user has enough warm likes and a cold one.
    """
    cold = cold_rows(len(dataset.papers), seed)
    likes = dataset.likes
    is_cold = cold[likes.papers]
    candidates = tie_order(dataset, np.flatnonzero(cold))
    warm = likes.where(np.flatnonzero(~is_cold))
    wanted = likes.where(np.flatnonzero(is_cold))
    queries = tuple(
        Query(user, candidates, np.isin(candidates, hits), liked, liked_at, float("nan"))
        for user, hits, liked, liked_at in _users(warm, wanted)
    )
    if not queries:
        raise EvaluationError(
            f"{dataset.name}: no user has {MIN_LIKES} or more likes of warm papers and 1 or more of cold ones "
            f"(seed {seed}): cold-items needs users with longer histories"
        )
    everything = np.arange(len(dataset.papers))
    return Round(group, seed, everything, np.flatnonzero(~cold), candidates, warm, float("nan"), queries)


def warm_part(dataset: Dataset, seed: int) -> Dataset:
    """Return the data to train on in cold-items: the warm papers and their likes.

    Cold papers are not used, not even as negatives.
    """
    return dataset.part(np.flatnonzero(~cold_rows(len(dataset.papers), seed)))


def without_dates(dataset: Dataset) -> Dataset:
    """Return the data set as cold-items sees it: without any dates."""
    likes, unknown = dataset.likes, np.full(len(dataset.papers), np.nan)
    papers = replace(dataset.papers, published_at=unknown, first_seen_at=unknown)
    return replace(dataset, papers=papers, likes=replace(likes, liked_at=np.full(len(likes), np.nan)))


def known_before(dataset: Dataset, moment: float) -> Dataset:
    """Return the papers and likes that are dated before ``moment``; without those of unknown date."""
    part = dataset.part(np.flatnonzero(dataset.appeared_at < moment))
    return part.with_reactions(lambda likes: likes.where(np.flatnonzero(likes.liked_at < moment)))


def weekly_digest(dataset: Dataset, first_day: dt.date, last_day: dt.date, seed: int) -> Iterator[Round]:
    """Yield one round for each ISO week that begins in the range, ascending; both days are included.

    Candidates are the papers of the week, and the answers are the user's likes among them. The profile holds likes
    from before the week's Monday, of papers from before it. Weeks without a query are left out.
    """
    likes = dataset.likes
    paper_weeks, like_weeks = week_of(dataset.appeared_at), week_of(likes.liked_at)
    # A like is known in a week if the like and its paper are both from before it; unknown times (-1) are never known.
    known_from = np.maximum(paper_weeks[likes.papers], like_weeks) + 1
    known_from[(paper_weeks[likes.papers] < 0) | (like_weeks < 0)] = np.iinfo(np.intp).max
    for week in _weeks(paper_weeks, first_day, last_day):
        candidates = tie_order(dataset, np.flatnonzero(paper_weeks == week))
        known = likes.where(np.flatnonzero(known_from <= week))
        wanted = likes.where(np.flatnonzero(paper_weeks[likes.papers] == week))
        as_of = start_of(week + 1)
        queries = tuple(
            Query(user, candidates, np.isin(candidates, hits), liked, liked_at, as_of, week)
            for user, hits, liked, liked_at in _users(known, wanted)
        )
        visible = np.flatnonzero((paper_weeks >= 0) & (paper_weeks < week))
        if queries:
            yield Round(0, seed, visible, visible, candidates, known, as_of, queries)


def tie_order(dataset: Dataset, rows: IndexArray) -> IndexArray:
    """Return rows in the order of a hash of their ids, so that ties do not favour any order of the file."""
    ids = dataset.papers.paper_ids
    return np.array(sorted(rows.tolist(), key=lambda row: (zlib.crc32(ids[row].encode()), ids[row])), dtype=np.intp)


def _weeks(paper_weeks: IndexArray, first_day: dt.date, last_day: dt.date) -> Sequence[int]:
    first, last = day_seconds(first_day), day_seconds(last_day)
    return [week for week in np.unique(paper_weeks).tolist() if week >= 0 and first <= start_of(week) <= last]


def _users(known: Likes, wanted: Likes) -> Iterator[tuple[int, IndexArray, IndexArray, Float64Array]]:
    """Yield users with enough known likes and an answer: number, answers, papers liked, times of these likes."""
    enough = np.flatnonzero(np.bincount(known.users) >= MIN_LIKES)
    for user in np.intersect1d(enough, wanted.users).tolist():
        own, found = known.of_user(user), wanted.of_user(user)
        yield user, wanted.papers[found], known.papers[own], known.liked_at[own]
