"""Messages between server and worker: a JSON header and raw bytes, each preceded by its length. No pickle.

    uint32 header length | uint32 body length | header (UTF-8 JSON object) | body       little endian

Requests: ``{"id", "texts"}`` without a body. Replies: ``{"id", "rows", "dim"}`` and rows x dim float32, or
``{"id", "error"}``. Reply 0 has no request and no rows: the worker sends it when the model is loaded.
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.app.ports import Vectors

PREFIX = struct.Struct("<II")
READ_BYTES = 1 << 20
# Valid frames are much smaller: 32 escaped texts of 52,000 characters take 10 to 20 MB.
MAX_PART_BYTES = 256 * 1024 * 1024


class BrokenStream(Exception):
    """The bytes are not a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    header: Mapping[str, Any]
    body: bytes = b""

    def packed(self) -> bytes:
        """Return the bytes to send."""
        header = json.dumps(dict(self.header)).encode()
        return PREFIX.pack(len(header), len(self.body)) + header + self.body

    def vectors(self) -> Vectors:
        """Return the vectors of a reply as a writable array.

        Raises:
            BrokenStream: The body has another length than rows and dim say.
        """
        rows, dim = self.header.get("rows"), self.header.get("dim")
        if not isinstance(rows, int) or not isinstance(dim, int) or rows * dim * 4 != len(self.body):
            raise BrokenStream(f"a reply of {rows} x {dim} numbers has {len(self.body)} bytes")
        return np.frombuffer(self.body, "<f4").astype(np.float32).reshape(rows, dim)


def receive_frame(received: bytearray, read: Callable[[], bytes]) -> Frame | None:
    """Return the next frame of a stream; None if the stream ends before it.

    Args:
        received: Bytes that were read but not returned yet. They stay here if ``read`` raises, so that another call can
            go on with the frame.
        read: Returns some bytes of the stream; none at its end.

    Raises:
        BrokenStream: The bytes are not a frame, or the stream ends inside one.
    """
    while (frame := _take_frame(received)) is None:
        some = read()
        if not some and received:
            raise BrokenStream("the stream ends inside a frame")
        if not some:
            return None
        received += some
    return frame


def _take_frame(received: bytearray) -> Frame | None:
    """Remove and return the first frame. Return None and change nothing while it is incomplete."""
    if len(received) < PREFIX.size:
        return None
    header_length, body_length = PREFIX.unpack_from(received)
    if max(header_length, body_length) > MAX_PART_BYTES:
        raise BrokenStream(f"a frame of {header_length} + {body_length} bytes is too long")
    body_start = PREFIX.size + header_length
    end = body_start + body_length
    if len(received) < end:
        return None
    try:
        header = json.loads(received[PREFIX.size : body_start])
    except ValueError as error:
        raise BrokenStream("a frame's header is not JSON") from error
    if not isinstance(header, dict):
        raise BrokenStream("a frame's header is not an object")
    body = bytes(received[body_start:end])
    del received[:end]
    return Frame(header, body)
