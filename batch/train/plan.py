"""The plan of a training: how its rows are cut into files, and the identity by which a run can be resumed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby
from pathlib import Path
from typing import Any

import numpy as np

from batch.errors import OutputUnusable
from batch.train.worker import RowsTask
from batch.workspace import TRAINING_NAME, write_file
from ranker.features import SCHEMA
from training.data.query_groups import Query
from training.data.rows import QUERIES_PER_CATALOG, query_weights
from training.preparation import Prepared, Queries
from training.train import fingerprint_of

PART_ROWS = 100_000
"""Rows of a file: some 12 MB in memory, seconds of work."""
LEAST_PARTS = 16
"""Minimum number of files: each worker that grows trees needs at least one."""
HELD_OUT_LIMIT = 4_000
"""Maximum number of queries of held-out users for each data set: one process evaluates their rows."""
_LEARN, _STOP, _JUDGE = range(3)


@dataclass(frozen=True)
class Cut:
    """All row files of a training.

    Attributes:
        learn: Files that the trees learn from. Queries of all data sets are dealt out in turn, so that each file is a
            fair sample and LightGBM may find its bins in any of them. They are dealt in groups that share a catalog,
            because counting its statistics takes long. Within a file weeks ascend.
        stop: For each data set, files of the held-out queries for early stopping, masked like ``learn``.
        judge: For each data set, files of the held-out queries for evaluation, unmasked.
        held_out: For each data set, the held-out queries.
    """

    learn: list[RowsTask]
    stop: list[list[RowsTask]]
    judge: list[list[RowsTask]]
    held_out: Queries

    @property
    def tasks(self) -> list[RowsTask]:
        """The tasks of all files."""
        held_out = [task for parts in (self.stop, self.judge) for part in parts for task in part]
        return [*self.learn, *held_out]


def cut_rows(prepared: Prepared, part_rows: int = PART_ROWS, held_out_limit: int = HELD_OUT_LIMIT) -> Cut:
    """Return the files of a training; they do not depend on the number of workers."""
    held_out = [_drawn(part, held_out_limit, prepared.seed) for part in prepared.held_out]
    learn_weights = tuple(query_weights(list(map(len, prepared.learn)), prepared.shares))
    stop_weights = tuple(query_weights(list(map(len, held_out)), prepared.shares))
    alike = (1.0,) * len(held_out)
    groups = [group for number, part in enumerate(prepared.learn) for group in _groups(number, part)]
    row_count = sum(len(query.candidates) for group in groups for _, query in group)
    count = min(max(-(-row_count // part_rows), LEAST_PARTS), len(groups))

    def task(name: str, queries: Sequence[tuple[int, Query]], weights: tuple[float, ...], *stream: int) -> RowsTask:
        file_name = f"{name}-{stream[-1]:06d}.parquet"
        return RowsTask(file_name, tuple(queries), stream[0] != _JUDGE, weights, (prepared.seed, *stream))

    def in_order(name: str, kind: int, weights: tuple[float, ...]) -> list[list[RowsTask]]:
        return [
            [
                task(f"{name}-{number}", part, weights, kind, number, i)
                for i, part in enumerate(_chunks([(number, query) for query in queries], part_rows))
            ]
            for number, queries in enumerate(held_out)
        ]

    return Cut(
        [task("learn", list(chain(*groups[i::count])), learn_weights, _LEARN, i) for i in range(count)],
        in_order("stop", _STOP, stop_weights),
        in_order("judge", _JUDGE, alike),
        held_out,
    )


def identity_of(prepared: Prepared, encoder_name: str, part_rows: int) -> dict[str, Any]:
    """Return everything that the rows depend on, as plain JSON values."""
    found = {
        "data": fingerprint_of(prepared.datasets),
        "encoder": encoder_name,
        "features": SCHEMA.sha256,
        "part_rows": part_rows,
        "recipe": prepared.recipe.as_params(),
        "seed": prepared.seed,
    }
    return dict(json.loads(json.dumps(found)))


def name_of(identity: Mapping[str, Any]) -> str:
    """Return the name of a training; equal for equal identities."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def claim(folder: Path, identity: Mapping[str, Any]) -> None:
    """Note the training in the folder, or check that it is the one noted there.

    Raises:
        OutputUnusable: The folder holds the rows of another training, or the note cannot be read.
    """
    path = folder / TRAINING_NAME
    try:
        other = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_file(path, (json.dumps(identity, indent=2) + "\n").encode())
        return
    except (OSError, ValueError) as error:
        raise OutputUnusable(path, f"cannot be read ({error}); remove the folder to start again") from error
    if differing := sorted(
        name for name in identity if not isinstance(other, dict) or identity[name] != other.get(name)
    ):
        problem = f"holds the rows of another training ({', '.join(differing)} differ): remove it to start again"
        raise OutputUnusable(folder, problem)


def _drawn(queries: Sequence[Query], limit: int, seed: int) -> list[Query]:
    """Return at most ``limit`` random queries, in their order."""
    kept = np.random.default_rng(seed).choice(len(queries), min(limit, len(queries)), replace=False)
    return [queries[i] for i in np.sort(kept)]


def _groups(number: int, queries: Sequence[Query]) -> list[list[tuple[int, Query]]]:
    """Return the queries of a data set in groups that share a catalog, in their order."""
    alike = (list(part) for _, part in groupby(queries, key=lambda query: (query.week, query.fold)))
    return [
        [(number, query) for query in part[start : start + QUERIES_PER_CATALOG]]
        for part in alike
        for start in range(0, len(part), QUERIES_PER_CATALOG)
    ]


def _chunks(queries: Sequence[tuple[int, Query]], part_rows: int) -> list[list[tuple[int, Query]]]:
    """Return the queries in their order, in lists of about ``part_rows`` rows."""
    ends = accumulate(len(query.candidates) for _, query in queries)
    placed = zip(queries, ends, strict=True)
    return [[pair for pair, _ in part] for _, part in groupby(placed, key=lambda each: (each[1] - 1) // part_rows)]
