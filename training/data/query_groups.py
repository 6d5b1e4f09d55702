"""Turns data sets into queries: a profile, candidate papers and their relevance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from ranker.types import BoolArray, Float64Array, IndexArray, Int32Array
from training.data.cross_fitting import NO_FOLD, Folds
from training.data.snapshot import LIKED, Dataset, Likes
from training.data.weeks import start_of, week_of
from training.errors import TrainingError
from training.recipes import Recipe


@dataclass(frozen=True)
class Query:
    """One ranking task of one user, with the right answer.

    Attributes:
        candidates: (n,) rows of papers.
        relevant: (n,) whether the user liked, saved or clicked each candidate.
        liked: (m,) rows of papers in the profile, never among the candidates.
        liked_at: (m,) Unix seconds; NaN unknown.
        as_of: Unix seconds; NaN where the data set has no dates.
        week: Number of the week for dated data, -1 otherwise. Queries of one week share their candidates.
        fold: Fold whose spaces the query may use; see ``training.data.cross_fitting``.
        grades: (n,) grades of the candidates, see ``training.data.reactions``; None grades all relevant ones as liked.
        disliked: Rows of papers that the user disliked before the query, never among the candidates.
    """

    user: int
    candidates: IndexArray
    relevant: BoolArray
    liked: IndexArray
    liked_at: Float64Array
    as_of: float
    week: int = -1
    fold: int = NO_FOLD
    grades: IndexArray | None = None
    disliked: IndexArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    @property
    def labels(self) -> IndexArray:
        """The (n,) grades of the candidates."""
        return self.relevant * LIKED if self.grades is None else self.grades


def weekly_queries(dataset: Dataset, *, left_out: bool = False) -> Iterator[Query]:
    """Yield one query for each ISO week and user who liked, saved or clicked papers of that week, weeks ascending.

    Candidates are all papers that appeared in the week; the query is at its end. Profile and dislikes are from before
    the week's Monday.

    Args:
        left_out: The profile holds the likes of all other weeks, later ones too, without times (leave-one-out). This
            also covers users without earlier likes, and gives every query a second, fuller profile. For training only.
    """
    likes, answers, dislikes = dataset.likes, dataset.answers, dataset.dislikes
    paper_weeks = week_of(dataset.appeared_at)
    like_weeks, answer_weeks, dislike_weeks = (week_of(part.liked_at) for part in (likes, answers, dislikes))
    current = (paper_weeks[answers.papers] == answer_weeks) & (answer_weeks >= 0)
    for week in np.unique(answer_weeks[current]):
        candidates = np.nonzero(paper_weeks == week)[0]
        now = current & (answer_weeks == week)
        for user in np.unique(answers.users[now]).tolist():
            own, against = likes.of_user(user), dislikes.of_user(user)
            shown = like_weeks[own] != week if left_out else like_weeks[own] < week
            liked = likes.papers[own][shown]
            if not len(liked):
                continue
            disliked = dislikes.papers[against][dislike_weeks[against] < week]
            keep = candidates[~np.isin(candidates, np.concatenate((liked, disliked)))]
            grades = _grades(keep, answers, answers.of_user(user), now)
            relevant = grades > 0
            if relevant.any() and not relevant.all():
                times, end = likes.liked_at[own][shown], start_of(int(week) + 1)
                times = np.full_like(times, np.nan) if left_out else times
                yield Query(user, keep, relevant, liked, times, end, int(week), grades=grades, disliked=disliked)


def _grades(candidates: IndexArray, answers: Likes, own: slice, counted: BoolArray) -> IndexArray:
    """Return the (n,) grades of the candidates, which ascend; 0 for candidates that are not among the answers."""
    grades = np.zeros(len(candidates), dtype=np.intp)
    hits = answers.papers[own][counted[own]]
    among = np.isin(hits, candidates)
    grades[np.searchsorted(candidates, hits[among])] = answers.grades[own][counted[own]][among]
    return grades


def hidden_queries(
    dataset: Dataset, fold_of: IndexArray, fold: int, candidate_count: int, rng: np.random.Generator
) -> Iterator[Query]:
    """Yield one query for each user, in random order, that asks for papers of one fold.

    Candidates are the papers that the user liked, saved or clicked in the fold, and others drawn from it at random. The
    profile is the rest of the likes.
    """
    likes, answers, dislikes = dataset.likes, dataset.answers, dataset.dislikes
    members = np.flatnonzero(fold_of == fold)
    is_hidden = fold_of[answers.papers] == fold
    for user in rng.permutation(len(likes.bounds) - 1).tolist():
        own, asked = likes.of_user(user), answers.of_user(user)
        shown = fold_of[likes.papers[own]] != fold
        if not shown.any() or not is_hidden[asked].any():
            continue
        hits = answers.papers[asked][is_hidden[asked]][: candidate_count // 2]
        pool = members[~np.isin(members, answers.papers[asked], kind="table")]
        others = rng.choice(pool, min(candidate_count - len(hits), len(pool)), replace=False)
        if len(others):
            rows = np.sort(np.concatenate((hits, others)))
            grades = _grades(rows, answers, asked, is_hidden)
            liked, times = likes.papers[own][shown], likes.liked_at[own][shown]
            disliked = np.setdiff1d(dislikes.papers[dislikes.of_user(user)], rows)
            yield Query(user, rows, grades > 0, liked, times, float("nan"), fold=fold, grades=grades, disliked=disliked)


def queries_of(dataset: Dataset, folds: Folds, recipe: Recipe, rng: np.random.Generator) -> list[Query]:
    """Return the training queries of one data set, within the recipe's limits."""
    if folds.of_paper is not None:
        limit = recipe.undated_query_limit // len(folds)
        found = (
            hidden_queries(dataset, folds.of_paper, fold, recipe.undated_candidate_count, rng)
            for fold in range(len(folds))
        )
        return [query for part in found for query in islice(part, limit)]
    dated = [
        *np.repeat(np.array(_drawn(weekly_queries(dataset), recipe, rng), dtype=object), recipe.dated_guises).tolist(),
        *(_drawn(weekly_queries(dataset, left_out=True), recipe, rng) if recipe.left_out_queries else ()),
    ]
    return [replace(query, fold=folds.of_week(query.week)) for query in sorted(dated, key=lambda query: query.week)]


