"""Reads and writes the spaces of a bundle in numpy's archive format, without pickle."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranker.bundle.archive import read_arrays
from ranker.errors import BundleError
from ranker.spaces.factors import FactorMap
from ranker.spaces.spaces import Spaces
from ranker.spaces.statistics import CorpusStatistics
from ranker.spaces.terms import BUCKET_COUNT
from ranker.spaces.topics import Topics
from ranker.types import Float32Array

# The largest arrays are stored in half precision. Training rounds them before it uses them.
_HALF = np.float16


def spaces_bytes(spaces: Spaces) -> bytes:
    """Return the bytes of the file; equal spaces give equal bytes. The statistics of a catalog are not part of it."""
    stream = io.BytesIO()
    topics = spaces.topics or Topics.none(spaces.embedding_dim)
    np.savez_compressed(
        stream,
        **spaces.prior.arrays(),
        topic_centroids=topics.centroids,
        topic_names=np.array(topics.names, dtype=np.str_),
        **_factor_arrays(spaces.factor_map),
    )
    return stream.getvalue()


def _factor_arrays(factor_map: FactorMap | None) -> dict[str, Any]:
    if factor_map is None:
        return {}
    return {
        "factor_offset": factor_map.offset.astype(_HALF),
        "factor_vector_map": factor_map.vector_map.astype(_HALF),
        "factor_buckets": factor_map.buckets,
        "factor_term_map": factor_map.term_map.astype(_HALF),
    }


def read_spaces(file: Path, data: bytes, embedding_dim: int) -> Spaces:
    """Read the spaces from the bytes of a file.

    Raises:
        BundleError: The data are not an archive of spaces, or an array is too large or has the wrong shape, type or
            range.
    """
    try:
        return _spaces(file, read_arrays(data), embedding_dim)
    except BundleError:
        raise
    except Exception as error:  # numpy, zipfile and zlib raise errors of a dozen kinds for damaged bytes
        raise BundleError(file, f"is not a complete archive of spaces ({error})") from error


_Arrays = Mapping[str, "np.ndarray[Any, Any]"]


def _spaces(file: Path, arrays: _Arrays, dim: int) -> Spaces:
    _check(file, arrays, "vector_mean", (dim,), np.float32)
    return Spaces(
        prior=CorpusStatistics.of_arrays(arrays),
        topics=_topics(file, arrays["topic_centroids"], arrays["topic_names"], dim),
        factor_map=_factor_map(file, arrays, dim) if "factor_buckets" in arrays else None,
    )


def _check(file: Path, arrays: _Arrays, name: str, shape: tuple[int | None, ...], dtype: type) -> None:
    """Raise BundleError unless the array is finite and has this type and shape; None in ``shape`` fits any length."""
    found = arrays[name]
    fits = len(found.shape) == len(shape) and all(
        wanted in {None, size} for wanted, size in zip(shape, found.shape, strict=True)
    )
    if not fits or found.dtype != dtype or not np.isfinite(found).all():
        raise BundleError(file, f"{name} must be {shape} {dtype.__name__} and finite")


def _factor_map(file: Path, arrays: _Arrays, dim: int) -> FactorMap:
    buckets = arrays["factor_buckets"]
    _check(file, arrays, "factor_buckets", (None,), np.int32)
    _check(file, arrays, "factor_vector_map", (dim, None), _HALF)
    width = arrays["factor_vector_map"].shape[1]
    _check(file, arrays, "factor_term_map", (len(buckets), width), _HALF)
    _check(file, arrays, "factor_offset", (width,), _HALF)
    if len(buckets) and (buckets[0] < 0 or buckets[-1] >= BUCKET_COUNT or (np.diff(buckets) <= 0).any()):
        raise BundleError(file, f"factor_buckets must be ascending, from 0 to {BUCKET_COUNT - 1}")
    offset, vector_map, term_map = (
        arrays[f"factor_{name}"].astype(np.float32) for name in ("offset", "vector_map", "term_map")
    )
    return FactorMap(offset, vector_map, buckets, term_map)


def _topics(file: Path, centroids: Float32Array, names: "np.ndarray[Any, Any]", embedding_dim: int) -> Topics | None:
    if centroids.ndim != 2 or centroids.shape[1] != embedding_dim or centroids.dtype != np.float32:
        raise BundleError(file, f"topic_centroids must be (topics, {embedding_dim}) float32")
    lengths = np.sqrt(np.einsum("ij,ij->i", centroids, centroids))
    if not (np.abs(lengths - 1) < 1e-3).all():
        raise BundleError(file, "topic_centroids must be of unit length")
    if names.shape != centroids.shape[:1] or names.dtype.kind != "U" or len(set(names.tolist())) != len(names):
        raise BundleError(file, "topic_names must be one text for each topic, all different")
    return Topics(centroids, tuple(names.tolist())) if len(names) else None
