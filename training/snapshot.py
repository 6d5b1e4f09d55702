"""Training data frozen at a time: papers as columns, and who liked what."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.papers import PaperColumns
from ranker.types import Float32Array, Float64Array, IndexArray
from training.errors import TrainingError


@dataclass(frozen=True)
class Likes:
    """Who liked what; a pair counts once, at its first time.

    Attributes:
        readers: (k,) reader numbers from 0, ascending.
        papers: (k,) rows of the data set's papers.
        liked_at: (k,) float64 Unix seconds; NaN unknown.
    """

    readers: IndexArray
    papers: IndexArray
    liked_at: Float64Array

    @classmethod
    def of(cls, readers: Sequence[int], papers: Sequence[int], liked_at: Sequence[float]) -> "Likes":
        """Likes in any order, sorted by reader and time, without repeats."""
        who, what = np.asarray(readers, dtype=np.intp), np.asarray(papers, dtype=np.intp)
        when = np.asarray(liked_at, dtype=np.float64)
        order = np.lexsort((what, when, who))
        who, what, when = who[order], what[order], when[order]
        _, first = np.unique(np.stack((who, what)), axis=1, return_index=True)
        keep = np.sort(first)
        return cls(who[keep], what[keep], when[keep])

    @cached_property
    def bounds(self) -> IndexArray:
        """(n_readers + 1,) the likes of reader r are ``bounds[r]:bounds[r + 1]``."""
        count = int(self.readers.max()) + 1 if len(self.readers) else 0
        return np.searchsorted(self.readers, np.arange(count + 1))

    def of_reader(self, reader: int) -> slice:
        """Where the reader's likes stand."""
        return slice(int(self.bounds[reader]), int(self.bounds[reader + 1]))

    def where(self, keep: IndexArray) -> "Likes":
        """The likes at ``keep``; readers keep their numbers."""
        return Likes(self.readers[keep], self.papers[keep], self.liked_at[keep])


@dataclass(frozen=True)
class Dataset:
    """One source of training queries.

    Attributes:
        title_embeddings: (n, d) float32 vectors of the titles alone, for training on libraries that hold titles only;
            None where there are none.
    """

    name: str
    papers: PaperColumns
    likes: Likes
    title_embeddings: Float32Array | None = None

    @property
    def dated(self) -> bool:
        """Whether likes and papers all have times; if not, the data set is treated as having none."""
        known = np.isfinite(self.likes.liked_at).all() and np.isfinite(self.papers.published_at).all()
        return bool(known) and len(self.likes.readers) > 0

    @property
    def fingerprint(self) -> str:
        """SHA-256 of ids, texts, vectors and likes."""
        digest = hashlib.sha256()
        for paper_id, text in zip(self.papers.paper_ids, self.papers.texts, strict=True):
            digest.update(f"{paper_id}\x1f{text}\x1e".encode("utf-8", "surrogatepass"))
        titles = () if self.title_embeddings is None else (self.title_embeddings,)
        likes = (self.likes.readers, self.likes.papers, self.likes.liked_at)
        for array in (self.papers.embeddings, self.papers.published_at, *titles, *likes):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def before(self, moment: float) -> "Dataset":
        """What was known at ``moment`` (Unix seconds): no paper published and no like given at or after it.

        Papers and likes without times stay.
        """
        rows = np.nonzero(~(self.papers.published_at >= moment))[0]
        place = np.full(len(self.papers), -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        known = self.likes.where(np.nonzero(~(self.likes.liked_at >= moment) & (place[self.likes.papers] >= 0))[0])
        return Dataset(
            name=self.name,
            papers=self.papers.take(rows.tolist()),
            likes=Likes(known.readers, place[known.papers], known.liked_at),
            title_embeddings=None if self.title_embeddings is None else self.title_embeddings[rows],
        )


def check_dataset(dataset: Dataset, embedding_dim: int) -> None:
    """Checks that the parts of a data set fit.

    Raises:
        TrainingError: Names the data set and the part.
    """
    papers, likes = dataset.papers, dataset.likes
    if not len(papers) or not len(likes.readers):
        raise TrainingError(f"{dataset.name}: has no papers or no likes to learn from")
    if papers.embeddings.shape[1] != embedding_dim:
        raise TrainingError(f"{dataset.name}: vectors have length {papers.embeddings.shape[1]}, not {embedding_dim}")
    if likes.papers.min() < 0 or likes.papers.max() >= len(papers):
        raise TrainingError(f"{dataset.name}: a like names a paper that is not in the data set")
    if dataset.title_embeddings is not None and dataset.title_embeddings.shape != papers.embeddings.shape:
        raise TrainingError(f"{dataset.name}: title_embeddings must have the shape of the papers' vectors")
