"""Signed links: each token has one purpose, one subscriber and one issue, and is good for nothing else.

Purposes are salts, so a token of one never passes as another's. GET never acts on one; see ``mailer.web``.
"""

import enum
from dataclasses import dataclass

from itsdangerous import BadData, SignatureExpired, TimestampSigner

from mailer.errors import LinkRefused

DAY_SECONDS = 86_400
MAX_TOKEN_LENGTH = 1_000
_SEPARATOR = "~"


class Purpose(enum.Enum):
    """What a token is for; the value is part of the web address."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    VIEW = "view"
    LIKE = "like"
    SAVE = "save"
    DISLIKE = "dislike"
    CLICK = "click"


ACTIONS = (Purpose.LIKE, Purpose.SAVE, Purpose.DISLIKE)
MAX_AGE_SECONDS: dict[Purpose, int | None] = {
    Purpose.CONFIRM: 7 * DAY_SECONDS,
    Purpose.UNSUBSCRIBE: None,
    Purpose.PREFERENCES: 90 * DAY_SECONDS,
    Purpose.VIEW: 90 * DAY_SECONDS,
    Purpose.LIKE: 90 * DAY_SECONDS,
    Purpose.SAVE: 90 * DAY_SECONDS,
    Purpose.DISLIKE: 90 * DAY_SECONDS,
    Purpose.CLICK: 90 * DAY_SECONDS,
}
"""Seconds that a token is good for; None for ever."""


@dataclass(frozen=True)
class Claim:
    """What a token says. ``detail`` is the confirm nonce or the paper's position; empty where the purpose has none."""

    purpose: Purpose
    subscriber_id: str
    issue_id: str = ""
    detail: str = ""


class Links:
    """Makes and reads links; one per process.

    Args:
        key: The installation's signing key.
        base_url: Where the web app is reached, without a slash at the end.
    """

    def __init__(self, key: bytes, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._signers = {each: TimestampSigner(key, salt=f"paperfeed.mail.{each.value}") for each in Purpose}

    def url(self, purpose: Purpose, subscriber_id: str, issue_id: str = "", detail: str | int = "") -> str:
        """The address with a new token."""
        token = self.token(Claim(purpose, subscriber_id, issue_id, str(detail)))
        return f"{self._base_url}/{purpose.value}/{token}"

    def token(self, claim: Claim) -> str:
        """A token that says so, dated now. The parts are ours, and none has the separator in it."""
        parts = (claim.subscriber_id, claim.issue_id, claim.detail)
        return self._signers[claim.purpose].sign(_SEPARATOR.join(parts)).decode()

    def read(self, purpose: Purpose, token: str) -> Claim:
        """What the token says.

        Raises:
            LinkRefused: It was altered, is of another purpose, or expired.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise LinkRefused("it is not one of ours")
        try:
            found = self._signers[purpose].unsign(token, max_age=MAX_AGE_SECONDS[purpose]).decode()
        except SignatureExpired:
            raise LinkRefused("it is too old") from None
        except (BadData, ValueError, TypeError):
            raise LinkRefused("it is incomplete or was changed") from None
        return Claim(purpose, *found.split(_SEPARATOR))
