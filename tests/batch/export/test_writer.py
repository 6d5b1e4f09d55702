"""Exports hold what the database held at one moment, and are ranked like it."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import InputUnusable, OutputUnusable, UnknownDigest
from batch.export import source as export_source
from batch.export.sorted_rows import SortedRows
from batch.export.writer import Sizes, paper_table, profile_table
from batch.rerank.population import Population
from service.encoder import HashingEncoder
from service.storage import open_store
from tests.batch.export.builders import exported
from tests.batch.reranks import Rerank, assert_outputs_agree
from tests.batch.worlds import DIGEST, DIGEST_SIZE, LIBRARY_SIZE, World


def test_holds_all(any_world: World, tmp_path: Path) -> None:
    """Papers, vectors, profiles, digests and events equal those of the database, in the order of their keys."""
    manifest = exported(any_world, tmp_path / "export", with_events=True)

    papers = pq.read_table(tmp_path / "export" / "papers")
    profiles = profile_table.states_of(pq.read_table(tmp_path / "export" / "profiles"))
    digests = pq.read_table(tmp_path / "export" / "digests").to_pylist()
    events = pq.read_table(tmp_path / "export" / "events")
    store = open_store(any_world.url)
    with store.read() as tx:
        names = papers.column("paper_id").to_pylist()
        assert names == sorted(names)
        assert {paper.paper_id: paper for paper in paper_table.papers_of(papers)} == tx.papers.find_many(names)
        vectors = tx.papers.vectors(names, HashingEncoder.name)
        assert {name: row.tobytes() for name, row in paper_table.vectors_of(papers).items()} == {
            name: row.tobytes() for name, row in vectors.items()
        }
        assert profiles == [tx.users.find_state(user_id) for user_id in sorted(any_world.user_ids)]
        assert digests[0]["paper_ids"] == list(tx.digests.find(DIGEST).paper_ids)  # type: ignore[union-attr]
        assert events.num_rows == sum(1 for user_id in any_world.user_ids for _ in tx.users.events(user_id))
    store.dispose()
    counts = {"papers": LIBRARY_SIZE + DIGEST_SIZE, "digests": 1, "profiles": 50, "events": events.num_rows}
    assert manifest["row_counts"] == counts
    assert manifest == json.loads((tmp_path / "export" / "_manifest.json").read_text(encoding="utf-8"))
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_ranks_like_the_database(any_world: World, rerank: Rerank, threads: Cluster, tmp_path: Path) -> None:
    """Slates from an export equal those from its database in every column, for all users and for a list."""
    exported(any_world, tmp_path / "export")
    location = str(tmp_path / "export")
    some = Population(("nobody", "u00003", "u00042"))

    for number, users in enumerate((Population(), some)):
        rerank.run(rerank.request(any_world, users=users, out=tmp_path / f"db{number}"), threads)
        rerank.run(rerank.request(any_world, users=users, out=tmp_path / f"export{number}", location=location), threads)

        assert_outputs_agree(tmp_path / f"export{number}", tmp_path / f"db{number}")


def test_row_groups_are_found(world: World, tmp_path: Path) -> None:
    """Ranges and names find exactly their rows, over several files of several row groups."""
    exported(world, tmp_path / "export", sizes=Sizes(papers_at_a_time=7, row_group_bytes=1, rows_in_file=20))
    folder = tmp_path / "export" / "papers"
    rows = SortedRows(folder, "paper_id")
    names = [name for table in rows.between("") for name in table.column("paper_id").to_pylist()]

    assert len(list(folder.iterdir())) == 15
    assert names == [f"d{i:04d}" for i in range(DIGEST_SIZE)] + [f"l{i:04d}" for i in range(LIBRARY_SIZE)]
    assert _names(rows.between("d0003", "d0019")) == [f"d{i:04d}" for i in range(4, 20)]
    assert _names(rows.between("d0058", "l0002")) == ["d0059", "l0000", "l0001", "l0002"]
    assert _names(rows.between("z")) == []
    assert _names(rows.named(["l0200", "d0000", "a", "l9999", "d0006", "d0007"])) == [
        "d0000",
        "d0006",
        "d0007",
        "l0200",
    ]


def _names(tables: Any) -> list[str]:
    return [name for table in tables for name in table.column("paper_id").to_pylist()]


def test_is_never_overwritten(world: World, tmp_path: Path) -> None:
    """An existing folder is refused, even if it is empty."""
    (tmp_path / "export").mkdir()

    with pytest.raises(OutputUnusable, match="exists already"):
        exported(world, tmp_path / "export")


def test_other_folders_are_refused(world: World, tmp_path: Path) -> None:
    """A folder without an export, another encoder's vectors and an unknown digest are clear errors."""
    exported(world, tmp_path / "export")
    source = export_source.ExportSource(tmp_path / "export")

    with pytest.raises(InputUnusable, match="is not an export"):
        export_source.ExportSource(tmp_path)
    with pytest.raises(InputUnusable, match="holds vectors of hashing-384, not of other"):
        source.candidates(DIGEST, "other")
    with pytest.raises(UnknownDigest, match="no digest 'tomorrow'; the newest are today"):
        source.candidates("tomorrow", HashingEncoder.name)
