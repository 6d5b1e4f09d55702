"""Candidate papers, placed in the spaces of the serving bundle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ranker.spaces.spaces import PaperMatrix, stack_matrices
from service.app.cache import VersionedCache
from service.app.ports import Transaction, Vectors
from service.app.ranking.placing import place_papers, unchecked
from service.app.ranking.serving import Serving
from service.domain.events import Preferences, UserState
from service.domain.matching import NO_MATCHES, Matches, PaperWords, matches_of
from service.domain.papers import Paper

MATCHES = 100_000
"""Limit for the matched papers that are kept with one list of candidates, of all users together: some 20 MB."""
MATCHED_USERS = 4_096


_NO_PREFERENCES = Preferences()


class Matcher:
    """Matches papers against the preferences of users, once for each user and change of preferences. Thread safe.

    Args:
        words: Normalised words of each paper.
    """

    def __init__(self, words: Sequence[PaperWords]) -> None:
        self.words = words
        self._known: VersionedCache[str, Matches] = VersionedCache(MATCHES, len, MATCHED_USERS)

    def find(self, state: UserState | None) -> Matches:
        """Return what the preferences of a user say about the papers; nothing for an unknown user."""
        if state is None or state.preferences == _NO_PREFERENCES:
            return NO_MATCHES
        preferences = state.preferences
        return self._known.get(state.user_id, preferences, lambda: matches_of(preferences, self.words))


@dataclass(frozen=True)
class Candidates:
    """Candidate papers, ready to be ranked for any user.

    Attributes:
        digest_ids: Digests of the papers; empty if they come from a time window or from the request.
        matcher: Matches ``papers`` against preferences.
        matrix: Rows of the papers in the spaces of the bundle, in the order of ``papers``.
        pending_paper_count: Papers without a vector that can be compared.
    """

    digest_ids: tuple[str, ...]
    papers: tuple[Paper, ...]
    matcher: Matcher
    matrix: PaperMatrix
    pending_paper_count: int

    @classmethod
    def build(
        cls,
        serving: Serving,
        papers: Sequence[Paper],
        vectors: Mapping[str, Vectors],
        digest_ids: Sequence[str] = (),
        *,
        check: Callable[[], None] = unchecked,
    ) -> "Candidates":
        """Return candidates from papers and their vectors by paper id; ``check`` is that of ``place_papers``."""
        words = [PaperWords.of(paper) for paper in papers]
        return cls._of(papers, words, place_papers(serving, papers, vectors, check), digest_ids)

    @classmethod
    def load(
        cls,
        tx: Transaction,
        serving: Serving,
        paper_ids: Sequence[str],
        digest_ids: Sequence[str] = (),
        *,
        before: "Candidates | None" = None,
        check: Callable[[], None] = unchecked,
    ) -> "Candidates":
        """Return candidates from stored papers; leave out unknown ids.

        Args:
            before: Candidates without signals, placed in the same spaces. Papers that have not changed since keep their
                rows: placing takes most of the time.
            check: See ``place_papers``.
        """
        found = tx.papers.find_many(paper_ids)
        papers = [found[paper_id] for paper_id in paper_ids if paper_id in found]
        known = {} if before is None else before.rows_of(papers)
        new = [paper for paper in papers if paper.paper_id not in known]
        vectors = tx.papers.vectors([paper.paper_id for paper in new], serving.encoder)
        placed = cls.build(serving, new, vectors, check=check)
        if before is None or not known:
            return replace(placed, digest_ids=tuple(digest_ids))
        kept = list(known.values())
        matrix = stack_matrices([before.matrix.take(kept), placed.matrix]) if new else before.matrix.take(kept)
        words = [*(before.matcher.words[row] for row in kept), *placed.matcher.words]
        in_order = [matrix.row_of[paper.paper_id] for paper in papers]
        return cls._of(papers, [words[row] for row in in_order], matrix.take(in_order), digest_ids)

    @classmethod
    def _of(
        cls, papers: Sequence[Paper], words: Sequence[PaperWords], matrix: PaperMatrix, digest_ids: Sequence[str]
    ) -> "Candidates":
        pending = int(np.count_nonzero(~matrix.has_vector))
        return cls(tuple(digest_ids), tuple(papers), Matcher(words), matrix, pending)

    def rows_of(self, papers: Sequence[Paper]) -> dict[str, int]:
        """Return the row of each of the papers that is here, has a vector and is unchanged, by paper id."""
        rows, has_vector = self.matrix.row_of, self.matrix.has_vector
        found = ((paper, rows[paper.paper_id]) for paper in papers if paper.paper_id in rows)
        return {paper.paper_id: row for paper, row in found if has_vector[row] and self.papers[row] == paper}
