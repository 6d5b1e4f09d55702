"""Hashed terms of texts: words, their stems, and pairs of neighbouring words, equal in every process."""

import re
import zlib
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from ranker.types import Float32Array, Int32Array

BUCKET_COUNT = 2**18
"""Terms are hashed into buckets, so no vocabulary is needed; 10,000 papers have some 300,000 distinct pairs."""

TermCounts: TypeAlias = tuple[Int32Array, Float32Array]
"""Term buckets, ascending, and the count of each."""
_WORD = re.compile(r"[^\W_]+")
_PAIR_MARK = zlib.crc32(b"pair")
_STEM_LETTERS = 6
"""A longer word also counts as its first letters, so that forms of a word have a term in common."""
_STEM_MARK = "^"
_FIRST_MIX, _LAST_MIX = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9
STOP_WORDS = frozenset(
    """
    a about also an and are as at be been between both but by can do each for from has have how however i if in into is
    it its may more most no not of on one or other our over show such than that the their then there these they this
    those through thus to two us use used using via was we were what when where which while who will with
    """.split()  # noqa: SIM905
)


@lru_cache(maxsize=65_536)
def word_key(word: str) -> int:
    """Return the CRC-32 of a lower-case word without its plural s; -1 for stop words and single letters."""
    if word in STOP_WORDS or (len(word) == 1 and not word.isdigit()):
        return -1
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=65_536)
def stem_key(word: str) -> int:
    """Return the CRC-32 of the stem of a lower-case word; -1 for short words and stop words."""
    if len(word) <= _STEM_LETTERS or word in STOP_WORDS:
        return -1
    return zlib.crc32((_STEM_MARK + word[:_STEM_LETTERS]).encode("utf-8", "surrogatepass"))


def term_counts(text: str) -> TermCounts:
    """Return the buckets of a text's terms, ascending, and the count of each; read-only, empty without words."""
    words = _WORD.findall(text.lower())
    hashes = np.array([found for word in words if (found := word_key(word)) >= 0], dtype=np.uint64)
    stems = np.array([found for word in words if (found := stem_key(word)) >= 0], dtype=np.uint64)
    # A 64-bit mix of two word hashes; the multiplier is the usual odd constant of Fibonacci hashing.
    pairs = ((hashes[:-1] * np.uint64(_FIRST_MIX)) ^ (hashes[1:] + np.uint64(_PAIR_MARK))) * np.uint64(_LAST_MIX)
    terms = np.concatenate((hashes, stems, pairs >> np.uint64(40))) % np.uint64(BUCKET_COUNT)
    buckets, counts = np.unique(terms.astype(np.int32), return_counts=True)
    result = (buckets, counts.astype(np.float32))
    for array in result:
        array.flags.writeable = False
    return result


# Hashing an abstract takes 0.1 ms: without a cache, 30 likes would take longer than ranking a digest. Counting a corpus
# does not use the cache, because it would push the likes out.
hashed_terms = lru_cache(maxsize=4_096)(term_counts)


def word_bucket(key: int) -> int:
    """Return the bucket in which ``hashed_terms`` counts a word with this key."""
    return key % BUCKET_COUNT


def pair_bucket(first: int, second: int) -> int:
    """Return the bucket in which ``hashed_terms`` counts two neighbouring words with these keys."""
    mixed = ((first * _FIRST_MIX) ^ (second + _PAIR_MARK)) * _LAST_MIX % 2**64
    return (mixed >> 40) % BUCKET_COUNT
