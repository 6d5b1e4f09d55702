"""What a new user begins with: topics, authors, and papers that they already like."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mailer.clock import Clock
from mailer.domain.feed import Event
from mailer.errors import InvalidField, NotFound, ServiceUnavailable
from mailer.issues.text import shortened
from mailer.service import FeedService

MAX_PAPERS = 50
"""Papers that can be pasted at once."""


@dataclass(frozen=True)
class Liked:
    """The result of liking pasted papers; ``missing`` has the lines that name no paper of the catalog."""

    liked_count: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class StartingPoints:
    """Stores in the service what a user begins with."""

    service: FeedService
    clock: Clock

    def begin(self, user_id: str, topics: Sequence[str], authors: Sequence[str], papers: Sequence[str]) -> list[str]:
        """Store everything that a new user begins with, and return in words what became of the papers.

        The user is subscribed already, so neither an invalid entry nor a missing service raises an error.
        """
        try:
            self.follow(user_id, topics, authors)
            liked = self.like(user_id, papers) if papers else None
        except InvalidField as error:
            return [f"Not all of your topics and papers were stored. {error.field}: {error.problem}."]
        except ServiceUnavailable:
            return ["Your topics and papers could not be stored now. Please add them to your preferences later."]
        if liked is None:
            return []
        missing = [f"Not in the catalog: {shortened(line, 120)}" for line in liked.missing]
        return [f"Papers added to your likes: {liked.liked_count}.", *missing]

    def like(self, user_id: str, lines: Sequence[str]) -> Liked:
        """Record likes of the papers that the lines name: by id, arXiv id, DOI, web address or title.

        Raises:
            InvalidField: There are too many lines.
            ServiceUnavailable: The service does not answer; nothing was recorded.
        """
        paper_ids, missing = find_papers(self.service, lines)
        now = self.clock.now()
        if paper_ids:
            self.service.record([Event("", user_id, paper_id, "like", now) for paper_id in paper_ids])
        return Liked(len(paper_ids), missing)

    def follow(self, user_id: str, topics: Sequence[str], authors: Sequence[str]) -> None:
        """Add topics and authors to those that the user follows.

        Raises:
            InvalidField: The service refuses one of them.
            ServiceUnavailable: The service does not answer.
        """
        if not topics and not authors:
            return
        known = self.service.preferences(user_id)
        wanted = replace(
            known,
            followed_topics=tuple(dict.fromkeys((*known.followed_topics, *topics))),
            followed_authors=tuple(dict.fromkeys((*known.followed_authors, *authors))),
        )
        self.service.update_preferences(user_id, wanted)


def find_papers(service: FeedService, lines: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the ids of the papers that the lines name, each once, and the lines that name no paper of the catalog.

    A line names a paper by id, arXiv id, DOI, web address or title.

    Raises:
        InvalidField: There are too many lines.
    """
    if len(lines) > MAX_PAPERS:
        raise InvalidField("papers", f"has {len(lines)} lines; at most {MAX_PAPERS} are allowed")
    found = {line: _find(service, line) for line in lines}
    paper_ids = list(dict.fromkeys(filter(None, found.values())))
    return paper_ids, tuple(line for line, paper_id in found.items() if not paper_id)


def _find(service: FeedService, line: str) -> str:
    """Return the id of the paper that a line names; empty if the catalog has none."""
    try:
        return service.papers([line])[0].paper_id
    except (NotFound, InvalidField):
        pass
    try:
        found, _ = service.search('"' + line.replace('"', " ") + '"')
    except InvalidField:
        return ""
    wanted = _letters(line)
    return next((paper.paper_id for paper in found if _letters(paper.title) == wanted), "")


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
