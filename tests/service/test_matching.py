"""Matching of papers against preferences."""

import time
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from service.app.ranking.candidates import Matcher
from service.domain.events import Preferences, UserState
from service.domain.identifiers import normalised_title
from service.domain.matching import Matches, PaperWords, matches_of
from service.domain.papers import Paper
from tests.contracts.samples import NOW

WORDS = st.sampled_from(["Graph", "graph", "NEURAL", "net", "nets", "ﬁne", "fine-tuning", "ﷺ", "...", "x"])
TEXTS = st.lists(WORDS, max_size=6).map(" ".join)
NAMES = st.lists(TEXTS, max_size=4).map(tuple)
PAPERS = st.lists(st.builds(Paper, st.just("p"), TEXTS, TEXTS, NAMES, NAMES), max_size=4)
PREFERENCES = st.builds(Preferences, NAMES, NAMES, NAMES, NAMES, NAMES)


def has_phrase(paper: Paper, phrase: str) -> bool:
    """Return whether the text has the phrase as whole words, by the rule as it is written down."""
    phrase = normalised_title(phrase)
    return bool(phrase) and f" {phrase} " in f" {normalised_title(f'{paper.title} {paper.abstract}')} "


def has_topic(paper: Paper, topic: str) -> bool:
    return has_phrase(paper, topic) or topic.casefold() in {each.casefold() for each in paper.categories}


def has_author(paper: Paper, author: str) -> bool:
    return normalised_title(author) in {normalised_title(each) for each in paper.authors}


def one_by_one(preferences: Preferences, papers: Sequence[Paper]) -> Matches:
    """Match every paper against every preference."""
    topics = [tuple(each for each in preferences.followed_topics if has_topic(paper, each)) for paper in papers]
    authors = [tuple(each for each in preferences.followed_authors if has_author(paper, each)) for paper in papers]
    muted = [
        any(has_phrase(paper, each) for each in preferences.muted_keywords)
        or any(has_topic(paper, each) for each in preferences.muted_topics)
        or any(has_author(paper, each) for each in preferences.muted_authors)
        for paper in papers
    ]
    return Matches(
        frozenset(row for row, is_muted in enumerate(muted) if is_muted),
        {row: found for row, found in enumerate(topics) if found},
        {row: found for row, found in enumerate(authors) if found},
    )


@given(PREFERENCES, PAPERS)
def test_equal_to_matching_one_by_one(preferences: Preferences, papers: list[Paper]) -> None:
    """Papers match as if each were compared with each keyword, topic and author alone."""
    assert matches_of(preferences, [PaperWords.of(paper) for paper in papers]) == one_by_one(preferences, papers)


def test_the_most_preferences_cost_little() -> None:
    """1,000 preferences of 200 characters against 200 papers take less than a second (50 ms on a quiet machine)."""
    words = tuple(f"{'w x y z ' * 24} {number}" for number in range(200))
    preferences = Preferences(words, words, words, words, words)
    papers = [PaperWords.of(Paper(f"p{number}", "w x y z " * 10, "w x y z " * 60)) for number in range(200)]

    began = time.process_time()
    matches = matches_of(preferences, papers)

    assert time.process_time() - began < 1
    assert len(matches) == 0


def test_matched_once() -> None:
    """A user is matched once, until the preferences change."""

    def state(version: int, *topics: str) -> UserState:
        return UserState("ada", version, (), (), frozenset(), Preferences(topics), NOW, NOW)

    matcher = Matcher([PaperWords.of(Paper("p1", "Graph nets"))])
    first = matcher.find(state(1, "graph"))

    assert first.topics == {0: ("graph",)}
    assert matcher.find(state(2, "graph")) is first
    assert matcher.find(state(3, "nets")).topics == {0: ("nets",)}
    assert len(matcher.find(state(4))) == len(matcher.find(None)) == 0
