"""Domain papers to the ranker's arrays, and the caches of what is shared between requests."""

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from ranker.naming import SEVERAL_TITLES, name_groups
from ranker.papers import PaperColumns
from ranker.profile import MAX_LIKES, Profile, build_profile
from ranker.spaces import PaperMatrix, plain_matrix
from service.app.ports import Transaction, Vectors
from service.app.serving import Serving
from service.domain.events import Interest, Like, UserState
from service.domain.matching import PaperWords
from service.domain.papers import Paper, embedding_text

DEFAULT_DIM = 384
MAX_DISLIKES = 1_000
"""The newest dislikes and dismissals that count."""
SHOWN_LIKES = 3
"""Newest likes by which an interest is shown."""
Key = TypeVar("Key")
Value = TypeVar("Value")


class VersionedCache(Generic[Key, Value]):
    """The newest value of each key; the least recently used go first. Thread safe.

    Args:
        limit_bytes: Of all values; the one used last is kept even where it alone is larger.
        bytes_of: What a value takes.
        most: So many values at most; None sets no limit.
    """

    def __init__(self, limit_bytes: int, bytes_of: Callable[[Value], int], most: int | None = None) -> None:
        self._limit = limit_bytes
        self._most = most
        self._bytes_of = bytes_of
        self._bytes = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[object, Value]] = OrderedDict()

    def get(self, key: Key, version: object, build: Callable[[], Value]) -> Value:
        """The value of this key and version, built if another version or none is kept."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] == version:
                self._entries.move_to_end(key)
                return entry[1]
        value = build()
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._bytes -= self._bytes_of(old[1])
            self._entries[key] = (version, value)
            self._bytes += self._bytes_of(value)
            while len(self._entries) > 1 and self._is_too_much():
                self._bytes -= self._bytes_of(self._entries.popitem(last=False)[1][1])
        return value

    def _is_too_much(self) -> bool:
        return self._bytes > self._limit or (self._most is not None and len(self._entries) > self._most)


def columns_of(papers: Sequence[Paper], vectors: Mapping[str, Vectors], dim: int) -> PaperColumns:
    """The ranker's columns of some papers; a paper without a vector of this dimension gets a row of NaN."""
    embeddings = np.full((len(papers), dim), np.nan, dtype=np.float32)
    for row, paper in enumerate(papers):
        vector = vectors.get(paper.paper_id)
        if vector is not None and vector.shape == (dim,):
            embeddings[row] = vector
    return PaperColumns(
        paper_ids=tuple(paper.paper_id for paper in papers),
        titles=tuple(paper.title for paper in papers),
        texts=tuple(embedding_text(paper.title, paper.abstract) for paper in papers),
        embeddings=embeddings,
        published_at=np.array([_seconds(paper.published_at) for paper in papers], dtype=np.float64),
        first_seen_at=np.array([_seconds(paper.first_seen_at) for paper in papers], dtype=np.float64),
        upvotes=np.array([np.nan if p.upvotes is None else p.upvotes for p in papers], dtype=np.float64),
        categories=tuple(paper.categories for paper in papers),
        authors=tuple(paper.authors for paper in papers),
    )


def _seconds(moment: dt.datetime | None) -> float:
    return moment.timestamp() if moment else float("nan")


def matrix_of(serving: Serving, papers: Sequence[Paper], vectors: Mapping[str, Vectors]) -> PaperMatrix:
    """Papers as the serving bundle sees them; without a bundle only their vectors."""
    if serving.bundle is not None:
        return serving.bundle.spaces.matrix(columns_of(papers, vectors, serving.bundle.spaces.embedding_dim))
    dim = next(iter(vectors.values())).shape[0] if vectors else DEFAULT_DIM
    return plain_matrix(columns_of(papers, vectors, dim))


