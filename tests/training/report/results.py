"""Made-up results of evaluations."""

from typing import Any


def figure(mean: float, half: float | None = 0.05) -> dict[str, Any]:
    """Return a mean and its interval; None for no interval."""
    ends = (None, None) if half is None else (mean - half, mean + half)
    return {"mean": mean, "low": ends[0], "high": ends[1]}


def difference(mean: float, half: float | None = 0.05) -> dict[str, Any]:
    """Return a paired difference."""
    found = figure(mean, half)
    return {**found, "beats": found["low"] is not None and found["low"] > 0}


def one_slice(mean: float, *, low: int = 5, high: int | None = 10, half: float | None = 0.05) -> dict[str, Any]:
    """Return one slice with the difference to the blend."""
    against = {"mean": 0.5, "best_baseline": "blend", "difference": difference(mean, half)}
    return {"from": low, "to": high, "queries": 3, "readers": 2, "systems": {"paperfeed": {"mrr": against}}}


def result(blend: float = 0.1, recency: float = 0.4, **changes: Any) -> dict[str, Any]:
    """Return an evaluation in which paperfeed lies above two baselines by these differences."""
    paired = {
        "blend": {"mrr": {**difference(blend), "best": True}},
        "recency": {"mrr": {**difference(recency), "best": False}},
    }
    return {
        "protocol": "weekly-digest",
        "queries": 12,
        "skipped": {"popularity": "no candidate has a like that may be seen"},
        "systems": {
            "paperfeed": {"mrr": figure(0.5)},
            "blend": {"mrr": figure(0.5 - blend)},
            "recency": {"mrr": figure(0.5 - recency, None)},
        },
        "paired": {"paperfeed": paired, "paperfeed-without-text": paired},
        "slices": {"library_size": [one_slice(0.1), one_slice(0.2, low=51, high=None)], "candidate_count": []},
        "beyond_accuracy": {"top": 10, "systems": {"paperfeed": {"novelty": None, "overlap": 0.25}}},
        "settings": {
            "readers_tested": 4,
            "bundle": ["default-abc"],
            "trained_here": False,
            "trained_without": [],
            "encoder": "made-up",
            "recipe": "tiny",
            "seeds": [1, 2],
            "from": "2018-01-01",
            "to": "2018-12-31",
            "max_users": None,
            "data": {"name": "arxiv", "fingerprint": "f" * 64, "papers": 9, "likes": 8, "readers": 7},
            "baselines": {"blend": {"damping": 1}, "recency": {}},
            "durations_seconds": {"scoring": 1.5},
            "warnings": ["the bundle may know too much"],
        },
        **changes,
    }
