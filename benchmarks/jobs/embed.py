"""Compare papers per second through the encoder process with SentenceTransformer.encode called directly.

    python -m benchmarks.jobs.embed --json

Texts have 40 to 300 common words, about as many as titles with abstracts. Both sides have loaded their model, use the
same number of threads, embed the same texts in turn, and must return the same vectors.
"""

import argparse
import sys

import numpy as np

from benchmarks.figures import figure, report
from benchmarks.timing import seconds_of
from service.encoder import EncoderProcess
from service.encoder.models import DEFAULT_MODEL, find_model
from testing import papers

BUDGET = 0.95
WORDS = (
    *papers.WORDS,
    *"learning of the model a we propose method results show that data for training transformer".split(),  # noqa: SIM905
    *"large scale with benchmark state".split(),  # noqa: SIM905
)


def texts(count: int) -> list[str]:
    """Return made-up abstracts."""
    rng = np.random.default_rng(0)
    return [papers.random_text(rng, rng.integers(40, 300), WORDS) for _ in range(count)]


def main(arguments: list[str] | None = None) -> int:
    """Print the result; return 1 if the budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.embed")
    parser.add_argument("--papers", type=int, default=128, help="texts in each run")
    parser.add_argument("--runs", type=int, default=7, help="runs of each side, in turn")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)

    # Imported here, so that importing this module does not load torch.
    import torch  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    model = find_model(DEFAULT_MODEL)
    bare = SentenceTransformer(model.checked_source(), device="cpu", local_files_only=True)
    encoder = EncoderProcess(model, idle_seconds=None, threads=torch.get_num_threads())
    given = texts(options.papers)
    try:
        ours, theirs = encoder.encode(given), bare.encode(given, normalize_embeddings=True, show_progress_bar=False)
        if float((ours * theirs).sum(axis=1).min()) < 0.999:
            raise RuntimeError("the vectors of the encoder process differ from those of the library")
        pairs = [
            (
                seconds_of(lambda: encoder.encode_in_background(given)),
                seconds_of(lambda: bare.encode(given, normalize_embeddings=True, show_progress_bar=False)),
            )
            for _ in range(options.runs)
        ]
    finally:
        encoder.close()
    # The best run of each side, because other programs only add time.
    value, floor = (options.papers / min(times) for times in zip(*pairs, strict=True))
    found = figure("embed_papers_per_second", value, floor, at_least=BUDGET)
    return report([found], as_json=options.json, papers=options.papers, runs=options.runs)


if __name__ == "__main__":
    sys.exit(main())
