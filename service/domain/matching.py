"""Matching of papers against the topics, authors and keywords of preferences. Matching ignores case."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.domain.events import Preferences
from service.domain.identifiers import normalised_title
from service.domain.papers import Paper


@dataclass(frozen=True, slots=True)
class PaperWords:
    """Words, categories and authors of a paper, normalised for comparison."""

    words: str
    categories: frozenset[str]
    authors: frozenset[str]

    @classmethod
    def of(cls, paper: Paper) -> "PaperWords":
        """Return the normalised words, categories and authors of a paper."""
        return cls(
            words=normalised_title(f"{paper.title} {paper.abstract}"),
            categories=frozenset(category.casefold() for category in paper.categories),
            authors=frozenset(normalised_title(author) for author in paper.authors),
        )


@dataclass(frozen=True)
class Matches:
    """What the preferences of a user say about some papers. Papers are named by their place in the list, from 0.

    Attributes:
        muted: Papers with a muted keyword, topic or author.
        topics: Followed topics of each paper that has any, in the order of the preferences.
        authors: Followed authors of each paper that has any, in the order of the preferences.
    """

    muted: frozenset[int] = frozenset()
    topics: dict[int, tuple[str, ...]] = field(default_factory=dict)
    authors: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.muted) + len(self.topics) + len(self.authors)


NO_MATCHES = Matches()


def matches_of(preferences: Preferences, papers: Sequence[PaperWords]) -> Matches:
    """Match papers against preferences.

    A keyword or phrase matches if title or abstract contain it as whole words. A topic matches a category of the paper
    in the same way as a keyword, or a category of this name. An author matches an author of exactly this name.

    Each paper's words are read once for all preferences: 1,000 preferences take hardly more time than one.
    """
    muted_topics, followed_topics = _Names(preferences.muted_topics), _Names(preferences.followed_topics)
    muted_words = frozenset(map(normalised_title, preferences.muted_keywords)) - {""} | muted_topics.phrases
    muted_authors = frozenset(map(normalised_title, preferences.muted_authors))
    followed_authors = [(author, normalised_title(author)) for author in preferences.followed_authors]
    author_names = frozenset(name for _, name in followed_authors)
    phrases = _Phrases(muted_words | followed_topics.phrases)
    muted, topics, authors = set(), {}, {}
    for place, paper in enumerate(papers):
        found = phrases.in_words(paper.words)
        if found & muted_words or paper.categories & muted_topics.categories or paper.authors & muted_authors:
            muted.add(place)
        if named := followed_topics.among(found, paper.categories):
            topics[place] = named
        if paper.authors & author_names:
            authors[place] = tuple(author for author, name in followed_authors if name in paper.authors)
    return Matches(frozenset(muted), topics, authors)


def muting_preferences(preferences: Preferences, paper: PaperWords) -> Preferences:
    """Return the muted topics, authors and keywords that match one paper; lists of followed names are empty."""

    def matching(name: str) -> tuple[str, ...]:
        muted = getattr(preferences, name)
        return tuple(each for each in muted if matches_of(Preferences(**{name: (each,)}), [paper]).muted)

    return Preferences(**{name: matching(name) for name in ("muted_topics", "muted_authors", "muted_keywords")})


class _Names:
    """Topics as they were written, as phrases and as categories."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._forms = [(topic, normalised_title(topic), topic.casefold()) for topic in topics]
        self.phrases = frozenset(phrase for _, phrase, _ in self._forms if phrase)
        self.categories = frozenset(category for _, _, category in self._forms)

    def among(self, phrases: frozenset[str], categories: frozenset[str]) -> tuple[str, ...]:
        """Return the topics that are among the found phrases or categories, in the order of the preferences."""
        if not (phrases & self.phrases or categories & self.categories):
            return ()
        return tuple(topic for topic, phrase, name in self._forms if phrase in phrases or name in categories)


class _Phrases:
    """Phrases as a tree of their words. A phrase that begins like another one shares its first branches."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._tree: dict[str, Any] = {}
        for phrase in phrases:
            branch = self._tree
            for word in phrase.split():
                branch = branch.setdefault(word, {})
            # No word is empty, so this key cannot be a word.
            branch[""] = phrase

    def in_words(self, text: str) -> frozenset[str]:
        """Return the phrases that the normalised text contains as whole words."""
        if not self._tree:
            return frozenset()
        words = text.split()
        found = set()
        for start, first in enumerate(words):
            branch, place = self._tree.get(first), start + 1
            while branch is not None:
                if (phrase := branch.get("")) is not None:
                    found.add(phrase)
                branch = branch.get(words[place]) if place < len(words) else None
                place += 1
        return frozenset(found)
