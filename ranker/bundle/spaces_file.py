"""Reads and writes the spaces of a bundle in numpy's archive format, without pickle."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranker.errors import BundleError
from ranker.spaces.background import Background
from ranker.spaces.colikes import CoLikes
from ranker.spaces.factors import FactorMap
from ranker.spaces.linear import from_bytes, from_nibbles, to_bytes, to_nibbles
from ranker.spaces.spaces import Spaces
from ranker.spaces.sparse import SparseRows
from ranker.spaces.terms import BUCKET_COUNT
from ranker.spaces.topics import Topics
from ranker.types import Float32Array

# The largest arrays are stored in half precision. Training rounds them before it uses them.
_HALF = np.float16


def spaces_bytes(spaces: Spaces) -> bytes:
    """Return the bytes of the file; equal spaces give equal bytes."""
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
        **_factor_arrays(spaces.factor_map),
        **_background_arrays(spaces.background),
        **_co_like_arrays(spaces.co_likes),
    )
    return stream.getvalue()


def _factor_arrays(factor_map: FactorMap | None) -> dict[str, Any]:
    if factor_map is None:
        return {}
    return {
        "factor_vector_map": factor_map.vector_map.astype(_HALF),
        "factor_buckets": factor_map.buckets,
        "factor_term_map": factor_map.term_map.astype(_HALF),
    }


def _background_arrays(background: Background | None) -> dict[str, Any]:
    if background is None:
        return {}
    tfidf = background.tfidf
    found = {
        "background_starts": tfidf.starts,
        "background_columns": tfidf.columns,
        "background_values": tfidf.values.astype(_HALF),
    }
    return found if background.factors is None else {**found, "background_factors": background.factors.astype(_HALF)}


def _co_like_arrays(co_likes: CoLikes | None) -> dict[str, Any]:
    if co_likes is None:
        return {}
    return {
        "co_like_keys": co_likes.keys,
        "co_like_factors": to_bytes(co_likes.factors),
        "co_like_readers": to_nibbles(co_likes.users),
    }


def read_spaces(file: Path, data: bytes, embedding_dim: int) -> Spaces:
    """Read the spaces from the bytes of a file.

    Raises:
        BundleError: The data are not an archive of spaces, or an array has the wrong shape, type or range.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return _spaces(file, {name: archive[name] for name in archive.files}, embedding_dim)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise BundleError(file, f"is not a complete archive of spaces ({error})") from error


_Arrays = Mapping[str, "np.ndarray[Any, Any]"]


def _spaces(file: Path, arrays: _Arrays, dim: int) -> Spaces:
    _check(file, arrays, "whitening_mean", (dim,), np.float32)
    _check(file, arrays, "whitening_matrix", (dim, dim), np.float32)
    _check(file, arrays, "idf", (BUCKET_COUNT,), np.float32)
    _check(file, arrays, "average_length", (), np.float64)
    average_length = float(arrays["average_length"])
    if average_length <= 0 or (arrays["idf"] < 0).any():
        raise BundleError(file, "average_length must be above 0, and idf at least 0")
    return Spaces(
        whitening_mean=arrays["whitening_mean"],
        whitening_matrix=arrays["whitening_matrix"],
        idf=arrays["idf"],
        average_length=average_length,
        topics=_topics(file, arrays["topic_centroids"], arrays["topic_names"], dim),
        factor_map=_factor_map(file, arrays, dim) if "factor_buckets" in arrays else None,
        background=_background(file, arrays) if "background_starts" in arrays else None,
        co_likes=_co_likes(file, arrays) if "co_like_keys" in arrays else None,
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
    if len(buckets) and (buckets[0] < 0 or buckets[-1] >= BUCKET_COUNT or (np.diff(buckets) <= 0).any()):
        raise BundleError(file, f"factor_buckets must be ascending, from 0 to {BUCKET_COUNT - 1}")
    vector_map, term_map = (arrays[f"factor_{name}_map"].astype(np.float32) for name in ("vector", "term"))
    return FactorMap(vector_map, buckets, term_map)


def _co_likes(file: Path, arrays: _Arrays) -> CoLikes:
    keys = arrays["co_like_keys"]
    _check(file, arrays, "co_like_keys", (None,), np.uint64)
    if not len(keys) or (keys[1:] <= keys[:-1]).any() or "factor_buckets" not in arrays:
        raise BundleError(file, "co_like_keys must be ascending, not empty, and come with a factor map")
    _check(file, arrays, "co_like_factors", (len(keys), arrays["factor_vector_map"].shape[1]), np.int8)
    _check(file, arrays, "co_like_readers", (len(keys), None), np.uint8)
    return CoLikes(keys, from_bytes(arrays["co_like_factors"]), from_nibbles(arrays["co_like_readers"]))


def _background(file: Path, arrays: _Arrays) -> Background:
    starts, columns = arrays["background_starts"], arrays["background_columns"]
    _check(file, arrays, "background_starts", (None,), np.int32)
    _check(file, arrays, "background_columns", (None,), np.int32)
    _check(file, arrays, "background_values", (len(columns),), _HALF)
    sound = len(starts) > 1 and starts[0] == 0 and starts[-1] == len(columns) and (np.diff(starts) >= 0).all()
    if not sound or (columns < 0).any() or (columns >= BUCKET_COUNT).any():
        raise BundleError(file, "background_starts and background_columns do not form rows")
    factors = None
    if "background_factors" in arrays:
        if "factor_buckets" not in arrays:
            raise BundleError(file, "background_factors must come with a factor map")
        _check(file, arrays, "background_factors", (len(starts) - 1, arrays["factor_vector_map"].shape[1]), _HALF)
        factors = arrays["background_factors"].astype(np.float32)
    values = arrays["background_values"].astype(np.float32)
    return Background(SparseRows(starts, columns, values, BUCKET_COUNT), factors)


def _topics(file: Path, centroids: Float32Array, names: "np.ndarray[Any, Any]", embedding_dim: int) -> Topics | None:
    if centroids.ndim != 2 or centroids.shape[1] != embedding_dim or centroids.dtype != np.float32:
        raise BundleError(file, f"topic_centroids must be (topics, {embedding_dim}) float32")
    lengths = np.sqrt(np.einsum("ij,ij->i", centroids, centroids))
    if not (np.abs(lengths - 1) < 1e-3).all():
        raise BundleError(file, "topic_centroids must be of unit length")
    if names.shape != centroids.shape[:1] or names.dtype.kind != "U" or len(set(names.tolist())) != len(names):
        raise BundleError(file, "topic_names must be one text for each topic, all different")
    return Topics(centroids, tuple(names.tolist())) if len(names) else None
