"""Feedback logs of made-up slates, without a server; place and attraction alone decide the reactions of users."""

import hashlib

import numpy as np

from ranker.explore import Exploration, explore
from ranker.features import SCHEMA
from ranker.types import Float64Array
from training.feedback.joining import LoggedEvent, LoggedSlate
from training.feedback.log import LogBuilder, SlateLog

VERSION = "features-of-a-bundle"
SHOWN = 10
MORNING = 1_700_000_000.0


def logged(
    slate_id: str = "s",
    count: int = 12,
    *,
    as_of: float = MORNING,
    share: float = 0.0,
    seed: int = 0,
    features_version: str = VERSION,
    width: int = len(SCHEMA),
    is_sorted: bool = False,
) -> LoggedSlate:
    """Return a slate of papers, named p0, p1, ... in the order before exploration.

    The first feature of a paper is the logit of its attraction.

    Args:
        share: Probability that exploration swaps two papers.
        is_sorted: Whether the most attractive papers come first, before exploration; if False, the order is random.
    """
    explored = explore(count, Exploration(share, hashlib.sha256(f"{slate_id}{seed}".encode()).digest()))
    features = np.full((count, width), np.nan, dtype=np.float32)
    if width:
        features[:, 0] = np.random.default_rng(seed).standard_normal(count)
        features[:, 0] = -np.sort(-features[:, 0]) if is_sorted else features[:, 0]
    return LoggedSlate(
        slate_id=slate_id,
        user_id="u",
        as_of=as_of,
        model_version="m",
        features_version=features_version,
        paper_ids=tuple(f"p{row}" for row in explored.order),
        features=features[explored.order],
        action_propensities=explored.action_propensities,
    )


def sent(slate: LoggedSlate, count: int = SHOWN) -> list[LoggedEvent]:
    """Return the events that report the first papers of the slate as mailed."""
    return [LoggedEvent(paper_id, "sent", slate.as_of, slate.slate_id) for paper_id in slate.paper_ids[:count]]


def attraction(log_features: Float64Array) -> Float64Array:
    """Return (rows,) the probability that a made-up user reacts to a paper that is looked at."""
    return np.asarray(0.9 / (1 + np.exp(-log_features[:, 0].astype(np.float64))))


def made_up_log(
    *,
    exponent: float,
    share: float = 1.0,
    user_count: int = 60,
    slate_count: int = 20,
    count: int = 20,
    seed: int = 0,
    is_sorted: bool = False,
) -> SlateLog:
    """Return a log of users who get slates and react by the position-based model.

    Args:
        exponent: Of the position bias; a paper at place k is looked at with probability k ** -exponent.
        is_sorted: Whether the most attractive papers come first, before exploration; if False, the order is random.
    """
    rng = np.random.default_rng(seed)
    builder = LogBuilder(VERSION)
    for user in range(user_count):
        slates, events = [], []
        for number in range(slate_count):
            slate = logged(f"{user}-{number}", count, share=share, seed=int(rng.integers(2**31)), is_sorted=is_sorted)
            chances = np.arange(1, SHOWN + 1) ** -exponent * attraction(slate.features[:SHOWN])
            events += sent(slate)
            for place in np.flatnonzero(rng.random(SHOWN) < chances).tolist():
                events.append(LoggedEvent(slate.paper_ids[place], "click", slate.as_of + 60, slate.slate_id))
            slates.append(slate)
        builder.add(slates, events)
    return builder.built()
