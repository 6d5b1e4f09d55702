"""Exports of made-up populations, as ``paperfeed export`` writes them, without storing the users in a database.

Papers and the digest go through a database and the real export. Profiles, which can be millions, are written directly
as columns. A test compares the result with a real export. The papers lack the trend events from users' likes. A job
looks only at the trends of the digest's papers, which nobody likes.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from batch.export.source import MANIFEST_NAME, PROFILES, read_manifest
from batch.export.writer import ExportRequest, Sizes, export, profile_table
from batch.parquet import written
from benchmarks.jobs.population import LIKES, NOW, PAPERS, UserBatch, fill, paper_id, users_of
from ranker.types import IndexArray

_MICROSECONDS_A_DAY = 86_400 * 10**6


def write_export(folder: Path, users: int, encoder: str, likes: int = LIKES, papers: int = PAPERS) -> None:
    """Write the export of the population that ``fill`` makes, to a new folder."""
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/papers.db"
        fill(url, 0, encoder, likes, papers)
        export(ExportRequest(url, encoder, folder, NOW), lambda _count: None)
    replace_users(folder, users, likes, papers)


def replace_users(folder: Path, users: int, likes: int = LIKES, papers: int = PAPERS) -> None:
    """Replace the users of a made-up export; ``papers`` must be the number that it was written with."""
    shutil.rmtree(folder / PROFILES)
    (folder / PROFILES).mkdir()
    ids = np.array([paper_id(number) for number in range(papers)])
    tables = (_table(batch, ids) for batch in users_of(users, likes, papers))
    sizes, table, number = Sizes(), next(tables, None), 0
    while table is not None:
        with written(
            folder / PROFILES / f"part-{number:06d}.parquet", profile_table.SCHEMA, sizes.row_group_bytes
        ) as file:
            while table is not None and file.row_count < sizes.rows_in_file:
                file.add(table)
                table = next(tables, None)
        number += 1
    manifest = read_manifest(folder)
    manifest["row_counts"][PROFILES] = users
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _table(batch: UserBatch, ids: np.ndarray) -> pa.Table:
    """Return the users as a table of profiles."""
    count = len(batch.names)
    known = batch.liked >= 0
    offsets = pa.array(np.concatenate(([0], np.cumsum(known.sum(axis=1)))), pa.int32())
    now = int(NOW.timestamp() * 10**6)
    likes = {"paper_id": ids[batch.liked[known]], "at": now - batch.ages[known] * _MICROSECONDS_A_DAY}
    kind = profile_table.SCHEMA.field("likes").type
    pairs = pa.StructArray.from_arrays(
        [pa.array(likes[field.name], field.type) for field in kind.value_type], fields=list(kind.value_type)
    )
    columns = {
        "user_id": pa.array(batch.names),
        "version": pa.array(np.ones(count, dtype=np.int64)),
        "likes": pa.ListArray.from_arrays(offsets, pairs, type=kind),
        "hidden_paper_ids": pa.ListArray.from_arrays(offsets, pa.array(_sorted_ids(batch.liked, ids))),
        "created_at": pa.array(np.full(count, now), pa.int64()),
        "updated_at": pa.array(np.full(count, now), pa.int64()),
    }
    nothing = pa.array(np.zeros(count + 1, dtype=np.int32))
    arrays = []
    for field in profile_table.SCHEMA:
        made = columns.get(field.name)
        if field.name in {"interests", "unsorted_paper_ids"}:
            made = pa.nulls(count, field.type)
        elif made is None:
            made = pa.ListArray.from_arrays(nothing, pa.array([], field.type.value_type), type=field.type)
        arrays.append(made.cast(field.type))
    return pa.table(arrays, schema=profile_table.SCHEMA)


def _sorted_ids(liked: IndexArray, ids: np.ndarray) -> np.ndarray:
    """Return the ids of the liked papers, sorted for each user, one user after another."""
    by_text = np.argsort(ids, kind="stable")
    places = np.empty(len(ids), dtype=np.intp)
    places[by_text] = np.arange(len(ids))
    ordered = np.sort(np.where(liked >= 0, places[liked], -1), axis=1)
    return ids[by_text[ordered[ordered >= 0]]]
