"""The ranker's pipeline against the reference model alone, in process, on one thread.

    python -m benchmarks.ranker --json

Made-up papers, real spaces and trees of a bundle (the shipped one unless --bundle names another). The pipeline computes
features, scores, order, variety, the first 20 places and their reasons; the floor is LightGBM's predict of
reference_model.txt on as many rows. Profile and candidate matrix are in memory, each call is for another reader.
Shown beside it: building a profile from likes whose words and vectors have to be placed anew.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before numpy: its threads are counted when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import lightgbm
import numpy as np

from benchmarks.figures import figure, report
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle
from ranker.papers import PaperColumns, paper_columns
from ranker.pipeline import rank
from ranker.profile.profile import Profile, build_profile

USERS = 40
LIKES = 30
PAGE = 20
AS_OF = 1_700_000_000.0
DIVERSITY = 0.1
BUDGETS = {2_000: 1.5}
WORDS = 4_000


def papers(count: int, dim: int, seed: int, prefix: str) -> PaperColumns:
    """Papers of 40 fields, abstracts of 120 words drawn by Zipf's law from each field's order of the words."""
    rng = np.random.default_rng(seed)
    field = rng.integers(0, 40, count)
    centres = np.random.default_rng(1).standard_normal((40, dim))
    vectors = (centres[field] + 1.2 * rng.standard_normal((count, dim))).astype(np.float32)
    places = np.minimum(rng.zipf(1.3, (count, 120)) - 1, WORDS - 1)
    texts = [
        " ".join(f"word{(place * 7 + f * 101) % WORDS}" for place in row) for row, f in zip(places, field, strict=True)
    ]
    return paper_columns(
        [f"{prefix}{i}" for i in range(count)],
        [text[:60] for text in texts],
        vectors,
        abstracts=texts,
        published_at=AS_OF - rng.uniform(0, 14, count) * 86_400,
        categories=[(f"c{f % 9}",) for f in field],
    )


def turns(calls: dict[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each call, all of them in turn."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + USERS):
        for name, call in calls.items():
            began = time.perf_counter()
            call(turn % USERS)
            # What a profile computes when first asked belongs to the reader's last event.
            if turn >= USERS:
                found[name].append((time.perf_counter() - began) * 1_000)
    return found


def measured(bundle: Bundle, counts: list[int], rounds: int) -> Iterator[dict[str, Any]]:
    """One entry for each number of candidates."""
    dim = bundle.spaces.embedding_dim
    reference = lightgbm.Booster(model_file=str(Path(__file__).with_name("reference_model.txt")))
    liked = [bundle.spaces.matrix(papers(LIKES, dim, 100 + user, f"l{user}-")) for user in range(USERS)]
    profiles: list[Profile] = [build_profile(likes, None, np.linspace(0, AS_OF, LIKES)) for likes in liked]
    for count in counts:
        candidates = bundle.spaces.matrix(papers(count, dim, 7, "c"))
        rows = np.random.default_rng(0).standard_normal((count, reference.num_feature())).astype(np.float32)
        ms = turns(
            {
                "pipeline": lambda user, c=candidates: rank(
                    bundle, profiles[user], c, AS_OF, diversity=DIVERSITY, limit=PAGE
                ),
                "reference": lambda _user, r=rows: reference.predict(r, num_threads=1),
            },
            rounds,
        )
        value, floor = statistics.median(ms["pipeline"]), statistics.median(ms["reference"])
        yield figure(f"rank {count} candidates, ms", value, floor, at_most=BUDGETS.get(count))


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; 1 where a budget does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--candidates", type=int, nargs="+", default=[77, 2_000])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    bundle = load_bundle(given.bundle, encoder=None)
    found = list(measured(bundle, given.candidates, given.rounds))
    return report(found, as_json=given.json, bundle=bundle.version)


if __name__ == "__main__":
    sys.exit(main())
