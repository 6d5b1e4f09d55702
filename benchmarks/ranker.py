"""Compare the ranker's pipeline with the reference model alone, in process, on one thread.

    python -m benchmarks.ranker --json

The papers are made up; spaces and trees are those of a bundle (the shipped one unless --bundle names another). The
pipeline computes features, scores, order, variety, the first 20 places and their reasons. The floor is LightGBM's
predict of reference_model.txt on as many rows. Profiles and the candidate matrix are in memory, and each call is for
another user.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before the import of numpy, which reads them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np

from benchmarks.figures import figure, report
from benchmarks.reference import reference_model, reference_rows
from benchmarks.timing import median_milliseconds
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle
from ranker.papers import PaperColumns, paper_columns
from ranker.pipeline import rank
from ranker.profile.profile import Profile, build_profile

USERS = 40
LIKES = 30
PAGE = 20
AS_OF = 1_700_000_000.0
DIVERSITY = 0.1
BUDGETS = {2_000: 1.2}
WORDS = 4_000


def papers(count: int, dim: int, seed: int, prefix: str) -> PaperColumns:
    """Return papers of 40 fields, with abstracts of 120 words drawn by Zipf's law from the vocabulary of the field."""
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


def measured(bundle: Bundle, counts: list[int], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a figure for each number of candidates."""
    dim = bundle.spaces.embedding_dim
    reference = reference_model()
    liked = [bundle.spaces.matrix(papers(LIKES, dim, 100 + user, f"l{user}-")) for user in range(USERS)]
    profiles: list[Profile] = [build_profile(likes, None, np.linspace(0, AS_OF, LIKES)) for likes in liked]
    for count in counts:
        candidates = bundle.spaces.matrix(papers(count, dim, 7, "c"))
        rows = reference_rows(reference, count)
        ms = median_milliseconds(
            {
                "pipeline": lambda user, c=candidates: rank(
                    bundle, profiles[user], c, AS_OF, diversity=DIVERSITY, limit=PAGE
                ),
                "reference": lambda _user, r=rows: reference.predict(r, num_threads=1),
            },
            USERS,
            rounds,
        )
        yield figure(f"rank {count} candidates, ms", ms["pipeline"], ms["reference"], at_most=BUDGETS.get(count))


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranker")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path(), help="folder of the bundle")
    parser.add_argument("--candidates", type=int, nargs="+", default=[77, 2_000], help="numbers of candidates")
    parser.add_argument("--rounds", type=int, default=60, help="timed calls of each kind")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)
    bundle = load_bundle(options.bundle, encoder=None)
    found = list(measured(bundle, options.candidates, options.rounds))
    return report(found, as_json=options.json, bundle=bundle.version)


if __name__ == "__main__":
    sys.exit(main())
