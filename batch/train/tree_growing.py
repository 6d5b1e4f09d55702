"""Growing trees on all workers together, with LightGBM's DaskLGBMRanker on rows in Parquet files.

The workers that hold rows connect to a network of LightGBM's own, beside Dask's. If a member is lost, the others wait
for it for ever. So a thread watches the members; if one is lost, it ends the fit and restarts the others.
"""

import contextlib
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask.array as da
import lightgbm
import numpy as np
import pandas as pd  # noqa: F401 -- LightGBM's Dask estimators refuse to work without it, and say so late
from dask.delayed import delayed
from distributed import Client, Future, get_worker

from batch.cluster import Cluster
from batch.errors import TreesNotGrown
from batch.train.rows_table import ROW_BYTES, RowCounts, read_rows
from ranker.features import SCHEMA
from ranker.score import base_scores
from ranker.types import Float32Array, Float64Array, IndexArray, Int32Array
from training.errors import TrainingError
from training.progress import Progress
from training.recipes import Recipe
from training.trees.fit import base_of, lambdamart_params

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 30
FREE_SECONDS = 10
PEAK = 3.0
"""Peak memory while trees are grown, in units of the rows' own (measured): LightGBM joins a worker's parts by copying
them, and keeps its bins beside them."""
START_BYTES = 8
"""Memory of the score of a row that the trees correct; it is not in the files."""
BESIDE_BYTES = 500 * 10**6
"""Memory of a worker beside that (measured): Python's libraries, and the 200,000 rows in which bins are found."""
_TOPIC = "paperfeed-trees"
_SCHEDULER_LOST = "the Dask scheduler was lost while trees were grown"
# LightGBM's scikit-learn classes use other names for some parameters.
_RENAMED = {
    "min_data_in_leaf": "min_child_samples",
    "bagging_fraction": "subsample",
    "bagging_freq": "subsample_freq",
    "feature_fraction": "colsample_bytree",
    "lambda_l2": "reg_lambda",
    "seed": "random_state",
}
# Values written into every model, so that it does not name machines and equal rows give equal models.
_OF_NETWORK = {
    "tree_learner": "serial",
    "num_machines": "1",
    "local_listen_port": "12400",
    "time_out": "120",
    "machines": "",
}


@dataclass(frozen=True)
class _Share:
    """The rows that one worker grows trees on.

    Attributes:
        base: Weights of the sum that the trees correct.
    """

    files: tuple[Path, ...]
    counts: RowCounts
    base: Float32Array


_Columns = tuple[Float32Array, IndexArray, Float32Array, Float64Array, Int32Array]
"""Features, labels, weights, scores that the trees correct, and group sizes."""


def grow_trees(
    cluster: Cluster, files: Sequence[tuple[Path, RowCounts]], recipe: Recipe, seed: int, progress: Progress
) -> str:
    """Return a model with the recipe's number of trees, in LightGBM's text format.

    Args:
        files: Row files, each a fair sample of all rows; workers must see them under the same names.

    Raises:
        TrainingError: There are too few rows for any split.
        TreesNotGrown: Workers were lost, lack memory or cannot reach one another.
    """
    client = cluster.client
    shares = _shares(client, files, base_of(recipe))
    _quiet()
    arrays = [_loaded(client, worker, share) for worker, share in shares.items()]
    features, labels, weights, starts, sizes = (da.concatenate(list(column)) for column in zip(*arrays, strict=True))
    params: dict[str, Any] = {
        _RENAMED.get(name, name): value for name, value in lambdamart_params(recipe, seed).items()
    }
    # Dask sets the number of threads of each worker.
    del params["num_threads"]
    ranker = lightgbm.DaskLGBMRanker(client=client, n_estimators=recipe.tree_count, **params)
    with _progress_passed_on(client, recipe.tree_count, progress), _watched(client, tuple(shares)):
        ranker.fit(
            features,
            labels,
            sample_weight=weights,
            init_score=starts,
            group=sizes,
            feature_name=list(SCHEMA.names),
            callbacks=[_report_tree],
        )
    if not ranker.booster_.feature_importance().any():
        size = f"{len(sizes)} queries with {len(labels)} candidates"
        raise TrainingError(f"{size} are too few to learn from: a leaf takes {recipe.min_leaf_rows} of them")
    return _without_network(ranker.booster_.model_to_string())


def _shares(client: Client, files: Sequence[tuple[Path, RowCounts]], base: Float32Array) -> dict[str, _Share]:
    """Deal the files out to the workers in turn; return the share of each worker that has rows, by address.

    Raises:
        TreesNotGrown: A worker's share does not fit its memory.
    """
    workers = _workers(client)
    found: dict[str, _Share] = {}
    for i, name in enumerate(sorted(workers)):
        own = files[i :: len(workers)]
        share = _Share(tuple(path for path, _ in own), RowCounts.total([each for _, each in own]), base)
        needed = PEAK * (ROW_BYTES + START_BYTES) * share.counts.rows + BESIDE_BYTES
        limit = int(workers[name]["memory_limit"] or 0)
        if limit and needed > limit:
            raise TreesNotGrown(
                f"a worker's rows take {needed / 1e9:.1f} GB while trees are grown, "
                f"and it may use {limit / 1e9:.1f} GB: add workers, or give them more memory"
            )
        if share.counts.rows:
            found[name] = share
    return found


