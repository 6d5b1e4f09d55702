from html.parser import HTMLParser

from training.evaluation.page import page

FIGURE = {"mean": 0.5, "low": 0.4, "high": 0.6}
DIFFERENCE = {"mean": 0.1, "low": 0.05, "high": 0.15, "beats": True, "best": True}
RESULT = {
    "protocol": "weekly-digest",
    "queries": 12,
    "skipped": {"popularity": "no candidate has a like that may be seen"},
    "systems": {"paperfeed": {"mrr": FIGURE}, "blend": {"mrr": {"mean": 0.4, "low": None, "high": None}}},
    "paired": {"paperfeed": {"blend": {"mrr": DIFFERENCE}}},
    "slices": {
        "library_size": [
            {
                "from": 51,
                "to": None,
                "queries": 3,
                "readers": 2,
                "systems": {"paperfeed": {"mrr": {"mean": 0.5, "best_baseline": "blend", "difference": DIFFERENCE}}},
            }
        ]
    },
    "beyond_accuracy": {"top": 10, "systems": {"paperfeed": {"novelty": None, "overlap": 0.25}}},
    "settings": {
        "readers_tested": 4,
        "bundle": ["default-abc"],
        "encoder": "made-up",
        "data": {"name": "<script>alert(1)</script>", "fingerprint": "f" * 64},
        "warnings": ["the bundle may know too much"],
    },
}


def test_self_contained_and_escaped() -> None:
    """The page fetches nothing, runs nothing, and shows names as text."""
    text = page(RESULT)
    assert "<script" not in text
    assert "http" not in text
    assert "&lt;script&gt;" in text
    HTMLParser().feed(text)


def test_says_what_counts() -> None:
    """Figures, the beaten best baseline, slices, what was left out and the doubts are all on it."""
    text = page(RESULT)
    for part in ("0.500", "+0.100 (+0.050 to +0.150) ✓ *", "library size from 51", "popularity left out", "too much"):
        assert part in text
