"""DKIM signatures of messages (RFC 6376)."""

import dkim

from mailer.config import PREFIX, MailSettings
from mailer.errors import InvalidField

SIGNED_HEADERS = (
    b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type",
    b"list-id", b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip


def signed(content: bytes, settings: MailSettings) -> bytes:
    """Return the message with a DKIM signature in front; without a signing domain, return it unchanged.

    Raises:
        InvalidField: The key or selector cannot be used.
    """
    if not settings.dkim_domain:
        return content
    try:
        header = dkim.sign(
            content,
            settings.dkim_selector.encode(),
            settings.dkim_domain.encode(),
            settings.secret("dkim_key_file").encode(),
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=list(SIGNED_HEADERS),
        )
    except (dkim.DKIMException, ValueError, TypeError, IndexError) as error:
        raise InvalidField(PREFIX + "DKIM_KEY_FILE", f"no signature can be made with this key: {error}") from None
    return bytes(header) + content
