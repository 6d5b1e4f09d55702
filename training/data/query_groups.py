"""Data sets to queries: a profile, candidates and which of them were liked."""

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
    """One reader's question, and what the answer should have been.

    Attributes:
        candidates: (n,) rows of papers.
        relevant: (n,) which candidates the reader liked, saved or clicked.
        liked: (m,) rows of papers in the profile, never among the candidates.
        liked_at: (m,) Unix seconds, NaN unknown.
        as_of: Unix seconds; NaN where the data set has no dates.
        week: Number of the week, for dated data; queries of one week share their candidates. -1 otherwise.
        fold: Whose map may serve it; see ``training.data.cross_fitting``.
        grades: (n,) of the candidates, see ``training.data.reactions``; None where all that is relevant is liked.
        disliked: Rows of papers that the reader is known to dislike when asking, never among the candidates.
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
        """(n,) the grades."""
        return self.relevant * LIKED if self.grades is None else self.grades


def weekly_queries(dataset: Dataset, min_likes: int = 1, *, left_out: bool = False) -> Iterator[Query]:
    """One query for each reader and ISO week in which the reader liked papers of that week, weeks ascending.

    Candidates are all papers that appeared in the week, asked at its end; profile and dislikes are from before its
    Monday. Saved and clicked papers are asked for too.

    Args:
        min_likes: Readers with fewer likes in the profile are left out.
        left_out: The profile holds the likes of all other weeks, later ones too, and no times: leave-one-out. It asks
            of those too who have no earlier likes, and gives every question a second, fuller profile. For training
            alone.
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
            if len(liked) < min_likes:
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
    """(n,) the grade of each of the ascending candidates; 0 for those that are none of the reader's answers."""
    grades = np.zeros(len(candidates), dtype=np.intp)
    hits = answers.papers[own][counted[own]]
    among = np.isin(hits, candidates)
    grades[np.searchsorted(candidates, hits[among])] = answers.grades[own][counted[own]][among]
    return grades


def hidden_queries(
    dataset: Dataset, fold_of: IndexArray, fold: int, candidate_count: int, rng: np.random.Generator
) -> Iterator[Query]:
    """For each reader, in random order, one query that asks for likes among the papers of one fold.

    Candidates are what the reader liked, saved or clicked there and others drawn at random from the same fold; the
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
        pool = np.setdiff1d(members, answers.papers[asked])
        others = rng.choice(pool, min(candidate_count - len(hits), len(pool)), replace=False)
        if len(others):
            rows = np.sort(np.concatenate((hits, others)))
            grades = _grades(rows, answers, asked, is_hidden)
            liked, times = likes.papers[own][shown], likes.liked_at[own][shown]
            disliked = np.setdiff1d(dislikes.papers[dislikes.of_user(user)], rows)
            yield Query(user, rows, grades > 0, liked, times, float("nan"), fold=fold, grades=grades, disliked=disliked)


def queries_of(dataset: Dataset, folds: Folds, recipe: Recipe, rng: np.random.Generator) -> list[Query]:
    """The training queries of one data set, within the recipe's limits."""
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
    """As many as the recipe takes, drawn at random, in their order."""
    queries = list(found)
    kept = np.sort(rng.choice(len(queries), min(recipe.dated_query_limit, len(queries)), replace=False))
    return [queries[i] for i in kept]


def lack_of_queries(dataset: Dataset) -> str:
    """Why too few readers of a data set can be asked: what is missing."""
    if not dataset.dated:
        return "two or more readers must like two or more papers each, and there are too few of them"
    weeks = np.unique(week_of(dataset.likes.liked_at[np.isfinite(dataset.likes.liked_at)]))
    if len(weeks) < 2:
        return "all likes lie in one week: training asks of each week what the likes before it foretell"
    return (
        "two or more readers must have liked something and, in a later week, papers that appeared in that week; "
        "there are too few of them: readers have no history, or the times are out of order"
    )


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
