"""Reads numpy's archive format without pickle, and refuses an archive that would take too much memory.

A compressed archive of a few megabytes can unpack to gigabytes, and the header of an array can claim any shape. So
sizes are checked before an array is read.
"""

import io
import math
import zipfile
from typing import Any, TypeAlias

import numpy as np
from numpy.lib import format as npy

Arrays: TypeAlias = dict[str, "np.ndarray[Any, Any]"]
MAX_ARRAYS = 64
MAX_UNPACKED_BYTES = 256 * 2**20
"""Limit for all arrays of an archive together. Those of the largest recipe take 40 MB."""
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_arrays(data: bytes, *, limit: int = MAX_UNPACKED_BYTES) -> Arrays:
    """Return the arrays of an archive by name.

    Args:
        limit: Maximum size of all arrays together, in bytes.

    Raises:
        ValueError: The arrays are larger than the limit, or the archive is not one of plain arrays.
        Exception: Damaged bytes raise whatever numpy, zipfile and zlib raise.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise ValueError(f"it has {len(members)} arrays; at most {MAX_ARRAYS} are allowed")
        unpacked = sum(member.file_size for member in members)
        if unpacked > limit:
            raise ValueError(f"its arrays take {unpacked} bytes; at most {limit} are allowed")
        for member in members:
            _check_header(archive, member, limit)
        # Not by numpy.load, which may take the same bytes for another format.
        return {member.filename.removesuffix(".npy"): _read(archive, member) for member in members}


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> "np.ndarray[Any, Any]":
    with archive.open(member) as stream:
        found: np.ndarray[Any, Any] = npy.read_array(stream, allow_pickle=False)
        return found


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> None:
    """Raise ValueError if the header of an array claims more bytes than the archive has for it.

    An array with a dimension of length 0 takes no bytes, but what is computed from it may: so its other dimensions are
    bounded by the limit.
    """
    if member.compress_type not in _COMPRESSIONS:
        raise ValueError(f"{member.filename} is compressed by another method than deflate")
    with archive.open(member) as stream:
        read_header = _HEADERS.get(npy.read_magic(stream))
        if read_header is None:
            raise ValueError(f"{member.filename} has an unknown version of numpy's format")
        shape, _, dtype = read_header(stream)
    is_wide = math.prod(max(each, 1) for each in shape) * max(dtype.itemsize, 1) > limit
    if dtype.hasobject or is_wide or math.prod(shape) * dtype.itemsize > member.file_size:
        raise ValueError(
            f"{member.filename} claims to have shape {shape} and type {dtype}, which does not fit its size"
        )
