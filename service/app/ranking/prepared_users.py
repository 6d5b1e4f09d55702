"""Caches of prepared users and of placed liked papers.

Placing thirty papers in the bundle's spaces takes ten times as long as building a profile. Placed papers have a cache
of their own, because many users like the same papers and a new like does not change the rows of the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ranker.spaces.spaces import PaperMatrix, stack_matrices
from service.app.cache import CachesByOwner, VersionedCache
from service.app.ports import Transaction
from service.app.ranking.placing import place_papers
from service.app.ranking.prepared_user import PlacePapers, PreparedUser, counted_papers
from service.app.ranking.sections import Section, section_papers, sections_of
from service.app.ranking.serving import Serving
from service.domain.events import UserState
from service.domain.papers import Paper
from telemetry.record import recorder

USER_BYTES = 256 * 2**20
"""Limit for all cached users of one bundle together: about a thousand users with thirty likes."""
SECTION_BYTES = 64 * 2**20
"""Limit for the cached sections of all users of one bundle together."""
LIKE_BYTES = 8_000
"""Approximate memory of one like in a profile."""
DISLIKE_BYTES = 1_600
"""Approximate memory of one dislike in a profile."""
EVENT_BYTES = 250
"""Approximate memory of each like, dislike and hidden paper in a user's state."""
PLACED_PAPERS = 8_192
"""Limit for cached liked papers of one bundle, about 14 kB each. Placing one takes longer than ranking a digest."""
PLACED_BYTES = 14_000
"""Approximate memory of a cached liked paper."""
Placed: TypeAlias = tuple[Paper, PaperMatrix]
"""A paper and its row in the spaces of a bundle."""


class PlacedPapers:
    """A cache of each bundle's ``limit`` most recently used liked papers and their rows. Thread safe.

    Up to rounding, a paper's row does not depend on the papers placed with it, so users can share it.
    """

    def __init__(self, limit: int = PLACED_PAPERS) -> None:
        self._kept = CachesByOwner[VersionedCache[str, Placed]](lambda: VersionedCache(limit, lambda _: 1))

    @property
    def count(self) -> int:
        """Number of cached papers."""
        return sum(cache.size for cache in self._kept.all())

    def find(self, tx: Transaction, serving: Serving, paper_ids: Sequence[str]) -> dict[str, Placed]:
        """Return the stored papers among ``paper_ids`` by id, each with its row. A bundle must serve.

        Runs one SQL statement if the cache has all of them.
        """
        marks = tx.papers.marks(paper_ids, serving.encoder)
        versions = {paper_id: (mark, serving.generation) for paper_id, mark in marks.items()}
        kept = self._kept.of(serving.loaded)
        found = {paper_id: kept.find(paper_id, version) for paper_id, version in versions.items()}
        known = {paper_id: placed for paper_id, placed in found.items() if placed is not None}
        if len(known) < len(found):
            papers = list(tx.papers.find_many([paper_id for paper_id in found if paper_id not in known]).values())
            vectors = tx.papers.vectors([paper.paper_id for paper in papers], serving.encoder)
            # Only candidates are compared with the background and topics of the spaces.
            matrix = replace(place_papers(serving, papers, vectors), spaces=None)
            for row, paper in enumerate(papers):
                placed = known[paper.paper_id] = (paper, matrix.take([row]))
                # A stored vector that cannot be compared is replaced soon, and the mark stays the same.
                if matrix.has_vector[row] == marks[paper.paper_id].has_vector:
                    kept.put(paper.paper_id, versions[paper.paper_id], placed)
        return known


class PreparedUsers:
    """A cache of each bundle's prepared users; rebuilds a user whose version has changed. Thread safe."""

    def __init__(self) -> None:
        self._kept = CachesByOwner[VersionedCache[str, PreparedUser]](lambda: VersionedCache(USER_BYTES, _user_bytes))
        self._sections = CachesByOwner[VersionedCache[str, tuple[Section, ...]]](
            lambda: VersionedCache(SECTION_BYTES, _section_bytes)
        )
        self._placed = PlacedPapers()

    def find(self, tx: Transaction, serving: Serving, user_id: str, version: int | None) -> PreparedUser:
        """Return the prepared user at this version; a version of None means an unknown user."""
        if version is None:
            return PreparedUser(state=None, profile=None)
        key, kept = (version, serving.generation), self._kept.of(serving.loaded)
        found = kept.find(user_id, key)
        if found is None:
            with recorder().stage("profile"):
                found = kept.put(user_id, key, self._load(tx, serving, user_id))
        return found

    def cache_bytes(self) -> dict[str, int]:
        """Return the approximate memory of each cache by name."""
        return {
            "users": sum(cache.size for cache in self._kept.all()),
            "liked_papers": PLACED_BYTES * self._placed.count,
        }

    def sections(self, tx: Transaction, serving: Serving, user: PreparedUser) -> tuple[Section, ...]:
        """Return a section for each interest of a prepared user, paused ones included; none for an unknown user."""
        if user.state is None or not user.interests:
            return ()
        user_id, key = user.state.user_id, (user.state.version, serving.generation)
        kept = self._sections.of(serving.loaded)
        if (found := kept.find(user_id, key)) is not None:
            return found
        papers, place = self._placing(tx, serving, section_papers(user))
        return kept.put(user_id, key, sections_of(user, papers, place))

    def _load(self, tx: Transaction, serving: Serving, user_id: str) -> PreparedUser:
        return self.prepare(tx, serving, tx.users.find_state(user_id))

    def prepare(self, tx: Transaction, serving: Serving, state: UserState | None) -> PreparedUser:
        """Return a prepared user from any state, such as one of the past; None means an unknown user.

        The user is not cached, but the liked papers are.
        """
        if state is None or not (state.likes or state.interests):
            return PreparedUser(state=state, profile=None)
        papers, place = self._placing(tx, serving, counted_papers(state))
        return PreparedUser.of(serving, state, papers, place)

    def _placing(
        self, tx: Transaction, serving: Serving, wanted: Sequence[str]
    ) -> tuple[Mapping[str, Paper], PlacePapers]:
        """Return the stored papers among ``wanted`` by id, and what places them in the spaces of the bundle."""
        if serving.bundle is None:
            papers = tx.papers.find_many(wanted)
            vectors = tx.papers.vectors(list(papers), serving.encoder)
            return papers, lambda found: place_papers(serving, found, vectors)
        placed = self._placed.find(tx, serving, wanted)

        def place(papers: Sequence[Paper]) -> PaperMatrix:
            rows = [placed[paper.paper_id][1] for paper in papers]
            return stack_matrices(rows) if rows else place_papers(serving, [], {})

        return {paper_id: paper for paper_id, (paper, _) in placed.items()}, place


def _section_bytes(sections: tuple[Section, ...]) -> int:
    return sum(_user_bytes(section.user) for section in sections)


def _user_bytes(user: PreparedUser) -> int:
    size = LIKE_BYTES * (1 + len(user.liked))
    if user.profile is not None:
        size += DISLIKE_BYTES * len(user.profile.disliked_units)
    if user.state is not None:
        state = user.state
        size += EVENT_BYTES * (len(state.likes) + len(state.dislikes) + len(state.hidden_paper_ids))
    return size
