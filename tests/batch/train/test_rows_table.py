from pathlib import Path

import numpy as np

from batch.train.rows_table import RowCounts, counts_of, read_rows, write_rows
from tests.training.trees.builders import QUERIES, SIZE, rows


def test_files_keep_rows(tmp_path: Path) -> None:
    """Rows and counts read equal those written; a file with other facts is ignored."""
    path, written = tmp_path / "learn-000000.parquet", rows(0)

    write_rows(path, written, {"of": "this"})

    found, counts = read_rows(path), counts_of(path, {"of": "this"})
    assert np.array_equal(found.features, written.features)
    assert np.array_equal(found.labels, written.labels)
    assert np.array_equal(found.group_sizes, written.group_sizes)
    assert counts == RowCounts.of(written) == RowCounts(queries=QUERIES, rows=QUERIES * SIZE)
    assert counts_of(path, {"of": "another"}) is None
