"""Turns queries into feature rows, with information masked at random.

A new deployment lacks dates, vectors or times of likes, and its users start with a few titles. A model that never saw
such queries ranks them badly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ranker.features import SCHEMA, compute_matrix
from ranker.profile.profile import build_profile
from ranker.spaces.spaces import PaperMatrix, Spaces
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray, Int32Array
from ranker.user_context import UserContext
from training.data.cross_fitting import NO_FOLD
from training.data.query_groups import Query, with_fewer_likes
from training.data.simulation import Crowd, dislikes_of, user_context_of
from training.data.snapshot import Dataset
from training.metrics import best_first_hits
from training.progress import Progress
from training.recipes import Hiding, Recipe, Simulated

FOREIGN = NO_FOLD - 1
"""Stands in place of a fold for the spaces that were fitted on the other data sets."""

# Features that are unknown for a candidate without a vector.
_VECTORIAL = np.concatenate(
    (
        SCHEMA.columns_of("embedding"),
        SCHEMA.columns_of("collaborative"),
        [SCHEMA.names.index(name) for name in ("topic_overlap", "topic_overlap_telling", "trend_topic_heat")],
    )
)


@dataclass(frozen=True)
class Rows:
    """Feature rows of many queries; the rows of a query stand together.

    Attributes:
        features: (n, len(SCHEMA)) float32.
        labels: (n,) grades; see ``training.data.reactions``.
        group_sizes: (queries,) int32.
        weights: (n,) float32 weight of each row; None gives all rows weight 1.
    """

    features: Float32Array
    labels: IndexArray
    group_sizes: Int32Array
    weights: Float32Array | None = None

    @property
    def starts(self) -> IndexArray:
        """(queries,) the first row of each query."""
        return np.cumsum(self.group_sizes, dtype=np.intp) - self.group_sizes

    @property
    def query_weights(self) -> Float32Array:
        """(queries,) float32 weight of each query."""
        return np.ones(len(self.group_sizes), dtype=np.float32) if self.weights is None else self.weights[self.starts]

    @property
    def relevant(self) -> BoolArray:
        """(n,) whether each row has a positive grade."""
        return np.asarray(self.labels > 0)

    def hits(self, scores: Float64Array) -> list[BoolArray]:
        """Return for each query the relevance of its candidates in the order of falling (n,) scores."""
        parts = zip(np.split(scores, self.starts[1:]), np.split(self.relevant, self.starts[1:]), strict=True)
        return [best_first_hits(*part) for part in parts]

    def where(self, kept: BoolArray) -> "Rows":
        """Return the rows of the queries where ``kept`` (queries,) is true."""
        rows = np.repeat(kept, self.group_sizes)
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.features[rows], self.labels[rows], self.group_sizes[kept], weights)


def query_weights(counts: Sequence[int], shares: Sequence[float]) -> list[float]:
    """Return the weight of one query of each data set, so that the total weights have the ratios of ``shares``.

    Args:
        counts: Queries of each data set.
        shares: Total weight of each data set, above 0; only ratios matter.
    """
    return [share / sum(shares) * sum(counts) / max(count, 1) for count, share in zip(counts, shares, strict=True)]


def balanced(parts: Sequence[Rows], shares: Sequence[float]) -> Rows:
    """Return the rows of several data sets together, weighted by ``query_weights``."""
    weights = query_weights([len(part.group_sizes) for part in parts], shares)
    return joined_rows(
        [
            replace(part, weights=np.full(len(part.features), weight, dtype=np.float32))
            for part, weight in zip(parts, weights, strict=True)
        ]
    )


def joined_rows(parts: Sequence[Rows]) -> Rows:
    """Return all rows in their order; with weights where all parts have weights."""
    weights = [part.weights for part in parts if part.weights is not None]
    return Rows(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.group_sizes for part in parts]),
        np.concatenate(weights) if len(weights) == len(parts) else None,
    )


class DatasetMatrices:
    """The papers of a data set in several spaces, with whole texts and, where there are title vectors, by title."""

    def __init__(self, dataset: Dataset, folds: Mapping[int, Spaces], foreign: Spaces | None) -> None:
        """Place all papers; ``folds`` and ``foreign`` are those of ``LearnedSpaces``.

        The spaces of the folds differ in map and background alone.
        """
        # Upvotes without a time were counted long after the likes.
        papers = replace(dataset.papers, upvotes=np.full(len(dataset.papers), np.nan))
        shown = {False: papers}
        if dataset.title_embeddings is not None:
            shown[True] = replace(papers, texts=papers.titles, embeddings=dataset.title_embeddings)
        self.crowd = Crowd(dataset)
        self._user_codes = dataset.user_codes
        self.has_foreign = foreign is not None
        self._parts: dict[tuple[bool, int], PaperMatrix] = {}
        for titles, part in shown.items():
            plain = folds[NO_FOLD].matrix(part)
            for fold, spaces in folds.items():
                self._parts[titles, fold] = (plain if fold == NO_FOLD else spaces.mapped(plain)).completed()
            if foreign is not None:
                self._parts[titles, FOREIGN] = foreign.matrix(part).completed()
        # Most queries of a week have the same candidates.
        self._recent = lru_cache(maxsize=8)(self._gathered)

    def rows(self, papers: IndexArray, fold: int, *, titles: bool = False) -> PaperMatrix:
        """Return some papers in the spaces of a fold or ``FOREIGN``; with whole texts if there are no title vectors."""
        return self._recent(papers.tobytes(), fold, titles and (True, fold) in self._parts)

    def code_of(self, user: int) -> int:
        """Return the user's code in the papers' signals; 0 where no codes are known."""
        return 0 if self._user_codes is None else int(self._user_codes[user])

    def _gathered(self, papers: bytes, fold: int, titles: bool) -> PaperMatrix:  # noqa: FBT001
        return self._parts[titles, fold].take(np.frombuffer(papers, dtype=np.intp).tolist())


def feature_rows(
    queries: Sequence[tuple[DatasetMatrices, Query]],
    recipe: Recipe | None,
    rng: np.random.Generator,
    progress: Progress,
) -> Rows:
    """Return the rows of all queries in their order.

    Args:
        recipe: The recipe that masks information; None masks nothing.
    """
    parts, labels = [], []
    for number, (matrices, query) in enumerate(queries):
        if recipe is None:
            parts.append(_plain(matrices, query))
        else:
            hiding = recipe.hiding(dated=query.week >= 0)
            is_short = rng.random() < hiding.small_profile_share
            shown = with_fewer_likes(query, int(rng.integers(1, 6)), rng) if is_short else query
            parts.append(_masked(_disguised(matrices, shown, hiding, recipe.simulated, rng), hiding, rng))
        labels.append(query.labels)
        if number % 100 == 0 or number + 1 == len(queries):
            progress("features", number + 1, len(queries))
    sizes = np.array([len(part) for part in parts], dtype=np.int32)
    return Rows(np.concatenate(parts), np.concatenate(labels), sizes)


def _plain(matrices: DatasetMatrices, query: Query) -> Float32Array:
    likes, dislikes, candidates = (
        matrices.rows(papers, query.fold) for papers in (query.liked, query.disliked, query.candidates)
    )
    profile = build_profile(likes, dislikes, query.liked_at)
    return compute_matrix(profile, candidates, query.as_of, UserContext(user=matrices.code_of(query.user)))


def _disguised(
    matrices: DatasetMatrices, query: Query, hiding: Hiding, simulated: Simulated, rng: np.random.Generator
) -> Float32Array:
    fold = FOREIGN if rng.random() < hiding.foreign_spaces_share and matrices.has_foreign else query.fold
    liked_titles, candidate_titles = rng.random(2) < hiding.titles_only_share
    likes = matrices.rows(query.liked, fold, titles=bool(liked_titles))
    candidates = matrices.rows(query.candidates, fold, titles=bool(candidate_titles))
    disliked = np.union1d(query.disliked, dislikes_of(query, matrices.crowd, simulated, rng))
    dislikes = matrices.rows(disliked, fold, titles=bool(candidate_titles))
    candidates, as_of = matrices.crowd.seen(query, candidates, simulated, rng)
    user_context = replace(user_context_of(query, simulated, rng), user=matrices.code_of(query.user))
    return compute_matrix(build_profile(likes, dislikes, query.liked_at), candidates, as_of, user_context)


def _masked(features: Float32Array, hiding: Hiding, rng: np.random.Generator) -> Float32Array:
    for family, share in hiding.masked_shares:
        if rng.random() < share:
            features[:, SCHEMA.columns_of(family)] = np.nan
    if rng.random() < hiding.pending_share:
        pending = rng.random(len(features)) < 0.2
        features[np.ix_(pending, _VECTORIAL)] = np.nan
    return features
