"""Incomplete and damaged exports: an error of one line names the problem, and nothing is ranked."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import InputUnusable, PartitionFailed
from batch.export.source import ExportSource, read_manifest
from batch.export.writer import Sizes
from service.encoder import HashingEncoder
from tests.batch.export.builders import exported
from tests.batch.killing import partial
from tests.batch.reranks import Rerank
from tests.batch.worlds import DIGEST, World

TABLES = ("papers", "digests", "profiles")


@pytest.fixture(scope="module")
def template(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with several files in each table but digests; not to be written to."""
    folder = tmp_path_factory.mktemp("damaged") / "export"
    exported(world, folder, sizes=Sizes(papers_at_a_time=50, rows_in_file=50))
    return folder


@pytest.fixture
def export(template: Path, tmp_path: Path) -> Path:
    """A copy of the export, to damage."""
    return Path(shutil.copytree(template, tmp_path / "export"))


def column_place(file: Path, name: str) -> int:
    """Return the place of a byte in the middle of a column's pages."""
    group = pq.read_metadata(file).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    column = next(each for each in columns if each.path_in_schema.partition(".")[0] == name)
    start = column.dictionary_page_offset or column.data_page_offset
    return int(start + column.total_compressed_size // 2)


def flip(file: Path, place: int) -> None:
    """Change one bit of the file."""
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("table", TABLES)
def test_missing_file(world: World, rerank: Rerank, export: Path, table: str) -> None:
    """If a file is missing, the error names the table, its present number of rows and the former one."""
    wanted = read_manifest(export)["row_counts"][table]
    lost = min((export / table).iterdir())
    found = wanted - pq.read_metadata(lost).num_rows
    lost.unlink()

    with pytest.raises(InputUnusable, match=f"export/{table}: has {found} rows, and had {wanted} when it was exported"):
        rerank.run_alone(rerank.request(world, location=str(export)))


@pytest.mark.parametrize("table", TABLES)
def test_missing_folder(world: World, rerank: Rerank, export: Path, table: str) -> None:
    """A missing table is the same error."""
    (export / table).rename(export / "elsewhere")

    with pytest.raises(InputUnusable, match=f"export/{table}: has 0 rows, and had"):
        rerank.run_alone(rerank.request(world, location=str(export)))


@pytest.mark.parametrize("table", TABLES)
def test_truncated_file(world: World, rerank: Rerank, export: Path, table: str) -> None:
    """A truncated file is an error of one line that names the file."""
    file = min((export / table).iterdir())
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(InputUnusable, match=rf"{table}/part-000000\.parquet: cannot be read \(Parquet magic") as caught:
        rerank.run_alone(rerank.request(world, location=str(export)))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "column"), [("papers", "title"), ("papers", "embedding"), ("profiles", "hidden_paper_ids")]
)
def test_flipped_bit(world: World, rerank: Rerank, threads: Cluster, export: Path, table: str, column: str) -> None:
    """One wrong bit in a file that workers read is an error that names the file; no partition is written."""
    file = max((export / table).iterdir(), key=lambda path: (pq.read_metadata(path).num_rows, path.name))
    flip(file, column_place(file, column))

    with pytest.raises(PartitionFailed, match=rf"export/{table}/{file.name}: cannot be read \("):
        rerank.run(rerank.request(world, location=str(export)), threads)

    assert not list(partial(rerank.out).glob("part-*"))


def test_every_flipped_bit_is_found(export: Path) -> None:
    """A wrong bit anywhere in a table is found, or changes nothing of what is read."""
    source = ExportSource(export)
    right, _ = source.candidates(DIGEST, HashingEncoder.name)
    file = min((export / "digests").iterdir())
    whole = file.read_bytes()
    group = pq.read_metadata(file).row_group(0)
    end = 4 + sum(group.column(number).total_compressed_size for number in range(group.num_columns))
    for place in range(4, end):
        flip(file, place)
        with contextlib.suppress(InputUnusable):
            assert source.candidates(DIGEST, HashingEncoder.name)[0].equals(right)
        file.write_bytes(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": None},
        {"made_at": 5},
        {"row_counts": {}},
        {"row_counts": None},
        {"row_counts": {"papers": "300", "digests": 1, "profiles": 50}},
    ],
)
def test_odd_manifest(export: Path, change: dict[str, Any]) -> None:
    """A manifest with a missing or wrong entry is not an export's."""
    (export / "_manifest.json").write_text(json.dumps(read_manifest(export) | change), encoding="utf-8")

    with pytest.raises(InputUnusable, match="is not an export: make one with 'paperfeed export'"):
        ExportSource(export)


@pytest.mark.parametrize("text", ["[]", "null", '"x"', "{", "5"])
def test_other_manifest(export: Path, text: str) -> None:
    """JSON of another form is not an export's manifest."""
    (export / "_manifest.json").write_text(text, encoding="utf-8")

    with pytest.raises(InputUnusable, match="is not an export"):
        read_manifest(export)
