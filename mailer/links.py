"""Signed links. Each token is valid for one purpose, one subscriber and, where it names one, one issue.

The purpose is the salt of the signature, so a token of one purpose is invalid for every other. The links of a page that
a token opened keep that token's date, so following a link never extends its validity.
"""

import enum
from dataclasses import dataclass, field

from itsdangerous import BadData, SignatureExpired, TimestampSigner

from mailer.errors import LinkRefused

DAY_SECONDS = 86_400
MAX_TOKEN_LENGTH = 1_000
_SEPARATOR = "~"


class Purpose(enum.Enum):
    """The purpose of a token; the value is part of the web address."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    ARCHIVE = "archive"
    VIEW = "view"
    LIKE = "like"
    SAVE = "save"
    DISLIKE = "dislike"
    CLICK = "click"
    SIGN_IN = "enter"
    """A link that was mailed on request, and signs its subscriber in."""
    OPEN = "open"
    """A link in an issue that signs its subscriber in; also the content of the cookie of a signed-in subscriber."""
    ATOM = "atom"
    """The address of an Atom feed, which feed readers keep."""


ACTIONS = (Purpose.LIKE, Purpose.SAVE, Purpose.DISLIKE)
MAX_AGE_SECONDS: dict[Purpose, int | None] = {
    **dict.fromkeys(Purpose, 90 * DAY_SECONDS),
    Purpose.CONFIRM: 7 * DAY_SECONDS,
    Purpose.UNSUBSCRIBE: None,
    Purpose.SIGN_IN: 15 * 60,
    Purpose.ATOM: None,
}
"""Maximum age of a token in seconds; None means that it never expires."""


class _Signer(TimestampSigner):
    """A signer for one purpose. It dates its signatures ``made_at``, in seconds since 1970; None means now."""

    def __init__(self, key: bytes, purpose: Purpose, made_at: int | None = None) -> None:
        super().__init__(key, salt=f"paperfeed.mail.{purpose.value}")
        self._made_at = made_at

    def get_timestamp(self) -> int:
        return super().get_timestamp() if self._made_at is None else self._made_at


@dataclass(frozen=True)
class Claim:
    """The content of a token.

    Attributes:
        detail: Confirmation nonce or position of a paper; empty if the purpose needs neither.
        made_at: Date of the token that opened the first page, in whole seconds since 1970; None means now.
    """

    purpose: Purpose
    subscriber_id: str
    issue_id: str = ""
    detail: str = ""
    made_at: int | None = field(default=None, compare=False)


class Links:
    """Makes and reads links.

    Args:
        key: Signing key of the installation.
        base_url: Web address of the mailer's pages.
    """

    def __init__(self, key: bytes, base_url: str) -> None:
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._signers = {each: _Signer(key, each) for each in Purpose}

    def url(
        self,
        purpose: Purpose,
        subscriber_id: str,
        issue_id: str = "",
        detail: str | int = "",
        *,
        parent: Claim | None = None,
    ) -> str:
        """Return the web address with a new token.

        Args:
            parent: Content of the token that opened the page on which the link stands; the new token keeps its date.
        """
        made_at = parent.made_at if parent else None
        token = self.token(Claim(purpose, subscriber_id, issue_id, str(detail), made_at))
        return f"{self._base_url}/{purpose.value}/{token}"

    def token(self, claim: Claim) -> str:
        """Return a token with this content. No part of a claim contains the separator."""
        content = _SEPARATOR.join((claim.subscriber_id, claim.issue_id, claim.detail))
        is_new = claim.made_at is None
        signer = self._signers[claim.purpose] if is_new else _Signer(self._key, claim.purpose, claim.made_at)
        return signer.sign(content).decode()

    def read(self, purpose: Purpose, token: str) -> Claim:
        """Return the content of the token.

        Raises:
            LinkRefused: The token was altered, has expired, or has another purpose.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise LinkRefused("it is too long")
        try:
            max_age = MAX_AGE_SECONDS[purpose]
            found, made_at = self._signers[purpose].unsign(token, max_age=max_age, return_timestamp=True)
        except SignatureExpired:
            raise LinkRefused("it is too old") from None
        except (BadData, ValueError, TypeError):
            raise LinkRefused("it is incomplete or was changed") from None
        subscriber_id, issue_id, detail = found.decode().split(_SEPARATOR)
        return Claim(purpose, subscriber_id, issue_id, detail, int(made_at.timestamp()))
