"""Data sets to queries: a profile, candidates and which of them were liked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ranker.types import BoolArray, Float64Array, IndexArray, Int32Array
from training.cross_fitting import NO_FOLD, Folds
from training.errors import TrainingError
from training.recipes import Recipe
from training.snapshot import Dataset
from training.weeks import start_of, week_of


@dataclass(frozen=True)
class Query:
    """One reader's question, and what the answer should have been.

    Attributes:
        candidates: (n,) rows of papers.
        relevant: (n,) which candidates the reader liked.
        liked: (m,) rows of papers in the profile, never among the candidates.
        liked_at: (m,) Unix seconds, NaN unknown.
        as_of: Unix seconds; NaN where the data set has no dates.
        week: Number of the week, for dated data; queries of one week share their candidates. -1 otherwise.
        fold: Whose map may serve it; see ``training.cross_fitting``.
    """

    reader: int
    candidates: IndexArray
    relevant: BoolArray
    liked: IndexArray
    liked_at: Float64Array
    as_of: float
    week: int = -1
    fold: int = NO_FOLD


def weekly_queries(dataset: Dataset, min_likes: int = 1) -> Iterator[Query]:
    """One query for each reader and ISO week in which the reader liked papers of that week, weeks ascending.

    Candidates are all papers published in the week, asked at its end; the profile is what was liked before its Monday.

    Args:
        min_likes: Readers with fewer earlier likes are left out.
    """
    likes = dataset.likes
    paper_weeks, like_weeks = week_of(dataset.papers.published_at), week_of(likes.liked_at)
    current = paper_weeks[likes.papers] == like_weeks
    for week in np.unique(like_weeks[current]):
        candidates = np.nonzero(paper_weeks == week)[0]
        for reader in np.unique(likes.readers[current & (like_weeks == week)]):
            own = likes.of_reader(int(reader))
            earlier = like_weeks[own] < week
            liked, hits = likes.papers[own][earlier], likes.papers[own][current[own] & (like_weeks[own] == week)]
            if len(liked) < min_likes:
                continue
            keep = candidates[~np.isin(candidates, liked)]
            relevant = np.isin(keep, hits)
            if relevant.any() and not relevant.all():
                end = start_of(int(week) + 1)
                yield Query(int(reader), keep, relevant, liked, likes.liked_at[own][earlier], end, int(week))


def hidden_queries(
    dataset: Dataset, fold_of: IndexArray, fold: int, candidate_count: int, rng: np.random.Generator
) -> Iterator[Query]:
    """For each reader, in random order, one query that asks for likes among the papers of one fold.

    Candidates are the reader's likes there and others drawn at random from the same fold; the profile is the rest.
    """
    likes = dataset.likes
    members = np.flatnonzero(fold_of == fold)
    for reader in rng.permutation(len(likes.bounds) - 1):
        own = likes.of_reader(int(reader))
        papers = likes.papers[own]
        hidden = fold_of[papers] == fold
        if not 0 < hidden.sum() < len(papers):
            continue
        hits = papers[hidden][: candidate_count // 2]
        pool = np.setdiff1d(members, papers)
        others = rng.choice(pool, min(candidate_count - len(hits), len(pool)), replace=False)
        if len(others):
            rows = np.sort(np.concatenate((hits, others)))
            times = likes.liked_at[own][~hidden]
            yield Query(int(reader), rows, np.isin(rows, hits), papers[~hidden], times, float("nan"), fold=fold)


def queries_of(dataset: Dataset, folds: Folds, recipe: Recipe, rng: np.random.Generator) -> list[Query]:
    """The training queries of one data set, within the recipe's limits."""
    if folds.of_paper is not None:
        limit = recipe.undated_query_limit // len(folds)
        found = (
            hidden_queries(dataset, folds.of_paper, fold, recipe.undated_candidate_count, rng)
            for fold in range(len(folds))
        )
        return [query for part in found for query in islice(part, limit)]
    queries = [replace(query, fold=folds.of_week(query.week)) for query in weekly_queries(dataset)]
    count = min(recipe.dated_query_limit, len(queries))
    kept = np.sort(rng.choice(len(queries), count, replace=False))
    return [queries[i] for i in np.repeat(kept, recipe.dated_guises)]


def with_fewer_likes(query: Query, count: int, rng: np.random.Generator) -> Query:
    """The same question by a reader of whom at most ``count`` likes are known."""
    if len(query.liked) <= count:
        return query
    kept = np.sort(rng.choice(len(query.liked), count, replace=False))
    return replace(query, liked=query.liked[kept], liked_at=query.liked_at[kept])


def check_contiguous(query_ids: Sequence[int], group_sizes: Int32Array) -> None:
    """Checks that each query's rows stand together in groups of the given sizes.

    LightGBM takes group sizes on trust and would learn nonsense from shuffled rows.

    Raises:
        TrainingError: They do not.
    """
    ids = np.asarray(query_ids)
    if int(group_sizes.sum()) != len(ids):
        raise TrainingError(f"groups hold {int(group_sizes.sum())} rows, the matrix {len(ids)}")
    starts = np.concatenate(([0], np.cumsum(group_sizes)))[:-1]
    expected = np.repeat(ids[starts], group_sizes)
    if (ids != expected).any() or len(np.unique(ids[starts])) != len(starts):
        raise TrainingError("the rows of a query do not stand together")
