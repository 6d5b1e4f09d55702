"""What shapes a user's feed: the signals of the user, and the explanation of one paper's place."""

import datetime as dt
from dataclasses import dataclass, field

from mailer.domain.feed import FeedPaper, Preferences


@dataclass(frozen=True)
class Signal:
    """A recorded event of a user and what it does to feeds now.

    Attributes:
        event_type: The gRPC contract's name in lower case, e.g. ``like``.
        time: Time of recording in a list of signals, else the time of the event; None if unknown.
        title: Title of the paper; empty if not given.
        effects: The contract's names in lower case, e.g. ``more_similar``; empty if the event has no effect now.
    """

    event_id: str
    paper_id: str
    event_type: str
    time: dt.datetime | None = None
    title: str = ""
    effects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signals:
    """One page of a user's signals.

    Attributes:
        preferences: Preferences of the user; None on later pages.
        next_token: Token of the next page; empty on the last page.
    """

    signals: tuple[Signal, ...] = ()
    preferences: Preferences | None = None
    next_token: str = ""


@dataclass(frozen=True)
class NearLike:
    """A liked paper near to an explained paper; ``similarity`` is the cosine of their vectors, -1 to 1."""

    paper_id: str
    title: str
    similarity: float


@dataclass(frozen=True)
class Explanation:
    """Why a paper has its place in a slate or a new ranking, or has none.

    Attributes:
        outcome: The gRPC contract's name in lower case, e.g. ``shown`` or ``muted``.
        paper: The paper; its position is the rank, 0 if it has none, and its reasons are those for showing it.
        fallback: The contract's fallback reason in lower case; ``none`` without a fallback.
        list_size: Number of papers in the slate or ranking.
        score: Ranking score; comparable only within the list.
        rank_by_score: Rank by score alone; 0 without a rank.
        rank_before_exploration: Rank before a swap at random; 0 without a rank.
        contributions: (family of features, part of the score) pairs; empty if no model ranked.
        base_score: Score that every paper starts from.
        is_pending: Whether the paper has no vector yet.
        hidden_by: Events in force that make feeds omit the paper, newest first.
        muted_by: Entries that mute the paper, by list of the preferences.
        probability: Probability, 0 to 1, that the user likes or saves the paper; None if the model gives none.
    """

    outcome: str
    paper: FeedPaper
    fallback: str = "none"
    list_size: int = 0
    score: float = 0.0
    rank_by_score: int = 0
    rank_before_exploration: int = 0
    contributions: tuple[tuple[str, float], ...] = ()
    base_score: float = 0.0
    is_pending: bool = False
    nearest_likes: tuple[NearLike, ...] = ()
    hidden_by: tuple[Signal, ...] = ()
    muted_by: dict[str, tuple[str, ...]] = field(default_factory=dict)
    probability: float | None = None
