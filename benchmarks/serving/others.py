"""Compare the time for one user and for a thousand users with the methods of two popular projects.

    python -m benchmarks.serving.others --json

All methods get the same made-up papers, digest of 77 papers and users with 30 likes. The other methods are written here
after their sources, without fetching, mail and storage:

- zotero-arxiv-daily encodes library and digest anew in every run for its one user. The score of a paper is its mean
  cosine to the library, with greater weights for newer papers. Here it uses paperfeed's encoder, already loaded; its
  own is larger. The time of encoding depends only on the length of the texts. They are those of
  ``benchmarks.jobs.embed``.
- arxiv-sanity-lite fits a linear SVM for each user on the TF-IDF of all papers, likes against the rest, and scores all
  papers. TF-IDF is computed before.

paperfeed answers GetFeed from a server process, for each user first from stored events and then again. It also ranks
all users into Parquet with ``paperfeed batch rerank`` from an export, with the workers started before. It computes
vectors once, when a paper arrives (``paperfeed bench embed``). The methods take turns. The time of the other methods
for a thousand users is the mean over some users, times a thousand.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from benchmarks.figures import figure, report, significant
from benchmarks.jobs.batch import measured as whole_job
from benchmarks.jobs.embed import texts
from benchmarks.jobs.made_export import write_export
from benchmarks.jobs.population import CANDIDATES, LIKES, PAPERS, fill, made_papers, users_of
from benchmarks.serving.pair import feed_request
from benchmarks.serving.processes import Callers, Server, paperfeed
from benchmarks.timing import seconds_of
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle
from ranker.types import Float64Array, IndexArray
from service.encoder.models import DEFAULT_MODEL, find_model

USERS = 1_000
TOLERANCE, MOST_ITERATIONS, REGULARISATION = 1e-6, 10_000, 0.1


class Encoding:
    """The ranking of zotero-arxiv-daily."""

    def __init__(self) -> None:
        import torch  # noqa: PLC0415

        # The modules imported above set one thread.
        torch.set_num_threads(os.cpu_count() or 1)
        began = time.perf_counter()
        self._model = SentenceTransformer(
            find_model(DEFAULT_MODEL).checked_source(), device="cpu", local_files_only=True
        )
        self.load_seconds = time.perf_counter() - began
        self._texts = texts(1_000)
        self._encode(self._texts[:4])

    def rank(self, user: int) -> IndexArray:
        """Return the rows of the digest for a user, best first."""
        first = user * LIKES % (len(self._texts) - LIKES - CANDIDATES)
        library, digest = self._texts[CANDIDATES + first :][:LIKES], self._texts[:CANDIDATES]
        weights = 1 / (1 + np.log10(np.arange(LIKES) + 1))
        similarities = self._encode(digest) @ self._encode(library).T
        return np.argsort(-similarities @ (weights / weights.sum()))

    def _encode(self, given: Sequence[str]) -> np.ndarray:
        return self._model.encode(list(given), normalize_embeddings=True, show_progress_bar=False)


class Svm:
    """The ranking of arxiv-sanity-lite."""

    def __init__(self, papers: int, sample: int) -> None:
        corpus = [text for some in made_papers(papers) for text in some.texts]
        vectorizer = TfidfVectorizer(
            strip_accents="unicode", stop_words="english", ngram_range=(1, 2), max_features=20_000, min_df=5,
            max_df=0.5, sublinear_tf=True,
        )  # fmt: skip
        began = time.perf_counter()
        self._rows = vectorizer.fit_transform(corpus).astype(np.float32)
        self.tfidf_seconds = time.perf_counter() - began
        self._liked = next(users_of(sample, LIKES, papers)).liked

    def rank(self, user: int) -> IndexArray:
        """Return the rows of all papers for a user, best first."""
        labels = np.zeros(self._rows.shape[0])
        liked = self._liked[user]
        labels[liked[liked >= 0]] = 1
        model = LinearSVC(class_weight="balanced", C=REGULARISATION, tol=TOLERANCE, max_iter=MOST_ITERATIONS)
        scores: Float64Array = model.fit(self._rows, labels).decision_function(self._rows)
        return np.argsort(-scores)


def served(server: Server, callers: Callers, count: int) -> list[float]:
    """Return the seconds of each of the next calls of one client."""
    heard = callers.run({**server.target, "calls": count}).all_succeeded()
    return [each / 1_000 for each in heard.milliseconds]


def in_turn(options: argparse.Namespace, server: Server, encoding: Encoding, svm: Svm) -> dict[str, list[float]]:
    """Return the seconds for single users: some with the other methods, all with the server, first and again."""
    found: dict[str, list[float]] = {"encoding": [], "svm": [], "first": [], "again": []}
    callers = Callers(1, [feed_request(number).SerializeToString() for number in range(options.users)])
    # Calls for another user load the digest, but no profile of the measured users.
    warming = Callers(1, [feed_request(options.users).SerializeToString()])
    try:
        served(server, warming, 20)
        for user in range(options.sample):
            found["encoding"].append(seconds_of(lambda user=user: encoding.rank(user)))
            found["svm"].append(seconds_of(lambda user=user: svm.rank(user)))
            found["first"] += served(server, callers, options.users // options.sample)
        found["first"] += served(server, callers, options.users % options.sample)
        found["again"] += served(server, callers, options.users)
    finally:
        warming.close()
        callers.close()
    return found


def job_seconds(bundle: Bundle, options: argparse.Namespace, folder: Path) -> float:
    """Return the seconds of a re-rank of all users with one worker for each core."""
    source = folder / "export"
    write_export(source, options.users, bundle.encoder_name, LIKES, options.papers)
    return whole_job(bundle, options.bundle, source, options.users, os.cpu_count() or 1).seconds


def results(
    found: dict[str, list[float]], job: float, encoding: Encoding, svm: Svm, users: int
) -> Iterator[dict[str, Any]]:
    """Yield the figures; ``times`` is the time of a method divided by that of paperfeed."""
    one = {name: statistics.median(each) * 1_000 for name, each in found.items()}
    many = {name: statistics.mean(each) * users for name, each in found.items()}
    encoded = {"encoder_load_seconds": significant(encoding.load_seconds), "readers_measured": len(found["encoding"])}
    fitted = {"tfidf_seconds": significant(svm.tfidf_seconds), "readers_measured": len(found["svm"])}

    def other(name: str, value: float, ours: float, facts: dict[str, Any]) -> dict[str, Any]:
        return figure(name, value, times=significant(value / ours), **facts)

    yield figure("one user, paperfeed, first GetFeed: ms", one["first"])
    yield figure("one user, paperfeed, GetFeed again: ms", one["again"])
    yield other("one user, encoding anew (zotero-arxiv-daily): ms", one["encoding"], one["first"], encoded)
    yield other("one user, an SVM on TF-IDF (arxiv-sanity-lite): ms", one["svm"], one["first"], fitted)
    yield figure(f"{users:,} users, paperfeed batch rerank: seconds", job)
    yield figure(f"{users:,} users, paperfeed, first GetFeed one after another: seconds", sum(found["first"]))
    yield other(f"{users:,} users, encoding anew (zotero-arxiv-daily): seconds", many["encoding"], job, encoded)
    yield other(f"{users:,} users, an SVM on TF-IDF (arxiv-sanity-lite): seconds", many["svm"], job, fitted)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.others")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path(), help="folder of the bundle")
    parser.add_argument("--users", type=int, default=USERS, help="users measured with paperfeed")
    parser.add_argument("--sample", type=int, default=10, help="users measured with the other methods")
    parser.add_argument("--papers", type=int, default=PAPERS, help="papers of the catalog")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)
    bundle = load_bundle(options.bundle, encoder=None)
    encoding, svm = Encoding(), Svm(options.papers, options.sample)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/others.db"
        fill(url, options.users + 1, bundle.encoder_name, LIKES, options.papers)
        settings = {"bundle": options.bundle, "encoder": bundle.encoder_name, "stale_digest_days": 36_500}
        with paperfeed(folder / "serve.log", db=url, **settings) as server:
            found = in_turn(options, server, encoding, svm)
        job = job_seconds(bundle, options, folder)
    figures = list(results(found, job, encoding, svm, options.users))
    return report(figures, as_json=options.json, bundle=bundle.version, papers=options.papers)


if __name__ == "__main__":
    sys.exit(main())
