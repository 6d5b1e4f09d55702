"""Archives of arrays are bounded before an array is read."""

import io
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from ranker.bundle.archive import MAX_ARRAYS, read_arrays


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive with these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as made:
        for name, data in members:
            made.writestr(name, data)
    return stream.getvalue()


def header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """Return the bytes of an array without its values."""
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_arrays_within_the_limit() -> None:
    """An archive that numpy wrote is read as numpy reads it, up to the limit."""
    stream = io.BytesIO()
    np.savez_compressed(stream, zeros=np.zeros(1_000, np.float32), names=np.array(["a", "bc"]))

    found = read_arrays(stream.getvalue(), limit=5_000)

    assert found["zeros"].tolist() == [0.0] * 1_000
    assert found["names"].tolist() == ["a", "bc"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (archive(("big.npy", header((100_000,)) + bytes(400_000))), "take 400128 bytes; at most 5000"),
        (archive(("lie.npy", header((10**12,)) + bytes(8))), r"claims to have shape \(1000000000000,\)"),
        (archive(("empty.npy", header((10**10, 0)))), r"claims to have shape \(10000000000, 0\)"),
        (archive(("void.npy", header((10**10,), "|V0"))), r"claims to have shape \(10000000000,\)"),
        (archive(("any.npy", header((1,), "|O") + bytes(8))), "claims to have shape"),
        (archive(("x.npy", header((1,)) + bytes(4)), compression=zipfile.ZIP_LZMA), "another method than deflate"),
        (archive(*((f"a{n}.npy", b"") for n in range(MAX_ARRAYS + 1))), "65 arrays; at most 64"),
        (archive(("new.npy", b"\x93NUMPY\x07\x00")), "unknown version"),
    ],
)
def test_refused_before_it_is_read(data: bytes, problem: str) -> None:
    """Archives that unpack to too much, or whose headers claim too much, are refused with the reason."""
    with pytest.raises(ValueError, match=problem):
        read_arrays(data, limit=5_000)


def test_bytes_of_two_formats() -> None:
    """Bytes that begin like an array and end like an archive are read as the archive that was checked."""
    whole = io.BytesIO()
    np.savez(whole, x=np.arange(3))

    found = read_arrays(header((10**12,)) + whole.getvalue(), limit=5_000)

    assert found["x"].tolist() == [0, 1, 2]
