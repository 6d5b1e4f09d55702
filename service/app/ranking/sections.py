"""Sections: the feed of each interest of a user, and one slate with a fair share of places for each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ranker.profile.profile import build_profile
from service.app.ranking.placing import seconds_of
from service.app.ranking.prepared_user import PlacePapers, PreparedUser, counted_likes
from service.app.ranking.ranking import MAX_SLATE_SIZE, Ranking
from service.domain.errors import NotFound
from service.domain.feeds import FallbackReason, SlateItem, SlateSection
from service.domain.interests import Interest
from service.domain.papers import Paper


@dataclass(frozen=True)
class Section:
    """An interest of a user, and the user as if this were the only interest.

    Attributes:
        user: Has the papers of the interest as likes. Its profile is None if none of them is known any more.
    """

    interest: Interest
    user: PreparedUser


def section_papers(user: PreparedUser) -> list[str]:
    """Return the papers that the sections of a known user are built from."""
    assert user.state is not None  # noqa: S101 (users with interests are known)
    wanted = [paper_id for each in user.interests for paper_id in each.paper_ids]
    return list(dict.fromkeys([*wanted, *(like.paper_id for like in counted_likes(user.state)[1])]))


def sections_of(user: PreparedUser, papers: Mapping[str, Paper], place: PlacePapers) -> tuple[Section, ...]:
    """Return a section for each interest of a known user, paused ones included.

    Args:
        papers: The papers of ``section_papers`` by id.
        place: See ``PreparedUser.of``.
    """
    assert user.state is not None  # noqa: S101 (users with interests are known)
    liked_at = {like.paper_id: seconds_of(like.liked_at) for like in user.state.likes}
    disliked = [papers[like.paper_id] for like in counted_likes(user.state)[1] if like.paper_id in papers]
    dislikes = place(disliked) if disliked else None
    found = []
    for interest in user.interests:
        # Oldest first; papers that are not liked come before all likes.
        own = [papers[paper_id] for paper_id in reversed(interest.paper_ids) if paper_id in papers]
        profile = None
        if own:
            times = np.array([liked_at.get(paper.paper_id, np.nan) for paper in own], dtype=np.float64)
            profile = build_profile(place(own), dislikes, times)
        only = PreparedUser(
            state=user.state, profile=profile, liked=tuple(own), idf=user.idf, only_interest=interest.name
        )
        found.append(Section(interest, only))
    return tuple(found)


def active(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Return the sections that are not paused and have a known paper."""
    return tuple(each for each in sections if not each.interest.paused and each.user.profile is not None)


def named(sections: Sequence[Section], interest_id: str) -> Section:
    """Return the section of an interest, paused or not.

    Raises:
        NotFound: The user has no such interest.
    """
    for each in sections:
        if interest_id in {each.interest.interest_id, *each.interest.merged_ids}:
            return each
    raise NotFound("interest", interest_id, field="interest_id")


def mixed(sections: Sequence[Section], rankings: Sequence[Ranking]) -> Ranking:
    """Return one ranking of several sections, at least one; no paper stands in it twice.

    Each place goes to the section whose share is served worst so far, which puts its best paper there that is not yet
    in the list. So the first places, however many, hold a fair number of papers of each section. The divisors of
    Sainte-Lague favour neither large nor small sections.
    """
    shares = [section.interest.weight for section in sections]
    left = [0] * len(sections)
    taken: set[str] = set()
    items: list[SlateItem] = []
    rows: list[bytes] = []
    counts = [0] * len(sections)
    open_sections = set(range(len(sections)))
    while open_sections and len(items) < MAX_SLATE_SIZE:
        number = max(open_sections, key=lambda each: (shares[each] / (2 * counts[each] + 1), -each))
        ranking = rankings[number]
        while left[number] < len(ranking.items) and ranking.items[left[number]].paper_id in taken:
            left[number] += 1
        if left[number] == len(ranking.items):
            open_sections.remove(number)
            continue
        place, width = left[number], len(ranking.features) // len(ranking.items)
        item = ranking.items[place]
        items.append(item._replace(rank=len(items) + 1, interest_id=sections[number].interest.interest_id))
        rows.append(ranking.features[place * width : (place + 1) * width])
        taken.add(item.paper_id)
        left[number] += 1
        counts[number] += 1
    first = rankings[0]
    fallback = next((each.fallback_reason for each in rankings if each.items), FallbackReason.EMPTY_DIGEST)
    return Ranking(
        first.model_version,
        first.features_version,
        fallback,
        tuple(items),
        b"".join(rows),
        first.statistics_version,
        tuple(SlateSection(each.interest.interest_id, each.interest.name, each.interest.weight) for each in sections),
    )
