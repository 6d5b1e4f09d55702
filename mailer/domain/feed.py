"""Feeds, digests, preferences and events of the feed service, as plain values."""

import datetime as dt
from dataclasses import dataclass, replace

from mailer.domain.arxiv import arxiv_id


@dataclass(frozen=True)
class Reason:
    """The reason for a recommendation.

    Attributes:
        kind: The gRPC contract's name in lower case, e.g. ``topic``.
        subject: Title of a liked paper, a topic, or an author; empty if the kind needs none.
    """

    kind: str
    subject: str = ""


@dataclass(frozen=True)
class FeedPaper:
    """A paper at one position of a feed.

    Attributes:
        position: One-based position as served.
        url: Web address of the paper; empty if it has none.
        reasons: Reasons, strongest first.
        interest_id: The section that the paper is in; empty in a feed without sections.
        categories: Categories such as cs.LG, primary category first.
        published_at: Time of publication; None if unknown.
    """

    position: int
    paper_id: str
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    url: str = ""
    reasons: tuple[Reason, ...] = ()
    interest_id: str = ""
    categories: tuple[str, ...] = ()
    published_at: dt.datetime | None = None

    @property
    def arxiv_id(self) -> str:
        """The arXiv identifier without version; empty if the paper is not known to be on arXiv."""
        return arxiv_id(self.paper_id, self.url)

    @property
    def facts(self) -> str:
        """The first four categories and the arXiv identifier in one line; empty if neither is known."""
        return " · ".join((*self.categories[:4], *([f"arXiv:{self.arxiv_id}"] if self.arxiv_id else [])))

    @property
    def web_url(self) -> str:
        """The paper's address if it is http or https; else that of its arXiv page; else an empty text."""
        if self.url.startswith(("https://", "http://")):
            return self.url
        return f"https://arxiv.org/abs/{self.arxiv_id}" if self.arxiv_id else ""

    @property
    def pdf_url(self) -> str:
        """The address of the PDF on arXiv; empty if the paper is not known to be there."""
        return f"https://arxiv.org/pdf/{self.arxiv_id}" if self.arxiv_id else ""


@dataclass(frozen=True)
class Feed:
    """The papers of one or several digests, ranked for one user.

    Attributes:
        digest_id: The digest that was named first; empty if the service has no digest.
        fallback: The contract's fallback reason in lower case, e.g. ``new_user``; ``none`` without a fallback.
        is_stale: Whether the newest digest was requested and is stale.
        sections: (interest_id, name) of each section, in order; empty for a single list.
    """

    user_id: str
    slate_id: str
    digest_id: str
    fallback: str
    papers: tuple[FeedPaper, ...]
    is_stale: bool = False
    sections: tuple[tuple[str, str], ...] = ()

    def first(self, count: int) -> "Feed":
        """Return the feed with its first papers only, section after section. Positions stay those served."""
        order = {interest_id: number for number, (interest_id, _) in enumerate(self.sections)}
        kept = sorted(self.papers[:count], key=lambda paper: order.get(paper.interest_id, len(order)))
        return replace(self, papers=tuple(kept))


@dataclass(frozen=True)
class Digest:
    """A digest without its papers."""

    digest_id: str
    date: dt.date
    title: str = ""
    paper_count: int = 0


@dataclass(frozen=True)
class Preferences:
    """The topics, authors and keywords that a user follows and mutes."""

    followed_topics: tuple[str, ...] = ()
    muted_topics: tuple[str, ...] = ()
    followed_authors: tuple[str, ...] = ()
    muted_authors: tuple[str, ...] = ()
    muted_keywords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Interest:
    """A group of similar papers among those that a user likes.

    Attributes:
        weight: Share among the user's interests, 0 to 1.
        paper_ids: A few of the newest liked papers of the group.
        interest_id: Id among the interests of the user.
        is_paused: Whether feeds leave the interest out.
    """

    name: str
    like_count: int
    weight: float
    paper_ids: tuple[str, ...] = ()
    interest_id: str = ""
    is_paused: bool = False


@dataclass(frozen=True)
class Profile:
    """What the service knows of a user."""

    like_count: int = 0
    dislike_count: int = 0
    preferences: Preferences = Preferences()
    interests: tuple[Interest, ...] = ()


@dataclass(frozen=True)
class Event:
    """An interaction of a user with a paper, or the sending of a paper to a user.

    Attributes:
        event_id: Key that makes the event count once; if empty, the service derives one from the other fields.
        event_type: The contract's name in lower case, such as like, dislike, save, click, sent or complaint.
    """

    event_id: str
    user_id: str
    paper_id: str
    event_type: str
    occurred_at: dt.datetime
    slate_id: str = ""
