"""Signed links: each token has one purpose, one subscriber and one issue, and is good for nothing else.

Purposes are salts, so a token of one never passes as another's. GET never acts on one; see ``mailer.web``. A token made
for a page that another token opened is as old as that one: nobody renews a link by following it.
"""

import enum
from dataclasses import dataclass, field

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
    ARCHIVE = "archive"
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
    Purpose.ARCHIVE: 90 * DAY_SECONDS,
    Purpose.VIEW: 90 * DAY_SECONDS,
    Purpose.LIKE: 90 * DAY_SECONDS,
    Purpose.SAVE: 90 * DAY_SECONDS,
    Purpose.DISLIKE: 90 * DAY_SECONDS,
    Purpose.CLICK: 90 * DAY_SECONDS,
}
"""Seconds that a token is good for; None for ever."""


class _DatedSigner(TimestampSigner):
    """Signs as of ``made_at``, seconds since 1970."""

    made_at = 0

    def get_timestamp(self) -> int:
        return self.made_at


@dataclass(frozen=True)
class Claim:
    """What a token says.

    Attributes:
        detail: The confirm nonce or the paper's position; empty where the purpose has none.
        made_at: Whole seconds since 1970, of the token that the first page was opened with; None means now.
    """

    purpose: Purpose
    subscriber_id: str
    issue_id: str = ""
    detail: str = ""
    made_at: int | None = field(default=None, compare=False)


class Links:
    """Makes and reads links; one per process.

    Args:
        key: The installation's signing key.
        base_url: Where the web app is reached, without a slash at the end.
    """

    def __init__(self, key: bytes, base_url: str) -> None:
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._signers = {each: TimestampSigner(key, salt=_salt(each)) for each in Purpose}

    def url(
        self,
        purpose: Purpose,
        subscriber_id: str,
        issue_id: str = "",
        detail: str | int = "",
        *,
        parent: Claim | None = None,
    ) -> str:
        """The address with a new token.

        Args:
            parent: What opened the page that bears the address; the new token is as old.
        """
        made_at = parent.made_at if parent else None
        token = self.token(Claim(purpose, subscriber_id, issue_id, str(detail), made_at))
        return f"{self._base_url}/{purpose.value}/{token}"

    def token(self, claim: Claim) -> str:
        """A token that says so. The parts are ours, and none has the separator in it."""
        signer = self._signers[claim.purpose]
        if claim.made_at is not None:
            signer = _DatedSigner(self._key, salt=_salt(claim.purpose))
            signer.made_at = claim.made_at
        parts = (claim.subscriber_id, claim.issue_id, claim.detail)
        return signer.sign(_SEPARATOR.join(parts)).decode()

    def read(self, purpose: Purpose, token: str) -> Claim:
        """What the token says.

        Raises:
            LinkRefused: It was altered, is of another purpose, or expired.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise LinkRefused("it is not one of ours")
        try:
            found, made_at = self._signers[purpose].unsign(
                token, max_age=MAX_AGE_SECONDS[purpose], return_timestamp=True
            )
        except SignatureExpired:
            raise LinkRefused("it is too old") from None
        except (BadData, ValueError, TypeError):
            raise LinkRefused("it is incomplete or was changed") from None
        subscriber_id, issue_id, detail = found.decode().split(_SEPARATOR)
        return Claim(purpose, subscriber_id, issue_id, detail, int(made_at.timestamp()))


def _salt(purpose: Purpose) -> str:
    return f"paperfeed.mail.{purpose.value}"
