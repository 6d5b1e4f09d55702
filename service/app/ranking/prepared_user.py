"""A user with a profile built from placed likes, ready for ranking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranker.profile.profile import MAX_LIKES, Profile, build_profile
from ranker.reasons.naming import SEVERAL_TITLES, name_groups
from ranker.spaces.spaces import PaperMatrix
from service.app.ports import Vectors
from service.app.ranking.placing import place_papers, seconds_of
from service.app.ranking.serving import Serving
from service.domain.events import Interest, Like, UserState
from service.domain.papers import Paper

MAX_DISLIKES = 1_000
"""Number of newest dislikes and dismissals in a profile."""
SHOWN_LIKES = 3
"""Number of likes listed with an interest."""


@dataclass(frozen=True)
class PreparedUser:
    """A user, ready for ranking.

    Attributes:
        state: None for an unknown user, and for likes given in the request.
        profile: None if no liked paper is known.
        liked: Liked papers in the order of the profile's rows.
        idf: (buckets,) inverse document frequencies of the serving bundle; None without a bundle.
    """

    state: UserState | None
    profile: Profile | None
    liked: tuple[Paper, ...] = ()
    idf: Vectors | None = None

    @cached_property
    def topic_names(self) -> tuple[str, ...]:
        """Name of each interest for TOPIC reasons; empty for interests of too few papers."""
        return self._interest_names(SEVERAL_TITLES)

    def _interest_names(self, least_titles: int = 1) -> tuple[str, ...]:
        """Return a name for each interest of at least ``least_titles`` papers; empty if no word fits."""
        if self.profile is None:
            return ()
        members = self.profile.interests.members
        titles = [[self.liked[row].title for row in rows.tolist()] for rows in members]
        return name_groups(titles, self.idf, least_titles=least_titles)

    @cached_property
    def interests(self) -> tuple[Interest, ...]:
        """Interests of the user, heaviest first; an interest without a fitting word is named by its newest title."""
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
    ) -> "PreparedUser":
        """Return a prepared user from a state and papers that were read before.

        Args:
            papers: Papers of ``counted_likes`` by id; likes of deleted papers are ignored.
            place: Returns papers in the spaces of the serving bundle.
        """
        if not state.likes:
            return cls(state=state, profile=None)
        likes, dislikes = ([like for like in part if like.paper_id in papers] for part in counted_likes(state))
        liked = tuple(papers[like.paper_id] for like in likes)
        disliked = [papers[like.paper_id] for like in dislikes]
        times = np.array([seconds_of(like.liked_at) for like in likes], dtype=np.float64)
        profile = build_profile(place(liked), place(disliked) if disliked else None, times)
        return cls(state=state, profile=profile, liked=liked, idf=_idf(serving))

    @classmethod
    def given(cls, serving: Serving, papers: Sequence[Paper], vectors: Mapping[str, Vectors]) -> "PreparedUser":
        """Return a prepared user from liked papers without times and their vectors by paper id."""
        if not papers:
            return cls(state=None, profile=None)
        profile = build_profile(place_papers(serving, papers, vectors))
        return cls(state=None, profile=profile, liked=tuple(papers), idf=_idf(serving))


def counted_likes(state: UserState) -> tuple[Sequence[Like], Sequence[Like]]:
    """Return the newest likes and dislikes, which a profile is built from; placing thousands would take minutes."""
    return state.likes[-MAX_LIKES:], state.dislikes[-MAX_DISLIKES:]


def _idf(serving: Serving) -> Vectors | None:
    return None if serving.bundle is None else serving.bundle.spaces.idf
