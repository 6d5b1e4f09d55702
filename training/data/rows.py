"""Turns queries into feature rows, with information masked at random.

A new deployment lacks dates, vectors or times of likes, and its users start with a few titles. A model that never saw
such queries ranks them badly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from ranker.features import SCHEMA, compute_matrix
from ranker.profile.profile import build_profile
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray, Int32Array
from ranker.user_context import UserContext
from training.data.catalogs import Catalog, DatasetPapers
from training.data.query_groups import Query, with_fewer_likes
from training.data.simulation import dislikes_of, user_context_of
from training.metrics import best_first_hits
from training.progress import Progress
from training.recipes import Hiding, Recipe, Simulated

QUERIES_PER_CATALOG = 32
"""Training queries of one week that share a catalog, because counting one takes as long as some hundred queries."""
# Features that are unknown for a candidate without a vector.
_VECTORIAL = np.concatenate((SCHEMA.columns_of("embedding"), SCHEMA.columns_of("collaborative")))


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


def feature_rows(
    queries: Sequence[tuple[DatasetPapers, Query]],
    recipe: Recipe | None,
    rng: np.random.Generator,
    progress: Progress,
) -> Rows:
    """Return the rows of all queries in their order.

    Args:
        recipe: The recipe that masks information; None masks nothing.
    """
    parts, labels = [], []
    for number, (papers, query, catalog) in enumerate(_with_catalogs(queries, recipe, rng)):
        if recipe is None:
            parts.append(_plain(papers, query, catalog))
        else:
            hiding = recipe.hiding(dated=query.week >= 0)
            is_short = rng.random() < hiding.small_profile_share
            shown = with_fewer_likes(query, int(rng.integers(1, 6)), rng) if is_short else query
            parts.append(_masked(_disguised(papers, shown, catalog, hiding, recipe.simulated, rng), hiding, rng))
        labels.append(query.labels)
        if number % 100 == 0 or number + 1 == len(queries):
            progress("features", number + 1, len(queries))
    sizes = np.array([len(part) for part in parts], dtype=np.int32)
    return Rows(np.concatenate(parts), np.concatenate(labels), sizes)


def _with_catalogs(
    queries: Sequence[tuple[DatasetPapers, Query]], recipe: Recipe | None, rng: np.random.Generator
) -> Iterator[tuple[DatasetPapers, Query, Catalog]]:
    """Yield each query with the catalog of which it sees statistics, in their order.

    Training draws catalogs of many sizes, so that the trees learn to live with all of them.
    """
    for _, group in groupby(queries, key=lambda each: (id(each[0]), each[1].week, each[1].fold)):
        alike = list(group)
        for start in range(0, len(alike), QUERIES_PER_CATALOG):
            part = alike[start : start + QUERIES_PER_CATALOG]
            query = part[0][1]
            catalog = Catalog(query.week, query.fold)
            if recipe is not None:
                hiding = recipe.hiding(dated=query.week >= 0)
                size = recipe.catalog_sizes[rng.integers(len(recipe.catalog_sizes))]
                # A catalog that is not drawn is the same for all groups of a week, and counted once.
                seed = int(rng.integers(2**31)) if size else 0
                is_foreign = bool(rng.random() < hiding.foreign_map_share)
                catalog = Catalog(query.week, query.fold, size, is_foreign, seed)
            for papers, each in part:
                yield papers, each, catalog


def _plain(papers: DatasetPapers, query: Query, catalog: Catalog) -> Float32Array:
    likes, dislikes, candidates = (
        papers.matrix(rows, catalog) for rows in (query.liked, query.disliked, query.candidates)
    )
    profile = build_profile(likes, dislikes, query.liked_at)
    return compute_matrix(profile, candidates, query.as_of, UserContext(user=papers.code_of(query.user)))


def _disguised(
    papers: DatasetPapers,
    query: Query,
    catalog: Catalog,
    hiding: Hiding,
    simulated: Simulated,
    rng: np.random.Generator,
) -> Float32Array:
    liked_titles, candidate_titles = (bool(found) for found in rng.random(2) < hiding.titles_only_share)
    likes = papers.matrix(query.liked, catalog, titles=liked_titles)
    candidates = papers.matrix(query.candidates, catalog, titles=candidate_titles)
    disliked = np.union1d(query.disliked, dislikes_of(query, papers.crowd, simulated, rng))
    dislikes = papers.matrix(disliked, catalog, titles=candidate_titles)
    candidates, as_of = papers.crowd.seen(query, candidates, simulated, rng)
    user_context = replace(user_context_of(query, simulated, rng), user=papers.code_of(query.user))
    return compute_matrix(build_profile(likes, dislikes, query.liked_at), candidates, as_of, user_context)


def _masked(features: Float32Array, hiding: Hiding, rng: np.random.Generator) -> Float32Array:
    for family, share in hiding.masked_shares:
        if rng.random() < share:
            features[:, SCHEMA.columns_of(family)] = np.nan
    if rng.random() < hiding.pending_share:
        pending = rng.random(len(features)) < 0.2
        features[np.ix_(pending, _VECTORIAL)] = np.nan
    return features
