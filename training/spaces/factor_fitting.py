"""Fits the map from content to collaborative factors, in which papers liked by the same users lie close together.

A two-tower model with shared linear towers. One part of a user's likes is the profile; the other part must be found
among many papers (sampled softmax, Jean et al. 2015). Content replaces ids as in DropoutNet (Volkovs et al. 2017).

Import this module inside functions: torch takes two seconds to import, and nothing else in training needs it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import embedding_bag, normalize

from ranker.spaces.factors import FactorMap
from ranker.spaces.spaces import Spaces
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, IndexArray, Int32Array
from training.data.snapshot import Likes
from training.recipes import FactorSettings
from training.spaces.space_fitting import LikedPapers

_MAX_PROFILE = 30
_MAX_TARGETS = 10
_HIDDEN_SHARES = (0.1, 0.5)
_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8


def fit_factors(
    spaces: Spaces,
    parts: Sequence[LikedPapers],
    settings: FactorSettings,
    seed: int,
    thread_count: int,
    progress: Callable[[int], None] = lambda _done: None,
) -> FactorMap | None:
    """Return the map; None where no user has two likes.

    The same arguments give the same bits on one machine. Values are rounded to float16, as the bundle stores them.

    Args:
        spaces: The spaces of the papers.
        progress: Called with the number of steps done.
    """
    whitening = _Whitening.of(spaces)
    sets = [found for part in parts if (found := _TrainingSet.of(part, whitening)) is not None]
    if not sets:
        return None
    torch.set_num_threads(thread_count)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    buckets = _common_buckets([part.tfidf for part in sets], settings)
    towers = _Towers(spaces.embedding_dim, buckets, settings)
    for step in range(settings.steps):
        for part in sets:
            towers.learn(part, part.next_batch(rng, settings), step, rng)
        progress(step + 1)
    return towers.frozen(whitening)


@dataclass(frozen=True)
class _Whitening:
    """An affine map that evens out the variances of vectors, so that gradient descent converges fast.

    Attributes:
        offset: (d,) float32.
        matrix: (d, d) float32, by which unit vectors are multiplied before the offset is added.
    """

    offset: Float32Array
    matrix: Float32Array

    @classmethod
    def of(cls, spaces: Spaces) -> "_Whitening":
        """Return the whitening of the spaces, scaled so that whitened vectors have length 1 in the mean."""
        mean = spaces.statistics.vector_mean
        spread = np.trace(spaces.whitening_matrix @ spaces.statistics.covariance @ spaces.whitening_matrix)
        matrix = np.asarray(spaces.whitening_matrix / max(float(spread), 1e-12) ** 0.5, dtype=np.float32)
        return cls(-mean @ matrix, matrix)


@dataclass(frozen=True)
class _Batch:
    """A batch of users 0..b-1.

    Attributes:
        profile: Arrays of users and papers, one entry for each like in a profile.
        targets: The same for the likes to be found.
        pool: Papers among which the targets must be found.
    """

    user_count: int
    profile: tuple[IndexArray, IndexArray]
    targets: tuple[IndexArray, IndexArray]
    pool: IndexArray


class _TrainingSet:
    """A data set with an endless sequence of batches of its users."""

    def __init__(self, whitened: Float32Array, tfidf: SparseRows, likes: Likes, known: IndexArray) -> None:
        self.whitened, self.tfidf, self.likes, self.known = whitened, tfidf, likes, known
        self.users = np.flatnonzero(np.diff(likes.bounds, append=len(likes.users)) >= 2)
        self._queue: list[int] = []

    @classmethod
    def of(cls, part: LikedPapers, whitening: _Whitening) -> "_TrainingSet | None":
        """Return the training set; None where there is nothing to learn from."""
        matrix = part.papers
        if matrix.tfidf is None:
            return None
        likes = part.likes.where(np.flatnonzero(matrix.has_vector[part.likes.papers]))
        # Papers without likes are not drawn into the pool: their likes may be hidden or lie in another time.
        whitened = np.nan_to_num(matrix.units) @ whitening.matrix + whitening.offset
        whitened[~matrix.has_vector] = 0
        found = cls(whitened, matrix.tfidf, likes, np.unique(likes.papers))
        return found if len(found.users) and len(found.known) >= 2 else None

    def next_batch(self, rng: np.random.Generator, settings: FactorSettings) -> _Batch:
        """Return the next batch; every user is drawn once before any is drawn again."""
        count = min(settings.batch_users, len(self.users))
        while len(self._queue) < count:
            self._queue += rng.permutation(self.users).tolist()
        chosen, self._queue = self._queue[:count], self._queue[count:]
        return self._batch(chosen, rng, settings)

    def _batch(self, users: Sequence[int], rng: np.random.Generator, settings: FactorSettings) -> _Batch:
        profile: list[IndexArray] = []
        targets: list[IndexArray] = []
        for user in users:
            liked = rng.permutation(self.likes.papers[self.likes.of_user(user)])
            hidden = max(1, int(len(liked) * rng.uniform(*_HIDDEN_SHARES)))
            targets.append(liked[:hidden][:_MAX_TARGETS])
            profile.append(liked[hidden:][:_MAX_PROFILE])
        drawn = rng.choice(self.known, settings.pool_size)
        pool = np.unique(np.concatenate((drawn, *targets)))
        return _Batch(len(users), _pairs(profile), _pairs(targets), pool)


def _pairs(papers: Sequence[IndexArray]) -> tuple[IndexArray, IndexArray]:
    return np.repeat(np.arange(len(papers)), [len(part) for part in papers]), np.concatenate(papers)


class _Towers:
    """The vector map and the term map during training."""

    def __init__(self, dim: int, buckets: Int32Array, settings: FactorSettings) -> None:
        self._settings = settings
        self._buckets = buckets
        shape = (dim, settings.factor_count)
        self._vector_map = torch.nn.Parameter(torch.randn(shape) * dim**-0.5)
        self._term_map = torch.nn.Parameter(torch.randn(len(buckets), settings.factor_count) * 0.02)
        self._vector_descent = _Descent(self._vector_map, weight_decay=1e-4)
        self._term_descent = _Descent(self._term_map, weight_decay=settings.term_decay)

    def learn(self, part: _TrainingSet, batch: _Batch, step: int, rng: np.random.Generator) -> None:
        """Take one step of gradient descent on one batch."""
        learning_rate = self._settings.learning_rate * min(1.0, 1.5 * (1 - step / self._settings.steps))
        gradients = torch.autograd.grad(self._loss(part, batch, rng), (self._vector_map, self._term_map))
        for descent, gradient in zip((self._vector_descent, self._term_descent), gradients, strict=True):
            descent.step(gradient, learning_rate)

    def frozen(self, whitening: _Whitening) -> FactorMap:
        """Return the learned map of unit vectors in float16 precision."""
        learned = self._vector_map.detach().numpy()
        offset, vector_map, term_map = (
            found.astype(np.float16).astype(np.float32)
            for found in (whitening.offset @ learned, whitening.matrix @ learned, self._term_map.detach().numpy())
        )
        return FactorMap(offset, vector_map, self._buckets, term_map)

    def _loss(self, part: _TrainingSet, batch: _Batch, rng: np.random.Generator) -> torch.Tensor:
        """Return the mean cross entropy of the targets. A user weighs as the square root of the number of targets."""
        rows = np.unique(np.concatenate((batch.pool, batch.profile[1])))
        factors = self._factors(part, rows, rng)
        pool, liked = np.searchsorted(rows, batch.pool), np.searchsorted(rows, batch.profile[1])
        ones = np.ones(len(liked), dtype=np.float32)
        starts = np.searchsorted(batch.profile[0], np.arange(batch.user_count + 1))
        users = normalize(_sums(liked, starts, factors, ones))
        logits = users @ factors[torch.from_numpy(pool)].T / self._settings.temperature
        hidden = torch.zeros_like(logits)
        in_pool = np.isin(batch.profile[1], batch.pool)
        hidden[batch.profile[0][in_pool], np.searchsorted(batch.pool, batch.profile[1][in_pool])] = -1e4
        found = torch.log_softmax(logits + hidden, dim=1)
        user, place = batch.targets[0], np.searchsorted(batch.pool, batch.targets[1])
        weights = torch.from_numpy(np.bincount(user)[user].astype(np.float32) ** -0.5)
        return -torch.dot(found[user, place], weights) / weights.sum()

    def _factors(self, part: _TrainingSet, rows: IndexArray, rng: np.random.Generator) -> torch.Tensor:
        """Return the (len(rows), k) factors of unit length, with dropout."""
        keep = 1 - self._settings.dropout
        vectors = part.whitened[rows]
        vectors = vectors * (rng.random(vectors.shape, dtype=np.float32) < keep) / np.float32(keep)
        words = part.tfidf.take(rows).select(self._buckets)
        values = words.values * (rng.random(len(words.values), dtype=np.float32) < keep) / np.float32(keep)
        from_words = _sums(words.columns, words.starts, self._term_map, values)
        return normalize(torch.from_numpy(vectors) @ self._vector_map + from_words)


class _Descent:
    """AdamW (Loshchilov and Hutter 2019, algorithm 2) on one array of parameters, with torch's default settings.

    It gives the same bits as ``torch.optim.AdamW``, which would import torch's compiler: two seconds in each process.
    """

    def __init__(self, parameters: torch.Tensor, weight_decay: float) -> None:
        self._parameters, self._weight_decay = parameters, weight_decay
        self._mean, self._square_mean = torch.zeros_like(parameters), torch.zeros_like(parameters)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: torch.Tensor, learning_rate: float) -> None:
        """Change the parameters in place."""
        self._steps += 1
        self._parameters.mul_(1 - learning_rate * self._weight_decay)
        self._mean.lerp_(gradient, 1 - _MEAN_DECAY)
        self._square_mean.mul_(_SQUARE_DECAY).addcmul_(gradient, gradient, value=1 - _SQUARE_DECAY)
        # Means that begin at zero are too small in the first steps.
        size = (self._square_mean.sqrt() / (1 - _SQUARE_DECAY**self._steps) ** 0.5).add_(_EPSILON)
        self._parameters.addcdiv_(self._mean, size, value=-learning_rate / (1 - _MEAN_DECAY**self._steps))


def _sums(
    rows: IndexArray | Int32Array, starts: IndexArray | Int32Array, table: torch.Tensor, weights: Float32Array
) -> torch.Tensor:
    """Return (m, k): for each run of ``rows`` the weighted sum of these rows of the table."""
    places, offsets = (torch.from_numpy(np.asarray(values, dtype=np.int64)) for values in (rows, starts[:-1]))
    return embedding_bag(places, table, offsets, mode="sum", per_sample_weights=torch.from_numpy(weights))


def _common_buckets(parts: Sequence[SparseRows], settings: FactorSettings) -> Int32Array:
    """Return the term buckets that occur in most papers, ascending. Each data set weighs the same."""
    counts = np.stack([np.bincount(part.columns, minlength=part.width) for part in parts])
    shares = (counts / np.array([[max(len(part), 1)] for part in parts])).sum(axis=0)
    shares[counts.sum(axis=0) < settings.min_papers] = 0
    commonest = np.argsort(-shares, kind="stable")[: settings.term_count]
    return np.sort(commonest[shares[commonest] > 0]).astype(np.int32)
