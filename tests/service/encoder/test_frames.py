"""Frames between server and worker."""

import io

import numpy as np
import pytest

from service.encoder.frames import BrokenStream, Frame, read_frame, take_frame


def test_frames_come_back_however_the_bytes_arrive() -> None:
    """A frame is taken when its last byte has come, and the next one starts after it."""
    frames = [Frame({"id": 1, "texts": ["ü\n", ""]}), Frame({"id": 2, "rows": 1, "dim": 2}, b"12345678")]
    received, taken = bytearray(), []

    for byte in b"".join(frame.packed() for frame in frames):
        received.append(byte)
        if (frame := take_frame(received)) is not None:
            taken.append(frame)

    assert taken == frames
    assert not received


def test_a_blocking_stream_gives_the_same_frames_then_none() -> None:
    """The worker reads the frames of the server, and None at the end of the stream."""
    frame = Frame({"id": 1}, b"body")
    stream = io.BytesIO(frame.packed() * 2)

    assert [read_frame(stream) for _ in range(3)] == [frame, frame, None]


@pytest.mark.parametrize("raw", [b"\xff" * 8, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{x"])
def test_noise_is_no_frame(raw: bytes) -> None:
    """Printed text, huge lengths and headers that are not objects are refused by both readers."""
    with pytest.raises(BrokenStream):
        take_frame(bytearray(raw))
    with pytest.raises(BrokenStream):
        read_frame(io.BytesIO(raw))


def test_a_stream_that_ends_inside_a_frame_is_broken() -> None:
    """A stream that ends inside a frame is an error."""
    for length in (3, 10):
        with pytest.raises(BrokenStream):
            read_frame(io.BytesIO(Frame({"id": 1}, b"body").packed()[:length]))


def test_rows_must_fit_the_body() -> None:
    """Vectors are read as they were sent; a reply with wrong sizes is refused."""
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert np.array_equal(Frame({"rows": 2, "dim": 3}, matrix.tobytes()).vectors(), matrix)
    with pytest.raises(BrokenStream):
        Frame({"rows": 2, "dim": 4}, matrix.tobytes()).vectors()
