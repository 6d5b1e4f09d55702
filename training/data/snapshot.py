"""Training data frozen at a time: papers as columns, with likes, clicks and dislikes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ranker.papers import PaperColumns
from ranker.spaces.linear import unit_rows
from ranker.spaces.statistics import CorpusStatistics, count_corpus, count_terms
from ranker.types import Float32Array, Float64Array, IndexArray, Int64Array
from training.dates import day_of
from training.errors import TrainingError
from training.progress import Warn

LIKED, SAVED, CLICKED = 3, 2, 1
"""Grades; see ``training.data.reactions``."""
GRACE_SECONDS = 86_400
"""Tolerance for dates without a time: they stand for any moment of the day, in any time zone."""


@dataclass(frozen=True)
class Likes:
    """Pairs of users and papers: likes, or clicks, or dislikes. A pair occurs once, at its first time.

    Attributes:
        users: (k,) user numbers from 0, ascending.
        papers: (k,) rows of the data set's papers.
        liked_at: (k,) float64 Unix seconds; NaN unknown.
        grades: (k,) see ``training.data.reactions``.
    """

    users: IndexArray
    papers: IndexArray
    liked_at: Float64Array
    grades: IndexArray

    @classmethod
    def of(cls, users: ArrayLike, papers: ArrayLike, liked_at: ArrayLike, grades: ArrayLike | None = None) -> "Likes":
        """Return likes without repeats, sorted by user and time; unknown times come first, ties keep their order.

        Args:
            grades: (k,) grades; None grades all as ``LIKED``.
        """
        who, what = np.asarray(users, dtype=np.intp), np.asarray(papers, dtype=np.intp)
        when = np.asarray(liked_at, dtype=np.float64)
        worth = np.full(len(who), LIKED) if grades is None else np.asarray(grades, dtype=np.intp)
        order = np.lexsort((np.where(np.isnan(when), -np.inf, when), who))
        found = cls(who, what, when, worth).where(order)
        _, first = np.unique(np.stack((found.users, found.papers)), axis=1, return_index=True)
        return found.where(np.sort(first))

    @cached_property
    def bounds(self) -> IndexArray:
        """(users + 1,) the likes of user u are ``bounds[u]:bounds[u + 1]``."""
        count = int(self.users.max()) + 1 if len(self.users) else 0
        return np.searchsorted(self.users, np.arange(count + 1))

    def __len__(self) -> int:
        return len(self.users)

    def of_user(self, user: int) -> slice:
        """Return the slice of a user's likes; an empty slice for a user without likes."""
        if user + 1 >= len(self.bounds):
            return slice(len(self), len(self))
        return slice(int(self.bounds[user]), int(self.bounds[user + 1]))

    def where(self, keep: IndexArray) -> "Likes":
        """Return the likes at the positions ``keep``; users keep their numbers."""
        return Likes(self.users[keep], self.papers[keep], self.liked_at[keep], self.grades[keep])

    def placed(self, place: IndexArray) -> "Likes":
        """Return the likes with new rows of papers, ``place[old row]``; -1 drops the likes of a paper."""
        kept = self.where(np.flatnonzero(place[self.papers] >= 0))
        return replace(kept, papers=place[kept.papers])

    def with_others(self, others: "Likes") -> "Likes":
        """Return these likes together with likes of other pairs."""
        if not len(others):
            return self
        return Likes.of(*map(np.concatenate, zip(_columns(self), _columns(others), strict=True)))


NO_LIKES = Likes.of([], [], [])


