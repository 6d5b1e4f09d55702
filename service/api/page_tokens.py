"""Opaque page tokens, signed with the database's own key so that every process accepts them and nobody alters them."""

import hashlib
from typing import Any

from google.protobuf.message import Message
from itsdangerous import BadData, URLSafeSerializer

from service.domain.errors import InvalidField, InvalidPageToken

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_TOKEN_LENGTH = 2_000


def page_size(requested: int) -> int:
    """The number of entries to give: 20 for 0, at most 100."""
    if requested < 0:
        raise InvalidField("page_size", f"is {requested}; must be 0 or more")
    return min(requested, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE


def request_hash(request: Message) -> str:
    """Names the request apart from its page: equal for all pages of one list."""
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("page_size")
    rest.ClearField("page_token")
    content = type(request).DESCRIPTOR.full_name.encode() + b"\0" + rest.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()[:32]


class PageTokens:
    """Makes and reads page tokens."""

    def __init__(self, key: bytes) -> None:
        self._serializer = URLSafeSerializer(key, salt="paperfeed.page_token")

    def make(self, request: Message, position: list[Any]) -> str:
        """A token for the page of this request's list that begins at ``position``."""
        return str(self._serializer.dumps([request_hash(request), position]))

    def read(self, request: Any) -> list[Any] | None:
        """The position that the request's token stands for; None for the first page.

        Raises:
            InvalidPageToken: It was altered, or made for another request.
        """
        if not request.page_token:
            return None
        if len(request.page_token) > MAX_TOKEN_LENGTH:
            raise InvalidPageToken("is not one that this service gave")
        try:
            made_for, position = self._serializer.loads(request.page_token)
        except (BadData, ValueError, TypeError):
            raise InvalidPageToken("is not one that this service gave") from None
        if made_for != request_hash(request):
            raise InvalidPageToken("was given by another request; repeat all fields but page_size")
        return list(position)
