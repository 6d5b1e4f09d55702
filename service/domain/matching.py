"""Matching of papers against the topics, authors and keywords of preferences. Matching ignores case."""

from dataclasses import dataclass

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
            words=f" {normalised_title(f'{paper.title} {paper.abstract}')} ",
            categories=frozenset(category.casefold() for category in paper.categories),
            authors=frozenset(normalised_title(author) for author in paper.authors),
        )

    def has_keyword(self, keyword: str) -> bool:
        """Return whether the title or abstract contains the keyword or phrase as whole words."""
        phrase = normalised_title(keyword)
        return bool(phrase) and f" {phrase} " in self.words

    def has_topic(self, topic: str) -> bool:
        """Return whether the topic is a category of the paper, or occurs in its text as whole words."""
        return topic.casefold() in self.categories or self.has_keyword(topic)

    def has_author(self, author: str) -> bool:
        """Return whether the paper has an author of exactly this name."""
        return normalised_title(author) in self.authors

    def is_muted(self, preferences: Preferences) -> bool:
        """Return whether the preferences mute this paper."""
        return (
            any(self.has_keyword(keyword) for keyword in preferences.muted_keywords)
            or any(self.has_topic(topic) for topic in preferences.muted_topics)
            or any(self.has_author(author) for author in preferences.muted_authors)
        )
