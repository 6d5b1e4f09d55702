"""What one reader and a thousand cost with the methods that people use today, beside paperfeed, in one run.

    python -m benchmarks.serving.others --json

The same made-up papers, digest of 77 and readers with 30 likes for all. The others' methods are written anew here after
what their sources do, without fetching, mail and storage, which would only add:

- zotero-arxiv-daily encodes library and digest anew at every run of its one reader; a paper's score is its mean cosine
  to the library, newest weighted most. Here with paperfeed's small encoder, loaded before; the one it comes with is
  larger. How long encoding takes depends on the length of the texts alone: they are those of ``benchmarks.jobs.embed``.
- arxiv-sanity-lite fits a linear SVM for each reader on the TF-IDF of all its papers, likes against the rest, and
  scores all of them. TF-IDF is computed before.

paperfeed answers GetFeed from a server process, the first time of each reader from stored events, then again; and
ranks them all into Parquet with ``paperfeed batch rerank`` from an export, workers started before. Vectors are computed
once for each paper, when it comes (``paperfeed bench embed``). All are measured in turn. A thousand readers of the
others are some readers' mean, times a thousand.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
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
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle
from ranker.types import Float64Array, IndexArray
from service.encoder.models import PackagedModel

USERS = 1_000
TOLERANCE, MOST_ITERATIONS, REGULARISATION = 1e-6, 10_000, 0.1


class Encoding:
    """As zotero-arxiv-daily ranks."""

    def __init__(self) -> None:
        import torch  # noqa: PLC0415

        # Other benchmarks' modules hold the libraries to one thread; this one may have all.
        torch.set_num_threads(os.cpu_count() or 1)
        began = time.perf_counter()
        self._model = SentenceTransformer(PackagedModel().checked_source(), device="cpu", local_files_only=True)
        self.load_seconds = time.perf_counter() - began
        self._texts = texts(1_000)
        self._encode(self._texts[:4])

    def rank(self, user: int) -> IndexArray:
        """The digest for one reader, best first."""
        first = user * LIKES % (len(self._texts) - LIKES - CANDIDATES)
        library, digest = self._texts[CANDIDATES + first :][:LIKES], self._texts[:CANDIDATES]
        weights = 1 / (1 + np.log10(np.arange(LIKES) + 1))
        similarities = self._encode(digest) @ self._encode(library).T
        return np.argsort(-similarities @ (weights / weights.sum()))

    def _encode(self, given: Sequence[str]) -> np.ndarray:
        return self._model.encode(list(given), normalize_embeddings=True, show_progress_bar=False)


class Svm:
    """As arxiv-sanity-lite ranks."""

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
        """All papers for one reader, best first."""
        labels = np.zeros(self._rows.shape[0])
        liked = self._liked[user]
        labels[liked[liked >= 0]] = 1
        model = LinearSVC(class_weight="balanced", C=REGULARISATION, tol=TOLERANCE, max_iter=MOST_ITERATIONS)
        scores: Float64Array = model.fit(self._rows, labels).decision_function(self._rows)
        return np.argsort(-scores)


def seconds_of(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def served(server: Server, callers: Callers, count: int) -> list[float]:
    """Seconds of the next calls of one client, one after another."""
    heard = callers.run({**server.target, "calls": count}).all_succeeded()
    return [each / 1_000 for each in heard.milliseconds]


def in_turn(options: argparse.Namespace, server: Server, encoding: Encoding, svm: Svm) -> dict[str, list[float]]:
    """Seconds for single readers; of the server all of them, first when their profiles are not in memory."""
    found: dict[str, list[float]] = {"encoding": [], "svm": [], "first": [], "again": []}
    callers = Callers(1, [feed_request(number).SerializeToString() for number in range(options.users)])
    # The digest gets into memory; of the readers, one who is not asked for again.
    stranger = Callers(1, [feed_request(options.users).SerializeToString()])
    try:
        served(server, stranger, 20)
        for user in range(options.sample):
            found["encoding"].append(seconds_of(lambda user=user: encoding.rank(user)))
            found["svm"].append(seconds_of(lambda user=user: svm.rank(user)))
            found["first"] += served(server, callers, options.users // options.sample)
        found["first"] += served(server, callers, options.users % options.sample)
        found["again"] += served(server, callers, options.users)
    finally:
        stranger.close()
        callers.close()
    return found


def job_seconds(bundle: Bundle, options: argparse.Namespace, folder: Path) -> float:
    """Of a re-rank of all readers by one worker for each core."""
    source = folder / "export"
    write_export(source, options.users, bundle.encoder_name, LIKES, options.papers)
    return whole_job(bundle, options.bundle, source, options.users, os.cpu_count() or 1).seconds


def results(
    found: dict[str, list[float]], job: float, encoding: Encoding, svm: Svm, users: int
) -> Iterator[dict[str, Any]]:
    """The figures; ``times`` is how many times as long as paperfeed takes, for which none of them is a floor."""
    one = {name: statistics.median(each) * 1_000 for name, each in found.items()}
    many = {name: statistics.mean(each) * users for name, each in found.items()}
    encoded = {"encoder_load_seconds": significant(encoding.load_seconds), "readers_measured": len(found["encoding"])}
    fitted = {"tfidf_seconds": significant(svm.tfidf_seconds), "readers_measured": len(found["svm"])}

    def other(name: str, value: float, ours: float, facts: dict[str, Any]) -> dict[str, Any]:
        return figure(name, value, times=significant(value / ours), **facts)

    yield figure("one reader, paperfeed, first GetFeed: ms", one["first"])
    yield figure("one reader, paperfeed, GetFeed again: ms", one["again"])
    yield other("one reader, encoding anew (zotero-arxiv-daily): ms", one["encoding"], one["first"], encoded)
    yield other("one reader, an SVM on TF-IDF (arxiv-sanity-lite): ms", one["svm"], one["first"], fitted)
    yield figure(f"{users:,} readers, paperfeed batch rerank: seconds", job)
    yield figure(f"{users:,} readers, paperfeed, first GetFeed one after another: seconds", sum(found["first"]))
    yield other(f"{users:,} readers, encoding anew (zotero-arxiv-daily): seconds", many["encoding"], job, encoded)
    yield other(f"{users:,} readers, an SVM on TF-IDF (arxiv-sanity-lite): seconds", many["svm"], job, fitted)


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.others")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--users", type=int, default=USERS, help="all of them, with paperfeed")
    parser.add_argument("--sample", type=int, default=10, help="readers measured with the others' methods")
    parser.add_argument("--papers", type=int, default=PAPERS, help="of the catalogue")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
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
