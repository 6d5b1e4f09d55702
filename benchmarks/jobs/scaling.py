"""Measure how speed and memory grow with candidates, likes, users and workers, each beside a floor.

    python -m benchmarks.jobs.scaling --json > benchmarks/results/scaling.json
    python -m benchmarks.plots benchmarks/results/scaling.json docs
    python -m benchmarks.jobs.scaling --only users --users 1000 10000 100000 1000000 --json

Candidates and likes are measured in process on one thread, as in ``benchmarks.ranker``. Users and workers are measured
with whole re-ranks of a made-up export, as in ``benchmarks.jobs.batch``. Each figure has the name of its ``curve``, its
position ``x`` on the horizontal axis, and ``series``, the values to draw there by label.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

# Before the import of numpy, which reads them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy as np

from benchmarks.figures import figure, report, significant
from benchmarks.jobs.batch import Measured
from benchmarks.jobs.batch import measured as whole_job
from benchmarks.jobs.made_export import replace_users, write_export
from benchmarks.jobs.population import CANDIDATES, LIKES, PAPERS
from benchmarks.ranker import AS_OF, DIVERSITY, PAGE, papers
from benchmarks.reference import reference_model, reference_rows
from benchmarks.serving.processes import peak_megabytes, reset_peak
from benchmarks.timing import median_milliseconds
from ranker.bundle.bundle import Bundle, default_bundle_path, load_bundle
from ranker.features import compute_matrix
from ranker.papers import PaperColumns
from ranker.pipeline import rank
from ranker.profile.profile import Profile, build_profile
from ranker.spaces.spaces import PaperMatrix
from ranker.user_context import UNKNOWN_USER

LIKES_IN_MEMORY = 12_000
"""Likes of all users of one measurement together."""
MOST_USERS, LEAST_USERS = 40, 4
FLOOR = "reference model alone"


class MadeUpUsers:
    """Users with a given number of likes each, whose slates are timed beside the reference model."""

    def __init__(self, bundle: Bundle, likes: int) -> None:
        self._bundle = bundle
        self._times = np.linspace(0, AS_OF, likes)
        self._reference = reference_model()
        self.count = max(LEAST_USERS, min(MOST_USERS, LIKES_IN_MEMORY // likes))
        dim = bundle.spaces.embedding_dim
        self._liked = [papers(likes, dim, 100 + number, f"l{number}-") for number in range(self.count)]
        self._profiles = [self._profile(liked) for liked in self._liked]

    def candidates(self, count: int) -> PaperMatrix:
        """Return candidate papers, placed in the spaces."""
        return self._bundle.spaces.matrix(papers(count, self._bundle.spaces.embedding_dim, 7, "c"))

    def warm(self, candidates: PaperMatrix, rounds: int) -> dict[str, float]:
        """Return the milliseconds of a slate of 20, of its stages and of the floor."""
        model, rows = self._bundle.model, reference_rows(self._reference, len(candidates))
        features = [compute_matrix(each, candidates, AS_OF, UNKNOWN_USER) for each in self._profiles]
        found = median_milliseconds(
            {
                "slate of 20": lambda user: self._slate(self._profiles[user], candidates),
                "features": lambda user: compute_matrix(self._profiles[user], candidates, AS_OF, UNKNOWN_USER),
                "trees": lambda user: model.scores(features[user], model.leaves(features[user])),
                FLOOR: lambda _user: self._reference.predict(rows, num_threads=1),
            },
            self.count,
            rounds,
        )
        rest = found["slate of 20"] - found["features"] - found["trees"]
        return {**found, "order, variety, reasons": max(rest, 0.0)}

    def first(self, candidates: PaperMatrix, rounds: int) -> float:
        """Return the milliseconds of a slate after a new event: place likes, build the profile, rank candidates."""
        call = {"first": lambda user: self._slate(self._profile(self._liked[user]), candidates)}
        return median_milliseconds(call, 1, rounds)["first"]

    def _profile(self, liked: PaperColumns) -> Profile:
        return build_profile(self._bundle.spaces.matrix(liked), None, self._times)

    def _slate(self, profile: Profile, candidates: PaperMatrix) -> object:
        return rank(self._bundle, profile, candidates, AS_OF, diversity=DIVERSITY, limit=PAGE)


def over_candidates(bundle: Bundle, counts: Sequence[int], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the figures of a warm slate for each number of candidates."""
    users = MadeUpUsers(bundle, LIKES)
    for count in counts:
        found = users.warm(users.candidates(count), rounds)
        yield point("candidates", count, f"slate of 20 from {count:,} candidates, {LIKES} likes, ms", found)


