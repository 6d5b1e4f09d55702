"""Fits the topics of a bundle: spherical k-means (Dhillon and Modha 2001) over paper vectors, with names."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from ranker.reasons.naming import Phrase, phrases
from ranker.spaces.linear import unit_rows
from ranker.spaces.topics import Topics
from ranker.types import BoolArray, Float32Array, Float64Array, IndexArray
from training.data.snapshot import Dataset

_ROUNDS = 40
_SEED = 64
_NAME_PHRASES = 2
_LONGER_IS_CLEARER = (0.0, 1.0, 1.6, 1.7)


def fit_topics(datasets: Sequence[Dataset], count: int) -> Topics:
    """Return at most ``count`` topics. Each data set weighs the same, so that a big one does not take all topics.

    The seed does not depend on that of training: two models of the same data have the same topics.
    """
    units = [unit_rows(dataset.papers.embeddings) for dataset in datasets]
    known: list[BoolArray] = [np.asarray(np.isfinite(part).all(axis=1)) for part in units]
    vectors = np.concatenate([part[mask] for part, mask in zip(units, known, strict=True)])
    worth = np.concatenate([np.full(int(mask.sum()), 1 / max(int(mask.sum()), 1)) for mask in known])
    if not count or not len(vectors):
        return Topics.none(vectors.shape[1])
    centroids, owners = _clustered(vectors, worth, min(count, len(vectors)))
    titles = [
        title
        for dataset, mask in zip(datasets, known, strict=True)
        for title, has_vector in zip(dataset.papers.titles, mask, strict=True)
        if has_vector
    ]
    return Topics(centroids, _names(titles, worth, owners, len(centroids)))


def _clustered(vectors: Float32Array, worth: Float64Array, count: int) -> tuple[Float32Array, IndexArray]:
    """Return unit centroids and the centroid of each paper; centroids without papers are left out."""
    rng = np.random.default_rng(_SEED)
    centroids = _spread(vectors, worth, count, rng)
    owners = np.full(len(vectors), -1, dtype=np.intp)
    for _ in range(_ROUNDS):
        found = np.argmax(vectors @ centroids.T, axis=1)
        if np.array_equal(found, owners):
            break
        owners = found
        centroids = _means(vectors, worth, owners, centroids)
    used, owners = np.unique(owners, return_inverse=True)
    return centroids[used], owners


def _spread(vectors: Float32Array, worth: Float64Array, count: int, rng: np.random.Generator) -> Float32Array:
    """Return starting points that lie far apart (k-means++, Arthur and Vassilvitskii 2007)."""
    chosen = [int(rng.choice(len(vectors), p=worth / worth.sum()))]
    distances = np.full(len(vectors), np.inf)
    for _ in range(count - 1):
        distances = np.minimum(distances, np.maximum(1.0 - (vectors @ vectors[chosen[-1]]).astype(np.float64), 0.0))
        chances = worth * distances
        if not chances.sum() > 0:
            break
        chosen.append(int(rng.choice(len(vectors), p=chances / chances.sum())))
    return vectors[chosen]


def _means(vectors: Float32Array, worth: Float64Array, owners: IndexArray, before: Float32Array) -> Float32Array:
    """Return the directions of the weighted means; a topic without papers keeps its centroid."""
    out = before.copy()
    for topic in range(len(before)):
        members = np.flatnonzero(owners == topic)
        if len(members):
            total = worth[members] @ vectors[members].astype(np.float64)
            length = float(np.sqrt(total @ total))
            if length > 0:
                out[topic] = (total / length).astype(np.float32)
    return out


def _names(titles: Sequence[str], worth: Float64Array, owners: IndexArray, count: int) -> tuple[str, ...]:
    """Return a name of one or two phrases for each topic, by class-based TF-IDF (Grootendorst 2022) over the titles.

    A phrase names only the topic in which it scores highest, so no two topics share a phrase.
    """
    shares: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(count)]
    texts: dict[tuple[int, ...], Counter[str]] = defaultdict(Counter)
    seen: Counter[tuple[int, ...]] = Counter()
    for title, weight, owner in zip(titles, worth.tolist(), owners.tolist(), strict=True):
        for phrase in phrases(title):
            shares[owner][phrase.key] += weight
            texts[phrase.key][phrase.text] += 1
            seen[phrase.key] += 1
    scores = _scores(shares, seen, min_count=3 if len(titles) > 50 * count else 1)
    best: dict[tuple[int, ...], int] = {}
    for topic, found in enumerate(scores):
        for key, score in found.items():
            if key not in best or score > scores[best[key]][key]:
                best[key] = topic
    spelled = {key: Phrase(key, max(sorted(found), key=lambda text: found[text]), ()) for key, found in texts.items()}
    return tuple(
        _name({key: score for key, score in found.items() if best[key] == topic}, spelled, topic)
        for topic, found in enumerate(scores)
    )


def _scores(
    shares: Sequence[Counter[tuple[int, ...]]], seen: Counter[tuple[int, ...]], min_count: int
) -> list[dict[tuple[int, ...], float]]:
    everywhere: Counter[tuple[int, ...]] = Counter()
    for found in shares:
        everywhere.update(found)
    mean = sum(everywhere.values()) / max(len(shares), 1)
    return [
        {
            key: share * math.log(1 + mean / everywhere[key]) * _LONGER_IS_CLEARER[len(key)]
            for key, share in found.items()
            if seen[key] >= min_count
        }
        for found in shares
    ]


def _name(scores: dict[tuple[int, ...], float], texts: dict[tuple[int, ...], Phrase], topic: int) -> str:
    parts: list[str] = []
    words: set[int] = set()
    for key in sorted(scores, key=lambda k: (-scores[k], texts[k].text)):
        if not words & set(key):
            parts.append(texts[key].text)
            words |= set(key)
        if len(parts) == _NAME_PHRASES:
            break
    return ", ".join(parts) or f"topic {topic + 1}"
