"""Learns the map from content to collaborative factors: papers that one reader likes come to lie together.

A two-tower model with shared linear towers: part of a reader's likes is the profile, another part must be found among
many papers (sampled softmax, Jean et al. 2015; content in place of ids as in DropoutNet, Volkovs et al. 2017).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.spaces.factors import FactorMap
from ranker.spaces.spaces import PaperMatrix
from ranker.spaces.sparse import SparseRows
from ranker.types import Float32Array, IndexArray, Int32Array
from training.data.snapshot import Likes

if TYPE_CHECKING:
    import torch

_MAX_PROFILE = 30
_MAX_TARGETS = 10
_HIDDEN_SHARES = (0.1, 0.5)


@dataclass(frozen=True)
class FactorSettings:
    """How the map is fitted.

    Attributes:
        factor_count: k, the length of a paper's factors.
        term_count: Most term buckets that get factors of their own: the commonest.
        min_papers: A bucket must stand in so many papers.
        steps: Batches for each data set.
        batch_users: Readers in a batch.
        pool_size: Papers drawn at random among which targets must be found.
        temperature: Of the softmax over cosines.
        dropout: Share of vector components and terms that a step does not see.
        learning_rate: Of Adam, falling to 0 over the last two thirds.
        term_decay: Weight decay of the terms' factors: a rare term shall not remember its papers.
    """

    factor_count: int = 96
    term_count: int = 12_000
    min_papers: int = 3
    steps: int = 130
    batch_users: int = 512
    pool_size: int = 4_000
    temperature: float = 0.1
    dropout: float = 0.35
    learning_rate: float = 3e-3
    term_decay: float = 1e-3


@dataclass(frozen=True)
class LikedPapers:
    """One data set's papers and the likes that the map may learn from."""

    papers: PaperMatrix
    likes: Likes


