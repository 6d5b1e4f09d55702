"""Whether a paper is about a topic, by an author, or has a keyword that a user named. Case does not matter."""

from dataclasses import dataclass

from service.domain.events import Preferences
from service.domain.identifiers import normalised_title
from service.domain.papers import Paper


@dataclass(frozen=True, slots=True)
class PaperWords:
    """A paper's words, categories and authors in comparable form."""

    words: str
    categories: frozenset[str]
    authors: frozenset[str]

    @classmethod
    def of(cls, paper: Paper) -> "PaperWords":
        """The comparable form of a paper."""
        return cls(
            words=f" {normalised_title(f'{paper.title} {paper.abstract}')} ",
            categories=frozenset(category.casefold() for category in paper.categories),
            authors=frozenset(normalised_title(author) for author in paper.authors),
        )

    def has_keyword(self, keyword: str) -> bool:
        """Whether the keyword or phrase stands in the title or abstract as whole words."""
        phrase = normalised_title(keyword)
        return bool(phrase) and f" {phrase} " in self.words

    def has_topic(self, topic: str) -> bool:
        """Whether the topic is one of the categories, or stands in the text."""
        return topic.casefold() in self.categories or self.has_keyword(topic)

    def has_author(self, author: str) -> bool:
        """Whether it has an author of just this name."""
        return normalised_title(author) in self.authors

    def is_muted(self, preferences: Preferences) -> bool:
        """Whether a user with these preferences must not see it."""
        return (
            any(self.has_keyword(keyword) for keyword in preferences.muted_keywords)
            or any(self.has_topic(topic) for topic in preferences.muted_topics)
            or any(self.has_author(author) for author in preferences.muted_authors)
        )