@dataclass(frozen=True)
class Dataset:
    """One source of training queries.

    Attributes:
        papers: Papers as columns, with ``signals`` where the source has them.
        likes: Likes and saves, from which profiles are built.
        title_embeddings: (n, d) float32 vectors of the titles alone, for training on libraries that hold titles only;
            None where there are none.
        clicks: Clicks on papers that are neither liked nor disliked.
        dislikes: Dislikes and dismissals.
        user_codes: (users,) each user's code in ``papers.signals``; None where there are no signals.
        is_imported: Whether users saw papers at their publication, before ``first_seen_at``.
        taken_at: Time at which the data were taken from a service, in RFC 3339; empty for data from files. Not part of
            the fingerprint.
    """

    name: str
    papers: PaperColumns
    likes: Likes
    title_embeddings: Float32Array | None = None
    clicks: Likes = NO_LIKES
    dislikes: Likes = NO_LIKES
    user_codes: Int64Array | None = None
    is_imported: bool = False
    taken_at: str = ""

    @cached_property
    def appeared_at(self) -> Float64Array:
        """(n,) Unix seconds from which users could see each paper; NaN unknown."""
        papers = self.papers
        if self.is_imported:
            return np.fmin(papers.first_seen_at, papers.published_at)
        return np.where(np.isnan(papers.first_seen_at), papers.published_at, papers.first_seen_at)

    @cached_property
    def statistics(self) -> CorpusStatistics:
        """The statistics of all papers; counted once, although several priors are made of them."""
        return count_corpus(count_terms(self.papers.texts), unit_rows(self.papers.embeddings))

    @cached_property
    def answers(self) -> Likes:
        """Likes, saves and clicks, which a query may ask for."""
        return self.likes.with_others(self.clicks)

    @property
    def dated(self) -> bool:
        """Whether all papers and most likes have times; otherwise the data set counts as undated.

        A like without a time is from before all others, as in an imported library.
        """
        known = np.isfinite(self.likes.liked_at)
        return bool(len(known) and known.mean() > 0.5 and np.isfinite(self.appeared_at).all())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that training reads."""
        digest = hashlib.sha256()
        papers = self.papers
        for row in zip(papers.paper_ids, papers.texts, papers.categories, strict=True):
            digest.update(json.dumps(row).encode())
        signals = () if papers.signals is None else vars(papers.signals).values()
        reactions = [column for part in (self.likes, self.clicks, self.dislikes) for column in _columns(part)]
        arrays = (papers.embeddings, papers.published_at, papers.first_seen_at, *signals, *reactions)
        for array in (*arrays, self.title_embeddings, self.user_codes):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def with_history(self, warn: Warn) -> "Dataset":
        """Return the data set, marked as imported where most likes are older than ``first_seen_at`` of their papers.

        Papers of an imported data set count from their publication.
        """
        since = self.likes.liked_at - self.papers.first_seen_at[self.likes.papers]
        known = since[np.isfinite(since)]
        if not len(known) or (known < -GRACE_SECONDS).mean() <= 0.5:
            return self
        warn(
            f"{self.name}: most likes are dated before their papers were first stored, so papers count from publication"
        )
        return replace(self, is_imported=True)

    def with_reactions(self, change: Callable[[Likes], Likes]) -> "Dataset":
        """Return the data set with its likes, clicks and dislikes changed."""
        return replace(self, likes=change(self.likes), clicks=change(self.clicks), dislikes=change(self.dislikes))

    def before(self, moment: float) -> "Dataset":
        """Return the data set without papers that appeared and likes that were given at ``moment`` or later.

        Papers and likes without times stay.
        """
        early = self.part(np.flatnonzero(~(self.appeared_at >= moment) & ~(self.papers.published_at >= moment)))
        return early.with_reactions(lambda likes: likes.where(np.flatnonzero(~(likes.liked_at >= moment))))

    def part(self, rows: IndexArray) -> "Dataset":
        """Return the data set of some papers; users keep their numbers."""
        place = np.full(len(self.papers), -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        titles = None if self.title_embeddings is None else self.title_embeddings[rows]
        part = replace(self, papers=self.papers.take(rows.tolist()), title_embeddings=titles)
        return part.with_reactions(lambda likes: likes.placed(place))


def _columns(likes: Likes) -> tuple[IndexArray, IndexArray, Float64Array, IndexArray]:
    return likes.users, likes.papers, likes.liked_at, likes.grades


def check_limit(dataset: Dataset, known: Dataset, moment: float) -> None:
    """Check that a time limit leaves likes of a data set that has some.

    Args:
        known: The data set without what is dated at ``moment`` or later.

    Raises:
        TrainingError: No like is left; the message names the day on which the data begin.
    """
    likes = dataset.likes
    if len(known.likes) or not len(likes):
        return
    # A like is known from its own time and that of its paper on.
    papers_from = np.fmax(dataset.appeared_at, dataset.papers.published_at)[likes.papers]
    first = np.nanmin(np.fmax(likes.liked_at, papers_from))
    raise TrainingError(f"{dataset.name}: no event before {day_of(moment)}; the data begin on {day_of(first)}")


def check_dataset(dataset: Dataset, embedding_dim: int) -> None:
    """Check that the parts of a data set fit, and that there is something to learn from.

    Raises:
        TrainingError: Names the data set and what is missing.
    """
    check_parts(dataset, embedding_dim)
    if problem := _lack(dataset):
        raise TrainingError(f"{dataset.name}: {problem}")


def check_parts(dataset: Dataset, embedding_dim: int) -> None:
    """Check that the parts of a data set fit.

    Raises:
        TrainingError: Names the data set and what does not fit.
    """
    papers = dataset.papers
    if papers.embeddings.shape[1] != embedding_dim:
        raise TrainingError(f"{dataset.name}: vectors have length {papers.embeddings.shape[1]}, not {embedding_dim}")
    named = np.concatenate([part.papers for part in (dataset.likes, dataset.clicks, dataset.dislikes)])
    if len(named) and (named.min() < 0 or named.max() >= len(papers)):
        raise TrainingError(f"{dataset.name}: a like names a paper that is not in the data set")
    if dataset.title_embeddings is not None and dataset.title_embeddings.shape != papers.embeddings.shape:
        raise TrainingError(f"{dataset.name}: title_embeddings must have the shape of the papers' vectors")


def _lack(dataset: Dataset) -> str:
    """Return what is missing for training; an empty text where nothing is."""
    papers, likes = dataset.papers, dataset.likes
    if not len(papers):
        return "has no papers"
    if not len(likes):
        clicks = f"; {len(dataset.clicks)} clicks alone make no profile" if len(dataset.clicks) else ""
        return f"nobody liked or saved any of the papers: there are no positive labels{clicks}"
    if not np.isfinite(papers.embeddings).all(axis=1).any():
        return "no paper has a vector"
    early = int((likes.liked_at < dataset.appeared_at[likes.papers] - GRACE_SECONDS).sum())
    if dataset.dated and early == len(likes):
        return "all likes are from before their papers appeared: the times are out of order"
    return ""
