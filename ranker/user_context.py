"""Who asks, beyond likes: what the reader wishes for among these very candidates, and who the reader is."""

from dataclasses import dataclass

from ranker.types import BoolArray


@dataclass(frozen=True)
class UserContext:
    """What the service knows of one reader and one candidate matrix. Everything left out is unknown.

    Attributes:
        followed_topic: (n,) which candidates touch a topic that the reader follows; None where the reader follows none.
        followed_author: (n,) the same for authors.
        user: The reader's code in ``Signals.event_users``, so that nobody is told that his own likes are a trend; 0
            for nobody.
    """

    followed_topic: BoolArray | None = None
    followed_author: BoolArray | None = None
    user: int = 0


UNKNOWN_USER = UserContext()
"""Of whom nothing is known."""
