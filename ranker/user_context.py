"""Facts about a user beyond likes."""

from dataclasses import dataclass

from ranker.types import BoolArray


@dataclass(frozen=True)
class UserContext:
    """Facts about one user and n candidates. The defaults mean unknown.

    Attributes:
        followed_topic: (n,) True if the candidate has a topic that the user follows; None if the user follows no topic.
        followed_author: (n,) True if the candidate has an author that the user follows; None if the user follows no
            author.
        user: The user's code in ``Signals.event_users``, so that the user's own events make no trend; 0 for none.
    """

    followed_topic: BoolArray | None = None
    followed_author: BoolArray | None = None
    user: int = 0


UNKNOWN_USER = UserContext()
"""A user of whom nothing beyond likes is known."""