def over_likes(bundle: Bundle, counts: Sequence[int], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the figures of a warm slate, and of the first slate after a like, for each number of likes."""
    for count in counts:
        users = MadeUpUsers(bundle, count)
        candidates = users.candidates(CANDIDATES)
        found = users.warm(candidates, rounds)
        found["first slate after a like"] = users.first(candidates, max(3, rounds // 4))
        yield point("likes", count, f"slate of 20 from {CANDIDATES} candidates, {count:,} likes, ms", found)


def point(curve: str, x: int, name: str, found: dict[str, float]) -> dict[str, Any]:
    """Return the figure of a slate in process."""
    series = {label: significant(value) for label, value in found.items()}
    return figure(name, found["slate of 20"], found[FLOOR], curve=curve, x=x, series=series)


class Jobs:
    """Whole re-ranks of made-up populations over one set of papers."""

    def __init__(self, bundle: Bundle, path: Path, folder: Path, papers: int) -> None:
        self._bundle = bundle
        self._path = path
        self._papers = papers
        self._source = folder / "export"
        write_export(self._source, 0, bundle.encoder_name, LIKES, papers)

    def run(self, users: int, workers: int) -> tuple[Measured, float]:
        """Run one re-rank; return its measurements and the peak resident MB of this process, the coordinator."""
        replace_users(self._source, users, LIKES, self._papers)
        reset_peak()
        return whole_job(self._bundle, self._path, self._source, users, workers), peak_megabytes()


def over_users(jobs: Jobs, counts: Sequence[int], workers: int) -> Iterator[dict[str, Any]]:
    """Yield the seconds and the memory of a re-rank for each number of users."""
    for users in counts:
        job, own = jobs.run(users, workers)
        rows = users * CANDIDATES
        least = rows / job.floor / workers
        series = {"whole job": significant(job.seconds), FLOOR: significant(least)}
        name = f"batch, {users:,} users, {workers} workers: seconds"
        yield figure(
            name, job.seconds, least, curve="users", x=users, series=series, users_per_second=round(users / job.seconds)
        )
        series = {"each worker": round(job.megabytes), "coordinator": round(own)}
        name = f"batch, {users:,} users, {workers} workers: peak resident MB of a worker"
        yield figure(name, round(job.megabytes), curve="memory", x=users, series=series)


def over_workers(jobs: Jobs, counts: Sequence[int], users: int) -> Iterator[dict[str, Any]]:
    """Yield the users a second for each number of workers; the floor is the speed of one worker times the number."""
    alone = None
    for workers in counts:
        job, _ = jobs.run(users, workers)
        rate = users / job.seconds
        alone = alone or rate / workers
        series = {"whole job": significant(rate), "one worker's, times workers": significant(alone * workers)}
        name = f"batch, {users:,} users, {workers} workers: users a second"
        yield figure(name, rate, alone * workers, curve="workers", x=workers, series=series)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; they have no budgets."""
    curves = ("candidates", "likes", "users", "workers")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs.scaling")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path(), help="folder of the bundle")
    parser.add_argument("--only", nargs="+", choices=curves, default=curves, help="curves to measure")
    parser.add_argument(
        "--candidates", type=int, nargs="+", default=[77, 500, 2_000, 10_000], help="numbers of candidates"
    )
    parser.add_argument("--likes", type=int, nargs="+", default=[5, 30, 300, 3_000], help="numbers of likes")
    parser.add_argument("--rounds", type=int, default=40, help="timed calls of each kind in process")
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 10_000], help="numbers of users")
    parser.add_argument("--papers", type=int, default=PAPERS, help="papers that users like")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers")
    parser.add_argument("--worker-users", type=int, default=12_000, help="users of the jobs that compare workers")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)
    bundle = load_bundle(options.bundle, encoder=None)
    measure: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "candidates": lambda: over_candidates(bundle, options.candidates, options.rounds),
        "likes": lambda: over_likes(bundle, options.likes, options.rounds),
        "users": lambda: over_users(jobs, options.users, max(options.workers)),
        "workers": lambda: over_workers(jobs, options.workers, options.worker_users),
    }
    with tempfile.TemporaryDirectory() as folder:
        if {"users", "workers"} & set(options.only):
            jobs = Jobs(bundle, options.bundle, Path(folder), options.papers)
        figures = [each for curve in options.only for each in measure[curve]()]
    return report(figures, as_json=options.json, bundle=bundle.version)


if __name__ == "__main__":
    sys.exit(main())
