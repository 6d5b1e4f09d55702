"""Opaque page tokens, signed with a key from the database so that every process accepts them and detects changes."""

import hashlib
from typing import Any

from google.protobuf.message import Message
from itsdangerous import BadData, Serializer

from service.domain.errors import InvalidField, InvalidPageToken

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_TOKEN_LENGTH = 2_000
NOT_OURS = "was not issued by this service"
OTHER_REQUEST = "was issued for another request; repeat all fields except page_size"


def page_size(requested: int, field: str = "page_size") -> int:
    """Return the page size to use: 20 for 0, at most 100; raise InvalidField for a negative number."""
    if requested < 0:
        raise InvalidField(field, f"is {requested}; must be 0 or more")
    return min(requested, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE


def request_hash(request: Message) -> str:
    """Return a hash of all fields except page_size and page_token; it is equal for all pages of one list."""
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("page_size")
    rest.ClearField("page_token")
    content = type(request).DESCRIPTOR.full_name.encode() + b"\0" + rest.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()[:32]


class PageTokens:
    """Makes and reads page tokens, signed with ``key``."""

    def __init__(self, key: bytes) -> None:
        # The serializer for URLs would also compress, which fills the processor's cache with its tables.
        self._serializer = Serializer(key, salt="paperfeed.page_token")

    def make(self, request: Message, position: list[Any]) -> str:
        """Return the token of the page that begins at ``position``."""
        return str(self._serializer.dumps([request_hash(request), position]))

    def read(self, request: Any) -> list[Any] | None:
        """Return the position in the request's page token; None for the first page.

        Raises:
            InvalidPageToken: The token was altered, or issued for another request.
        """
        if not request.page_token:
            return None
        if len(request.page_token) > MAX_TOKEN_LENGTH:
            raise InvalidPageToken(NOT_OURS)
        try:
            made_for, position = self._serializer.loads(request.page_token)
        except (BadData, ValueError, TypeError):
            raise InvalidPageToken(NOT_OURS) from None
        if made_for != request_hash(request):
            raise InvalidPageToken(OTHER_REQUEST)
        return list(position)
