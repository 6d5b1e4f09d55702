"""A user with a profile built from placed likes, ready for ranking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from ranker.profile.profile import MAX_LIKES, Profile, build_profile
from ranker.reasons.naming import SEVERAL_TITLES, name_groups
from ranker.spaces.spaces import PaperMatrix
from service.app.ports import Vectors
from service.app.ranking.interests import Resolved, resolve
from service.app.ranking.placing import place_papers, seconds_of
from service.app.ranking.serving import Serving
from service.domain.events import Like, UserState
from service.domain.interests import Interest, InterestOrigin, StoredInterests, found_id
from service.domain.papers import Paper

MAX_DISLIKES = 1_000
"""Number of newest dislikes and dismissals in a profile."""
PlacePapers: TypeAlias = Callable[[Sequence[Paper]], PaperMatrix]
"""Returns papers in the spaces of the serving bundle."""


@dataclass(frozen=True)
class PreparedUser:
    """A user, ready for ranking.

    Attributes:
        state: None for an unknown user, and for likes given in the request.
        profile: None if no liked paper is known.
        liked: Liked papers in the order of the profile's rows.
        idf: (buckets,) inverse document frequencies of the serving bundle; None without a bundle.
        edited: The interests of a user who has edited them; None for other users. Their likes are left out of
            ``profile`` and ``liked`` if all their interests are paused.
        only_interest: Name of the interest that the profile is restricted to; empty if it is not.
    """

    state: UserState | None
    profile: Profile | None
    liked: tuple[Paper, ...] = ()
    idf: "Vectors | None" = None
    edited: tuple[Interest, ...] | None = None
    only_interest: str = ""

    @cached_property
    def topic_names(self) -> tuple[str, ...]:
        """Name of each cluster of the profile for TOPIC reasons; empty for clusters of too few papers.

        If the user has edited interests, a cluster has the name of the interest that holds most of its papers.
        """
        names = self._interest_names(SEVERAL_TITLES)
        if self.profile is None or (self.edited is None and not self.only_interest):
            return names
        members = self.profile.interests.members
        is_topic = [len(rows) >= SEVERAL_TITLES for rows in members]
        if self.only_interest:
            return tuple(self.only_interest if large else "" for large in is_topic)
        return tuple(
            (self._edited_name(rows.tolist()) or name) if large else ""
            for rows, large, name in zip(members, is_topic, names, strict=True)
        )

    @cached_property
    def liked_ids(self) -> frozenset[str]:
        """All papers that a known user likes, also those of paused interests."""
        return frozenset(like.paper_id for like in self.state.likes) if self.state else frozenset()

    def name_of(self, titles: Sequence[str]) -> str:
        """Return a name for a group of papers: some words of their titles, or else the first title."""
        return name_groups([titles], self.idf)[0] or next(iter(titles), "")

    def _edited_name(self, rows: Sequence[int]) -> str:
        """Return the name of the edited interest with most of these likes; empty if none has any."""
        ids = {self.liked[row].paper_id for row in rows}
        counts = [(len(ids.intersection(each.paper_ids)), each.name) for each in self.edited or () if not each.paused]
        most = max(counts, key=lambda pair: pair[0], default=(0, ""))
        return most[1] if most[0] else ""

    def _interest_names(self, least_titles: int = 1) -> tuple[str, ...]:
        """Return a name for each interest of at least ``least_titles`` papers; empty if no word fits."""
        if self.profile is None:
            return ()
        members = self.profile.interests.members
        titles = [[self.liked[row].title for row in rows.tolist()] for rows in members]
        return name_groups(titles, self.idf, least_titles=least_titles)

    @cached_property
    def interests(self) -> tuple[Interest, ...]:
        """Interests of the user; an interest without a fitting word is named by its newest title.

        Edited interests are in the order in which they were stored, others heaviest first.
        """
        if self.edited is not None:
            return self.edited
        if self.profile is None:
            return ()
        found = self.profile.interests
        return tuple(
            Interest(
                interest_id=found_id(self.liked[rows[0]].paper_id),
                name=name or self.liked[rows[-1]].title,
                origin=InterestOrigin.FOUND,
                weight=float(weight),
                paused=False,
                like_count=len(rows),
                paper_ids=tuple(self.liked[row].paper_id for row in rows[::-1].tolist()),
            )
            for name, weight, rows in zip(self._interest_names(), found.weights, found.members, strict=True)
        )

    @classmethod
    def of(
        cls,
        serving: Serving,
        state: UserState,
        papers: Mapping[str, Paper],
        place: PlacePapers,
    ) -> "PreparedUser":
        """Return a prepared user from a state and papers that were read before.

        Args:
            papers: Papers of ``counted_papers`` by id; deleted papers are ignored.
        """
        if state.interests is not None:
            return cls._with_interests(serving, state, state.interests, papers, place)
        if not state.likes:
            return cls(state=state, profile=None)
        likes, dislikes = ([like for like in part if like.paper_id in papers] for part in counted_likes(state))
        liked = tuple(papers[like.paper_id] for like in likes)
        disliked = [papers[like.paper_id] for like in dislikes]
        times = np.array([seconds_of(like.liked_at) for like in likes], dtype=np.float64)
        profile = build_profile(place(liked), place(disliked) if disliked else None, times)
        return cls(state=state, profile=profile, liked=liked, idf=_idf(serving))

    @classmethod
    def _with_interests(
        cls,
        serving: Serving,
        state: UserState,
        stored: StoredInterests,
        papers: Mapping[str, Paper],
        place: PlacePapers,
    ) -> "PreparedUser":
        likes, dislikes = ([like for like in part if like.paper_id in papers] for part in counted_likes(state))
        liked = [papers[like.paper_id] for like in likes]
        reacted = {like.paper_id for part in (likes, dislikes) for like in part}
        others = [papers[each] for each in stored.paper_ids if each in papers and each not in reacted]
        # Placed together, so that all rows have the same vector spaces.
        placed = place([*liked, *others])
        matrix = placed.take(list(range(len(liked))))
        times = np.array([seconds_of(like.liked_at) for like in likes], dtype=np.float64)
        found = resolve(stored, matrix, times, placed.take(list(range(len(liked), len(placed)))))
        idf = _idf(serving)
        rows = _unpaused(found, len(liked))
        profile = None
        if rows:
            disliked = [papers[like.paper_id] for like in dislikes]
            profile = build_profile(matrix.take(rows), place(disliked) if disliked else None, times[rows])
        return cls(
            state=state,
            profile=profile,
            liked=tuple(liked[row] for row in rows),
            idf=idf,
            edited=_as_seen(found, liked, idf),
        )

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


def counted_papers(state: UserState) -> list[str]:
    """Return the papers that a prepared user is built from: those of ``counted_likes`` and of edited interests."""
    counted = [like.paper_id for part in counted_likes(state) for like in part]
    return counted if state.interests is None else list(dict.fromkeys([*counted, *state.interests.paper_ids]))


def _unpaused(interests: Sequence[Resolved], count: int) -> list[int]:
    """Return the rows of the likes that belong to an active interest, or to none."""
    paused, active = (
        {row for each in interests if each.stored.paused is is_paused for row in each.liked_rows.tolist()}
        for is_paused in (True, False)
    )
    return [row for row in range(count) if row in active or row not in paused]


def _as_seen(interests: Sequence[Resolved], liked: Sequence[Paper], idf: "Vectors | None") -> tuple[Interest, ...]:
    titles = [[liked[row].title for row in each.liked_rows.tolist()] for each in interests]
    names = name_groups(titles, idf)
    return tuple(
        Interest(
            interest_id=each.stored.interest_id,
            name=each.stored.name or name or own[-1],
            origin=each.stored.origin,
            weight=each.share,
            paused=each.stored.paused,
            like_count=len(each.liked_rows),
            paper_ids=(*(liked[row].paper_id for row in each.liked_rows[::-1].tolist()), *each.other_ids),
            merged_ids=each.stored.merged_ids,
        )
        for each, name, own in zip(interests, names, titles, strict=True)
    )


def _idf(serving: Serving) -> "Vectors | None":
    return None if serving.bundle is None else serving.bundle.spaces.idf
