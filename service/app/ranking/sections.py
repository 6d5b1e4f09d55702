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

    Among the first n places, for any n, a section with a share of s places, by its weight, gets at least s / 3,
    rounded: its best paper in time, and a third of its share. Of more than two sections, some may wait a few places
    longer, because several are due at the same time. Any other place goes to the section that shows least of what the
    user probably likes in it: the sum of the probabilities of its papers in the list, divided by that of all its
    papers, times the square root of the number of papers that the interest has, divided by that of its weight. So a
    section with few likes, whose good papers are less surely at its top, gets more places than one whose top holds all
    of them. Without probabilities all papers count the same, and places are shared by weight alone, with the divisors
    of Sainte-Lague, which favour neither large nor small sections.
    """
    weights = [section.interest.weight for section in sections]
    shares = [weight / (sum(weights) or 1.0) for weight in weights]
    worths = _worths(rankings)
    sizes = [max(len(section.user.liked), 1) for section in sections]
    divisors = shares if worths is None else np.sqrt(np.divide(shares, sizes)).tolist()
    worths = worths or [[1.0] * len(ranking.items) for ranking in rankings]
    left, counts, shown = [0] * len(sections), [0] * len(sections), [0.0] * len(sections)
    taken: set[str] = set()
    items: list[SlateItem] = []
    rows: list[bytes] = []
    while len(items) < MAX_SLATE_SIZE:
        for number, ranking in enumerate(rankings):
            while left[number] < len(ranking.items) and ranking.items[left[number]].paper_id in taken:
                shown[number] += worths[number][left[number]]
                left[number] += 1
        unfinished = [number for number, ranking in enumerate(rankings) if left[number] < len(ranking.items)]
        if not unfinished:
            break
        number = min(
            unfinished,
            key=lambda each: (
                counts[each] >= int(shares[each] * (len(items) + 1) / 3 + 0.5),
                (shown[each] + worths[each][left[each]] / 2) / divisors[each] if divisors[each] else np.inf,
            ),
        )
        ranking, place = rankings[number], left[number]
        width = len(ranking.features) // len(ranking.items)
        item = ranking.items[place]
        items.append(item._replace(rank=len(items) + 1, interest_id=sections[number].interest.interest_id))
        rows.append(ranking.features[place * width : (place + 1) * width])
        taken.add(item.paper_id)
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


def _worths(rankings: Sequence[Ranking]) -> list[list[float]] | None:
    """Return for each paper its share of what the user probably likes in its section; None without probabilities."""
    known = [[item.probability for item in ranking.items if item.probability is not None] for ranking in rankings]
    if any(len(found) < len(ranking.items) or not sum(found) for found, ranking in zip(known, rankings, strict=True)):
        return None
    return [[value / sum(found) for value in found] for found in known]