def _drawn(found: Iterator[Query], recipe: Recipe, rng: np.random.Generator) -> list[Query]:
    """Return at most ``dated_query_limit`` queries, drawn at random, in their order."""
    queries = list(found)
    kept = np.sort(rng.choice(len(queries), min(recipe.dated_query_limit, len(queries)), replace=False))
    return [queries[i] for i in kept]


def lack_of_queries(dataset: Dataset) -> str:
    """Return the reason why a data set gives too few queries."""
    if not dataset.dated:
        return "two or more users must like two or more papers each, and there are too few such users"
    weeks = np.unique(week_of(dataset.likes.liked_at[np.isfinite(dataset.likes.liked_at)]))
    if len(weeks) < 2:
        return "all likes lie in one week: training predicts the likes of a week from those of earlier weeks"
    return (
        "two or more users must have liked a paper and, in a later week, papers that appeared in that week; "
        "there are too few such users: they have no history, or the times are out of order"
    )


def with_fewer_likes(query: Query, count: int, rng: np.random.Generator) -> Query:
    """Return the query with at most ``count`` likes in the profile, drawn at random."""
    if len(query.liked) <= count:
        return query
    kept = np.sort(rng.choice(len(query.liked), count, replace=False))
    return replace(query, liked=query.liked[kept], liked_at=query.liked_at[kept])


def check_contiguous(query_ids: Sequence[int], group_sizes: Int32Array) -> None:
    """Check that the rows of each query stand together in groups of the given sizes.

    LightGBM does not check this and would learn nonsense from shuffled rows.

    Raises:
        TrainingError: The sizes do not fit, or the rows of a query are apart.
    """
    ids = np.asarray(query_ids)
    if int(group_sizes.sum()) != len(ids):
        raise TrainingError(f"the groups have {int(group_sizes.sum())} rows, but the matrix has {len(ids)}")
    starts = np.concatenate(([0], np.cumsum(group_sizes)))[:-1]
    expected = np.repeat(ids[starts], group_sizes)
    if (ids != expected).any() or len(np.unique(ids[starts])) != len(starts):
        raise TrainingError("the rows of a query do not stand together")