def _loaded(client: Client, worker: str, share: _Share) -> tuple[da.Array, ...]:
    """Return the share's columns in the memory of the worker, each as one block."""
    held = client.submit(_load, share, workers=[worker], allow_other_workers=False, pure=False)
    rows, queries = share.counts.rows, share.counts.queries
    shapes = (
        ((rows, len(SCHEMA)), np.float32),
        ((rows,), np.intp),
        ((rows,), np.float32),
        ((rows,), np.float64),
        ((queries,), np.int32),
    )
    return tuple(
        da.from_delayed(delayed(_column)(held, place), shape=shape, dtype=dtype)
        for place, (shape, dtype) in enumerate(shapes)
    )


def _column(columns: _Columns, place: int) -> Any:
    return columns[place]


def _load(share: _Share) -> _Columns:
    """Read the files one by one into preallocated arrays."""
    _quiet()
    rows, queries = share.counts.rows, share.counts.queries
    features, labels = np.empty((rows, len(SCHEMA)), dtype=np.float32), np.empty(rows, dtype=np.intp)
    weights, sizes = np.empty(rows, dtype=np.float32), np.empty(queries, dtype=np.int32)
    row = query = 0
    for path in share.files:
        part = read_rows(path)
        own, groups = slice(row, row + len(part.labels)), slice(query, query + len(part.group_sizes))
        features[own], labels[own] = part.features, part.labels
        weights[own], sizes[groups] = part.weights, part.group_sizes
        row, query = own.stop, groups.stop
    return features, labels, weights, base_scores(features, share.base), sizes


def _report_tree(env: lightgbm.callback.CallbackEnv) -> None:
    """Report the number of trees; LightGBM calls this after each tree, in every worker."""
    get_worker().log_event(_TOPIC, env.iteration + 1)


@contextlib.contextmanager
def _progress_passed_on(client: Client, tree_count: int, progress: Progress) -> Iterator[None]:
    """Pass the number of trees on to ``progress``."""
    reached = 0

    def hear(event: tuple[float, int]) -> None:
        nonlocal reached
        if event[1] > reached:
            reached = event[1]
            progress("trees", reached, tree_count)

    progress("trees", 0, tree_count)
    client.subscribe_topic(_TOPIC, hear)
    try:
        yield
        progress("trees", tree_count, tree_count)
    finally:
        if client.status == "running":
            client.unsubscribe_topic(_TOPIC)


@dataclass
class _Watch:
    """A watch over the members of LightGBM's network."""

    client: Client
    members: tuple[str, ...]
    is_over: threading.Event = field(default_factory=threading.Event)
    problem: str = ""

    def follow(self) -> None:
        """Check the members until the fit is over; if one is lost, cancel the work of the others."""
        while not self.is_over.wait(LOOK_SECONDS):
            if self.look():
                self._cancel()
                return

    def look(self) -> str:
        """Return the problem; an empty text if there is none."""
        if not self.problem:
            try:
                lost = set(self.members) - _workers(self.client).keys()
            except Exception:  # noqa: BLE001 -- Dask's client raises many kinds for a lost scheduler
                self.problem, lost = _SCHEDULER_LOST, set()
            if lost:
                self.problem = f"{len(lost)} of {len(self.members)} workers were lost while trees were grown"
        return self.problem

    def _cancel(self) -> None:
        """Cancel the work submitted to Dask, so that the fit ends."""
        if self.problem == _SCHEDULER_LOST:
            # An open client would try to reconnect for a long time.
            self.client.close(timeout=FREE_SECONDS)
            return
        # Loaded rows stay: Dask's scheduler fails if data is cancelled that unfinished work needs.
        asked = [key for key in self.client.futures if not str(key).startswith(_load.__name__)]
        self.client.cancel([Future(key, self.client) for key in asked])


@contextlib.contextmanager
def _watched(client: Client, members: tuple[str, ...]) -> Iterator[None]:
    """Watch the members during the fit in the block; if one is lost, end the fit and restart the others.

    Raises:
        TreesNotGrown: A member was lost, or the fit failed by itself.
    """
    watch = _Watch(client, members)
    thread = threading.Thread(target=watch.follow, name="paperfeed-watch", daemon=True)
    thread.start()
    try:
        yield
    except Exception as error:
        watch.is_over.set()
        thread.join()
        problem = watch.look() or f"trees could not be grown: {error}"
        with contextlib.suppress(Exception):
            # The other members hang in LightGBM's network, where no message reaches them.
            left = [worker for worker in members if worker in _workers(client)]
            client.restart_workers(left, timeout=FREE_SECONDS, raise_for_error=False)
        raise TreesNotGrown(problem) from error
    finally:
        watch.is_over.set()


def _workers(client: Client) -> dict[str, Any]:
    """Return what the scheduler knows of the workers, by address.

    Raises:
        Exception: The scheduler does not answer. A closed connection is reported at once, without trying to reconnect.
    """
    if client.status != "running" or client.scheduler is None:
        raise ConnectionError(_SCHEDULER_LOST)
    return dict(client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS)["workers"])


def _without_network(text: str) -> str:
    for name, value in _OF_NETWORK.items():
        text = re.sub(rf"^\[{name}: .*\]$", f"[{name}: {value}]", text, flags=re.MULTILINE)
    return text


def _quiet() -> None:
    """Keep LightGBM's messages about ports and renamed parameters off stdout, which is for results."""
    logger = logging.getLogger("paperfeed.lightgbm")
    logger.setLevel(logging.ERROR)
    lightgbm.register_logger(logger)
    # The level of the native library is set for each thread, when it reads parameters.
    lightgbm.Dataset(np.zeros((1, 1)), params={"verbose": -1}).construct()
