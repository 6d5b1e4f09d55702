"""Papers per second through the encoder process, against SentenceTransformer.encode called directly.

    python -m benchmarks.jobs.embed --json

Texts are made of common words, 40 to 300 of them, as titles with abstracts are. Both sides have loaded their model, use
the same number of threads, embed the same texts in turn, and must agree on the vectors.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.figures import figure, report
from service.encoder import EncoderProcess
from service.encoder.models import PackagedModel

BUDGET = 0.95
WORDS = [
    "graph",
    "protein",
    "code",
    "vision",
    "query",
    "language",
    "genome",
    "index",
    "neural",
    "database",
    "kernel",
    "market",
    "social",
    "music",
    "learning",
    "of",
    "the",
    "model",
    "a",
    "we",
    "propose",
    "method",
    "results",
    "show",
    "that",
    "data",
    "for",
    "training",
    "transformer",
    "large",
    "scale",
    "with",
    "benchmark",
    "state",
]


def texts(count: int) -> list[str]:
    """Made-up abstracts."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, rng.integers(40, 300))) for _ in range(count)]


def seconds_of(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main(arguments: list[str] | None = None) -> int:
    """Prints the result; 1 when the budget does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.embed")
    parser.add_argument("--papers", type=int, default=128, help="texts in each run")
    parser.add_argument("--runs", type=int, default=7, help="of each, in turn")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args(arguments)

    # Here alone: the floor is the library in this very process.
    import torch  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    model = PackagedModel()
    bare = SentenceTransformer(model.checked_source(), device="cpu", local_files_only=True)
    encoder = EncoderProcess(model, idle_seconds=None, threads=torch.get_num_threads())
    given = texts(options.papers)
    try:
        ours, theirs = encoder.encode(given), bare.encode(given, normalize_embeddings=True, show_progress_bar=False)
        if float((ours * theirs).sum(axis=1).min()) < 0.999:
            raise RuntimeError("the encoder process gives other vectors than the library")
        pairs = [
            (
                seconds_of(lambda: encoder.encode_in_background(given)),
                seconds_of(lambda: bare.encode(given, normalize_embeddings=True, show_progress_bar=False)),
            )
            for _ in range(options.runs)
        ]
    finally:
        encoder.close()
    # The best of each: other programs only ever add time.
    value, floor = (options.papers / min(times) for times in zip(*pairs, strict=True))
    found = figure("embed_papers_per_second", value, floor, at_least=BUDGET)
    return report([found], as_json=options.json, papers=options.papers, runs=options.runs)


if __name__ == "__main__":
    sys.exit(main())
