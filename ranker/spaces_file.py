"""The file of a bundle's spaces: numpy's archive format without pickle."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ranker.errors import BundleError
from ranker.spaces import Spaces
from ranker.terms import BUCKET_COUNT
from ranker.topics import Topics
from ranker.types import Float32Array


def spaces_bytes(spaces: Spaces) -> bytes:
    """The file's contents; equal for equal spaces."""
    stream = io.BytesIO()
    topics = spaces.topics or Topics.none(spaces.embedding_dim)
    np.savez_compressed(
        stream,
        whitening_mean=spaces.whitening_mean,
        whitening_matrix=spaces.whitening_matrix,
        idf=spaces.idf,
        average_length=np.float64(spaces.average_length),
        topic_centroids=topics.centroids,
        topic_names=np.array(topics.names, dtype=np.str_),
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
            topics = _topics(file, archive["topic_centroids"], archive["topic_names"], embedding_dim)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise BundleError(file, f"is not an archive of spaces ({error})") from error
    for name, (shape, dtype) in wanted.items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype or not np.isfinite(arrays[name]).all():
            raise BundleError(file, f"{name} must be {shape} {dtype.__name__} and finite")
    average_length = float(arrays["average_length"])
    if average_length <= 0 or (arrays["idf"] < 0).any():
        raise BundleError(file, "average_length must be above 0 and idf not below 0")
    return Spaces(arrays["whitening_mean"], arrays["whitening_matrix"], arrays["idf"], average_length, topics)


def _topics(file: Path, centroids: Float32Array, names: "np.ndarray[Any, Any]", embedding_dim: int) -> Topics | None:
    if centroids.ndim != 2 or centroids.shape[1] != embedding_dim or centroids.dtype != np.float32:
        raise BundleError(file, f"topic_centroids must be (topics, {embedding_dim}) float32")
    lengths = np.sqrt(np.einsum("ij,ij->i", centroids, centroids))
    if not (np.abs(lengths - 1) < 1e-3).all():
        raise BundleError(file, "topic_centroids must be of unit length")
    if names.shape != centroids.shape[:1] or names.dtype.kind != "U" or len(set(names.tolist())) != len(names):
        raise BundleError(file, "topic_names must be one text for each topic, no two alike")
    return Topics(centroids, tuple(names.tolist())) if len(names) else None
