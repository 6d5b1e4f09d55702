"""Frames between server and worker."""

import io

import numpy as np
import pytest

from service.encoder.frames import BrokenStream, Frame, receive_frame


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_frames_come_back_however_the_bytes_arrive(size: int) -> None:
    """Frames come back in order whether their bytes come alone or together, and None at the end of the stream."""
    frames = [Frame({"id": 1, "texts": ["ü\n", ""]}), Frame({"id": 2, "rows": 1, "dim": 2}, b"12345678")]
    stream, received = io.BytesIO(b"".join(frame.packed() for frame in frames)), bytearray()

    assert [receive_frame(received, lambda: stream.read(size)) for _ in range(3)] == [*frames, None]
    assert not received


def test_an_interrupted_frame_is_continued() -> None:
    """If reading times out inside a frame, the next call returns the whole frame."""
    packed, received = Frame({"id": 1}, b"body").packed(), bytearray()
    parts: list[bytes] = [packed[:5], packed[5:12]]

    with pytest.raises(IndexError):
        receive_frame(received, lambda: parts.pop(0))

    assert receive_frame(received, lambda: packed[12:]) == Frame({"id": 1}, b"body")


@pytest.mark.parametrize("raw", [b"\xff" * 8, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{x"])
def test_noise_is_no_frame(raw: bytes) -> None:
    """Printed text, huge lengths and headers that are not objects are refused."""
    with pytest.raises(BrokenStream):
        receive_frame(bytearray(), io.BytesIO(raw).read)


def test_a_stream_that_ends_inside_a_frame_is_broken() -> None:
    """A stream that ends inside a frame is an error."""
    for length in (3, 10):
        with pytest.raises(BrokenStream):
            receive_frame(bytearray(), io.BytesIO(Frame({"id": 1}, b"body").packed()[:length]).read)


def test_rows_must_fit_the_body() -> None:
    """Vectors are read as they were sent; a reply with wrong sizes is refused."""
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert np.array_equal(Frame({"rows": 2, "dim": 3}, matrix.tobytes()).vectors(), matrix)
    with pytest.raises(BrokenStream):
        Frame({"rows": 2, "dim": 4}, matrix.tobytes()).vectors()