@dataclass(frozen=True)
class Candidates:
    """Candidate papers, ready to be ranked for anyone.

    Attributes:
        digest_id: Empty for a window of time or given papers.
        words: In the order of ``papers``.
    """

    digest_id: str
    papers: tuple[Paper, ...]
    words: tuple[PaperWords, ...]
    matrix: PaperMatrix
    pending_paper_count: int

    @classmethod
    def build(
        cls, serving: Serving, papers: Sequence[Paper], vectors: Mapping[str, Vectors], digest_id: str = ""
    ) -> "Candidates":
        """Candidates from papers and the vectors known of them."""
        return cls(
            digest_id=digest_id,
            papers=tuple(papers),
            words=tuple(PaperWords.of(paper) for paper in papers),
            matrix=matrix_of(serving, papers, vectors),
            pending_paper_count=sum(1 for paper in papers if paper.paper_id not in vectors),
        )

    @classmethod
    def load(cls, tx: Transaction, serving: Serving, paper_ids: Sequence[str], digest_id: str = "") -> "Candidates":
        """Candidates from stored papers; ids that are gone are left out."""
        found = tx.papers.find_many(paper_ids)
        papers = [found[paper_id] for paper_id in paper_ids if paper_id in found]
        return cls.build(serving, papers, tx.papers.vectors(list(found), serving.encoder), digest_id)


@dataclass(frozen=True)
class Reader:
    """A user, ready to rank for.

    Attributes:
        state: None for an unknown user, or a taste given inline.
        profile: None where nothing is known to like.
        liked: The papers that the profile was built from, in its order.
        idf: (buckets,) of the bundle that serves; None without one.
    """

    state: UserState | None
    profile: Profile | None
    liked: tuple[Paper, ...] = ()
    idf: Vectors | None = None

    @cached_property
    def topic_names(self) -> tuple[str, ...]:
        """A name for each interest that makes a topic, what a reason may name; empty for others."""
        return self._interest_names(SEVERAL_TITLES)

    def _interest_names(self, least_titles: int = 1) -> tuple[str, ...]:
        """A name for each interest of so many papers; empty for others, and where no word tells."""
        if self.profile is None:
            return ()
        members = self.profile.interests.members
        titles = [[self.liked[row].title for row in rows.tolist()] for rows in members]
        return name_groups(titles, self.idf, least_titles=least_titles)

    @cached_property
    def interests(self) -> tuple[Interest, ...]:
        """What the reader is interested in, heaviest first; an interest without a telling word bears a title."""
        if self.profile is None:
            return ()
        found = self.profile.interests
        return tuple(
            Interest(
                name=name or self.liked[rows[-1]].title,
                like_count=len(rows),
                weight=float(weight),
                paper_ids=tuple(self.liked[row].paper_id for row in rows[::-1][:SHOWN_LIKES].tolist()),
            )
            for name, weight, rows in zip(self._interest_names(), found.weights, found.members, strict=True)
        )

    @classmethod
    def of(
        cls,
        serving: Serving,
        state: UserState,
        papers: Mapping[str, Paper],
        place: Callable[[Sequence[Paper]], PaperMatrix],
    ) -> "Reader":
        """A user whose state and papers are read already.

        Args:
            papers: Those of ``counted_likes``, by id; likes of papers that are gone count for nothing.
            place: Gives papers as the serving bundle sees them.
        """
        if not state.likes:
            return cls(state=state, profile=None)
        likes, dislikes = ([like for like in part if like.paper_id in papers] for part in counted_likes(state))
        liked = tuple(papers[like.paper_id] for like in likes)
        disliked = [papers[like.paper_id] for like in dislikes]
        times = np.array([_seconds(like.liked_at) for like in likes], dtype=np.float64)
        profile = build_profile(place(liked), place(disliked) if disliked else None, times)
        return cls(state=state, profile=profile, liked=liked, idf=_idf(serving))

    @classmethod
    def given(cls, serving: Serving, papers: Sequence[Paper], vectors: Mapping[str, Vectors]) -> "Reader":
        """A taste given as papers, without times."""
        if not papers:
            return cls(state=None, profile=None)
        profile = build_profile(matrix_of(serving, papers, vectors))
        return cls(state=None, profile=profile, liked=tuple(papers), idf=_idf(serving))


def counted_likes(state: UserState) -> tuple[Sequence[Like], Sequence[Like]]:
    """The likes and dislikes that a profile is made of: the newest. To place all of thousands would take minutes."""
    return state.likes[-MAX_LIKES:], state.dislikes[-MAX_DISLIKES:]


def _idf(serving: Serving) -> Vectors | None:
    return None if serving.bundle is None else serving.bundle.spaces.idf
