"""An export that is not whole is told in one line that names what is wrong, and is never ranked from."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import InputUnusable, PartitionFailed
from batch.export.source import ExportSource, read_manifest
from batch.export.writer import Sizes
from batch.rerank.coordinator import run
from service.encoder import HashingEncoder
from tests.batch.asking import Asking, no_cluster
from tests.batch.export.test_writer import exported
from tests.batch.killing import partial
from tests.batch.worlds import DIGEST, World

TABLES = ("papers", "digests", "profiles")


@pytest.fixture
def export(small_world: World, tmp_path: Path) -> Path:
    """Of several files in each table but digests."""
    exported(small_world, tmp_path / "export", sizes=Sizes(papers_at_a_time=50, rows_in_file=50))
    return tmp_path / "export"


def column_place(file: Path, name: str) -> int:
    """A byte in the middle of a column's pages."""
    group = pq.read_metadata(file).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    column = next(each for each in columns if each.path_in_schema.partition(".")[0] == name)
    start = column.dictionary_page_offset or column.data_page_offset
    return int(start + column.total_compressed_size // 2)


def flip(file: Path, place: int) -> None:
    """Changes one bit."""
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("table", TABLES)
def test_missing_file(small_world: World, ask: Asking, export: Path, table: str) -> None:
    """A table that lost a file is an error with its name, the rows there are and the rows there were."""
    wanted = read_manifest(export)["row_counts"][table]
    lost = min((export / table).iterdir())
    found = wanted - pq.read_metadata(lost).num_rows
    lost.unlink()

    with pytest.raises(InputUnusable, match=f"export/{table}: has {found} rows, and had {wanted} when it was exported"):
        run(ask.request(small_world, location=str(export)), no_cluster, lambda _done, _total: None)


@pytest.mark.parametrize("table", TABLES)
def test_missing_folder(small_world: World, ask: Asking, export: Path, table: str) -> None:
    """A table that is not there at all is the same error."""
    (export / table).rename(export / "elsewhere")

    with pytest.raises(InputUnusable, match=f"export/{table}: has 0 rows, and had"):
        run(ask.request(small_world, location=str(export)), no_cluster, lambda _done, _total: None)


@pytest.mark.parametrize("table", TABLES)
def test_truncated_file(small_world: World, ask: Asking, export: Path, table: str) -> None:
    """A file that lost its end is an error with its name, in one line."""
    file = min((export / table).iterdir())
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(InputUnusable, match=rf"{table}/part-000000\.parquet: cannot be read \(Parquet magic") as caught:
        run(ask.request(small_world, location=str(export)), no_cluster, lambda _done, _total: None)

    assert "\n" not in str(caught.value)


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("table", "column"), [("papers", "title"), ("papers", "embedding"), ("profiles", "hidden_paper_ids")]
)
def test_flipped_bit(small_world: World, ask: Asking, cluster: Cluster, export: Path, table: str, column: str) -> None:
    """One wrong bit in what workers read is an error that names the file, not the output; nothing is made of it."""
    file = max((export / table).iterdir(), key=lambda path: (pq.read_metadata(path).num_rows, path.name))
    flip(file, column_place(file, column))

    with pytest.raises(PartitionFailed, match=rf"export/{table}/{file.name}: cannot be read \("):
        ask.run(ask.request(small_world, location=str(export)), cluster)

    assert not list(partial(ask.out).glob("part-*"))


def test_every_flipped_bit_is_found(export: Path) -> None:
    """Wherever in a table a bit is wrong, it is found, or means nothing: what is read is right."""
    right, _ = ExportSource(export).candidates(DIGEST, HashingEncoder.name)
    file = min((export / "digests").iterdir())
    whole = file.read_bytes()
    group = pq.read_metadata(file).row_group(0)
    end = 4 + sum(group.column(number).total_compressed_size for number in range(group.num_columns))
    for place in range(4, end):
        flip(file, place)
        with contextlib.suppress(InputUnusable):
            assert ExportSource(export).candidates(DIGEST, HashingEncoder.name)[0].equals(right)
        file.write_bytes(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": None},
        {"made_at": 5},
        {"row_counts": {}},
        {"row_counts": None},
        {"row_counts": {"papers": "300", "digests": 1, "profiles": 100}},
    ],
)
def test_odd_manifest(export: Path, change: dict[str, Any]) -> None:
    """A manifest that lacks something, or has something else in its place, is that of no export."""
    (export / "_manifest.json").write_text(json.dumps(read_manifest(export) | change), encoding="utf-8")

    with pytest.raises(InputUnusable, match="is no export: make one with 'paperfeed export'"):
        ExportSource(export)


@pytest.mark.parametrize("text", ["[]", "null", '"x"', "{", "5"])
def test_other_manifest(export: Path, text: str) -> None:
    """JSON of another form is no export either."""
    (export / "_manifest.json").write_text(text, encoding="utf-8")

    with pytest.raises(InputUnusable, match="is no export"):
        read_manifest(export)
