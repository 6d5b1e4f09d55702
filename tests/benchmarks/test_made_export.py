"""Made-up exports compared with real exports of the same population."""

from pathlib import Path

import pyarrow.parquet as pq

from batch.export.paper_table import _SIGNALS
from batch.export.source import DIGESTS, PAPERS, PROFILES, read_manifest
from batch.export.writer import ExportRequest, export
from benchmarks.jobs.made_export import write_export
from benchmarks.jobs.population import NOW, fill

# With two hundred papers of forty fields, some users have fewer likes than this.
LIKES = 10


def test_is_what_the_real_export_writes(tmp_path: Path) -> None:
    """A made-up export has the rows of the real one, except trend events; so do users with fewer likes."""
    url = f"sqlite:///{tmp_path / 'population.db'}"
    fill(url, 60, "hashing", LIKES, 200, with_preferences=False)
    export(ExportRequest(url, "hashing", tmp_path / "real", NOW), lambda _count: None)

    write_export(tmp_path / "made", 60, "hashing", LIKES, 200)

    for name, left_out in ((PAPERS, _SIGNALS), (DIGESTS, ()), (PROFILES, ())):
        made, real = (
            pq.read_table(tmp_path / each / name).drop_columns(list(left_out)).to_pylist() for each in ("made", "real")
        )
        assert made == real
    assert read_manifest(tmp_path / "made") == read_manifest(tmp_path / "real")
    counts = {len(row["likes"]) for row in made}
    assert min(counts) < LIKES == max(counts)