def fit_factors(
    parts: Sequence[LikedPapers],
    settings: FactorSettings,
    seed: int,
    thread_count: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FactorMap | None:
    """The map; None where no reader has two likes to learn from.

    The same arguments give the same bits on one machine. Values are rounded to what a bundle keeps (float16).
    """
    import torch  # noqa: PLC0415 -- two seconds that only this needs

    sets = [found for part in parts if (found := _TrainingSet.of(part)) is not None]
    if not sets:
        return None
    torch.set_num_threads(thread_count)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    buckets = _common_buckets([part.tfidf for part in sets], settings)
    towers = _Towers(sets[0].whitened.shape[1], buckets, settings)
    for step in range(settings.steps):
        for part in sets:
            towers.learn(part, part.next_batch(rng, settings), step, rng)
        progress(step + 1, settings.steps)
    return towers.frozen()


@dataclass(frozen=True)
class _Batch:
    """Readers 0..b-1: ``profile`` and ``targets`` are (reader, paper) pairs, ``pool`` the papers to choose among."""

    user_count: int
    profile: tuple[IndexArray, IndexArray]
    targets: tuple[IndexArray, IndexArray]
    pool: IndexArray

    @property
    def profile_starts(self) -> IndexArray:
        """(b + 1,) where each reader's part of the profile begins."""
        return np.concatenate(([0], np.cumsum(np.bincount(self.profile[0], minlength=self.user_count))))


class _TrainingSet:
    """A data set, and batches of its readers without end."""

    def __init__(self, whitened: Float32Array, tfidf: SparseRows, likes: Likes, known: IndexArray) -> None:
        self.whitened, self.tfidf, self.likes, self.known = whitened, tfidf, likes, known
        self.users = np.flatnonzero(np.diff(likes.bounds, append=len(likes.users)) >= 2)
        self._queue: list[int] = []

    @classmethod
    def of(cls, part: LikedPapers) -> "_TrainingSet | None":
        """None where there is nothing to learn from."""
        matrix = part.papers
        if matrix.whitened is None or matrix.tfidf is None:
            return None
        likes = part.likes.where(np.flatnonzero(matrix.has_vector[part.likes.papers]))
        # What nobody likes is no paper to choose against: it may be hidden, or of another time.
        found = cls(np.nan_to_num(matrix.whitened), matrix.tfidf, likes, np.unique(likes.papers))
        return found if len(found.users) and len(found.known) >= 2 else None

    def next_batch(self, rng: np.random.Generator, settings: FactorSettings) -> _Batch:
        """The next readers; every reader comes up once before any comes up again."""
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
    """The two maps under training."""

    def __init__(self, dim: int, buckets: Int32Array, settings: FactorSettings) -> None:
        import torch  # noqa: PLC0415

        self._settings = settings
        self._buckets = buckets
        shape = (dim, settings.factor_count)
        self._vector_map = torch.nn.Parameter(torch.randn(shape) * dim**-0.5)
        self._term_map = torch.nn.Parameter(torch.randn(len(buckets), settings.factor_count) * 0.02)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [self._vector_map], "weight_decay": 1e-4},
                {"params": [self._term_map], "weight_decay": settings.term_decay},
            ],
            lr=settings.learning_rate,
        )

    def learn(self, part: _TrainingSet, batch: _Batch, step: int, rng: np.random.Generator) -> None:
        """One step of gradient descent on one batch."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * min(1.0, 1.5 * (1 - step / self._settings.steps))
        loss = self._loss(part, batch, rng)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def frozen(self) -> FactorMap:
        """What was learned, in the precision that a bundle keeps."""
        vector_map, term_map = (
            parameter.detach().numpy().astype(np.float16).astype(np.float32)
            for parameter in (self._vector_map, self._term_map)
        )
        return FactorMap(vector_map, self._buckets, term_map)

    def _loss(self, part: _TrainingSet, batch: _Batch, rng: np.random.Generator) -> "torch.Tensor":
        """Mean cross entropy of the targets; a reader with more targets weighs as the square root of their number."""
        import torch  # noqa: PLC0415

        rows = np.unique(np.concatenate((batch.pool, batch.profile[1])))
        factors = self._factors(part, rows, rng)
        pool, liked = np.searchsorted(rows, batch.pool), np.searchsorted(rows, batch.profile[1])
        ones = np.ones(len(liked), dtype=np.float32)
        users = _unit(_sums(liked, batch.profile_starts, factors, ones))
        logits = users @ factors[torch.from_numpy(pool)].T / self._settings.temperature
        hidden = torch.zeros_like(logits)
        in_pool = np.isin(batch.profile[1], batch.pool)
        hidden[batch.profile[0][in_pool], np.searchsorted(batch.pool, batch.profile[1][in_pool])] = -1e4
        found = torch.log_softmax(logits + hidden, dim=1)
        user, place = batch.targets[0], np.searchsorted(batch.pool, batch.targets[1])
        weights = torch.from_numpy(np.bincount(user)[user].astype(np.float32) ** -0.5)
        mean: torch.Tensor = torch.dot(found[user, place], weights) / weights.sum()
        return -mean

    def _factors(self, part: _TrainingSet, rows: IndexArray, rng: np.random.Generator) -> "torch.Tensor":
        """(len(rows), k) of unit length, with dropout."""
        import torch  # noqa: PLC0415

        keep = 1 - self._settings.dropout
        vectors = part.whitened[rows]
        vectors = vectors * (rng.random(vectors.shape, dtype=np.float32) < keep) / np.float32(keep)
        words = part.tfidf.take(rows).select(self._buckets)
        values = words.values * (rng.random(len(words.values), dtype=np.float32) < keep) / np.float32(keep)
        from_words = _sums(words.columns, words.starts, self._term_map, values)
        return _unit(torch.from_numpy(vectors) @ self._vector_map + from_words)


def _sums(
    rows: IndexArray | Int32Array, starts: IndexArray | Int32Array, table: "torch.Tensor", weights: Float32Array
) -> "torch.Tensor":
    """(m, k): for each run of ``rows`` the weighted sum of those rows of the table."""
    import torch  # noqa: PLC0415

    found: torch.Tensor = torch.nn.functional.embedding_bag(
        _int64(rows), table, _int64(starts[:-1]), mode="sum", per_sample_weights=torch.from_numpy(weights)
    )
    return found


def _unit(rows: "torch.Tensor") -> "torch.Tensor":
    import torch  # noqa: PLC0415

    found: torch.Tensor = torch.nn.functional.normalize(rows, dim=1)
    return found


def _int64(values: Any) -> "torch.Tensor":
    import torch  # noqa: PLC0415

    return torch.from_numpy(np.asarray(values, dtype=np.int64))


def _common_buckets(parts: Sequence[SparseRows], settings: FactorSettings) -> Int32Array:
    """The buckets that stand in most papers, ascending; each data set weighs the same."""
    counts = np.stack([np.bincount(part.columns, minlength=part.width) for part in parts])
    shares = (counts / np.array([[max(len(part), 1)] for part in parts])).sum(axis=0)
    shares[counts.sum(axis=0) < settings.min_papers] = 0
    commonest = np.argsort(-shares, kind="stable")[: settings.term_count]
    return np.sort(commonest[shares[commonest] > 0]).astype(np.int32)
