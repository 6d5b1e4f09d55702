"""The file of a bundle's spaces: numpy's archive format without pickle."""

import io
import zipfile
from pathlib import Path

import numpy as np

from ranker.errors import BundleError
from ranker.spaces import Spaces
from ranker.terms import BUCKET_COUNT


def spaces_bytes(spaces: Spaces) -> bytes:
    """The file's contents; equal for equal spaces."""
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        whitening_mean=spaces.whitening_mean,
        whitening_matrix=spaces.whitening_matrix,
        idf=spaces.idf,
        average_length=np.float64(spaces.average_length),
    )
    return stream.getvalue()


def read_spaces(file: Path, data: bytes, embedding_dim: int) -> Spaces:
    """The spaces in a file's contents.

    Raises:
        BundleError: Not such a file, or arrays of the wrong shape, type or range.
    """
    wanted: dict[str, tuple[tuple[int, ...], type]] = {
        "whitening_mean": ((embedding_dim,), np.float32),
        "whitening_matrix": ((embedding_dim, embedding_dim), np.float32),
        "idf": ((BUCKET_COUNT,), np.float32),
        "average_length": ((), np.float64),
    }
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in wanted}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise BundleError(file, f"is not an archive of spaces ({error})") from error
    for name, (shape, dtype) in wanted.items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype or not np.isfinite(arrays[name]).all():
            raise BundleError(file, f"{name} must be {shape} {dtype.__name__} and finite")
    average_length = float(arrays["average_length"])
    if average_length <= 0 or (arrays["idf"] < 0).any():
        raise BundleError(file, "average_length must be above 0 and idf not below 0")
    return Spaces(arrays["whitening_mean"], arrays["whitening_matrix"], arrays["idf"], average_length)
