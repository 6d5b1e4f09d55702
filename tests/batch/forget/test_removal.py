"""Removing a user's rows from exports and re-ranked slates: what stays equals an output made without the user."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from batch.cluster import Cluster
from batch.errors import InputUnusable
from batch.export.source import ExportSource, read_manifest
from batch.export.writer import Sizes
from batch.forget.places import Kind, Place, find_places
from batch.forget.removal import remove_rows
from batch.parquet import facts_of, part_files
from batch.rerank.output import find_manifest
from service.domain.events import user_id_hash
from service.encoder import HashingEncoder
from service.storage import open_store
from tests.batch.export.builders import exported
from tests.batch.reranks import Rerank
from tests.batch.worlds import DIGEST, World, fill
from tests.contracts.samples import CLOCK

USER, OTHER = "u00008", "u00001"
SMALL = Sizes(papers_at_a_time=50, row_group_bytes=2_000, rows_in_file=120)


@pytest.fixture(scope="module")
def outputs(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Exports of a database before and after the deletion of ``USER``; not to be written to."""
    folder = tmp_path_factory.mktemp("outputs")
    exported(world, folder / "before", with_events=True, sizes=SMALL)
    other = fill(f"sqlite:///{folder / 'other.db'}", 50)
    store = open_store(other.url)
    with store.write() as tx:
        assert tx.users.delete(USER, CLOCK)
    store.dispose()
    exported(other, folder / "after", with_events=True, sizes=SMALL)
    return {name: folder / name for name in ("before", "after")}


@pytest.fixture
def export(outputs: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the export with ``USER``."""
    return Path(shutil.copytree(outputs["before"], tmp_path / "export"))


def rows(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("part-*.parquet"))]).combine_chunks()


def only(places: Iterator[Place]) -> Place:
    (found,) = places
    return found


def test_an_export(export: Path, outputs: dict[str, Path]) -> None:
    """After the removal every table equals the one exported after the deletion, trends included, and can be read."""
    place = only(find_places(export.parent, USER))
    assert (place.kind, place.folder, place.problem) == (Kind.EXPORT, export, "")
    assert place.counts["profiles"] == 1
    assert place.counts["events"] > place.counts["papers"] > 0

    remove_rows(place, USER)

    assert not list(find_places(export.parent, USER))
    for table in ("papers", "digests", "profiles", "events"):
        assert rows(export / table).equals(rows(outputs["after"] / table)), table
    assert read_manifest(export)["row_counts"] == read_manifest(outputs["after"])["row_counts"]
    counts = dict(ExportSource(export).counts([OTHER, USER]))
    assert counts[OTHER] > 0 == counts[USER]


def test_slates(world: World, rerank: Rerank, threads: Cluster) -> None:
    """A re-rank loses one user and its items, keeps the others as they were, and is still a complete output."""
    rerank.run(rerank.request(world, with_features=True), threads)
    before, manifest = rows(rerank.out), find_manifest(rerank.out)
    assert manifest is not None
    place = only(find_places(rerank.out, USER))
    assert (place.kind, place.problem) == (Kind.SLATES, "")

    remove_rows(place, USER)

    after, changed = rows(rerank.out), find_manifest(rerank.out)
    assert changed is not None
    kept = before.filter(pc.field("user_id") != USER).combine_chunks()
    assert after.drop_columns("features").equals(kept.drop_columns("features"))
    np.testing.assert_array_equal(*(pc.list_flatten(each.column("features")).to_numpy() for each in (after, kept)))
    assert after.schema.metadata == before.schema.metadata
    assert {name for path in part_files(rerank.out) for name in facts_of(path) or {}} >= {"paperfeed.plan"}
    assert changed["user_count"] == manifest["user_count"] - 1
    assert changed["item_count"] == manifest["item_count"] - place.counts["slates"] == after.num_rows
    assert rerank.run_alone(rerank.request(world, with_features=True)).manifest == changed


def test_nobody(export: Path) -> None:
    """For a user who is nowhere, nothing is found."""
    assert not list(find_places(export.parent, "nobody"))


def test_an_interrupted_removal(export: Path, outputs: dict[str, Path]) -> None:
    """Readers refuse a half done removal, another user has to wait, and the same removal completes it."""
    place = only(find_places(export, USER))
    last = list(place.rows)[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[:-20])
    with pytest.raises(InputUnusable):
        remove_rows(place, USER)
    last.write_bytes(whole)

    with pytest.raises(InputUnusable, match="a user is being removed from it"):
        ExportSource(export)
    assert "another user was interrupted" in only(find_places(export, OTHER)).problem
    remove_rows(only(find_places(export, USER)), USER)

    assert {path.name for path in export.iterdir()} == {path.name for path in outputs["after"].iterdir()}
    assert rows(export / "events").equals(rows(outputs["after"] / "events"))
    assert ExportSource(export).candidates(DIGEST, HashingEncoder.name)[0].num_rows == 60


def test_an_end_that_was_interrupted(export: Path) -> None:
    """A removal that lacks only its last step is found and completed."""
    remove_rows(only(find_places(export, USER)), USER)
    manifest = (export / "_manifest.json").read_text(encoding="utf-8")
    pending = f'{{"user_id_hash": "{"0" * 64}", "manifest": {manifest}}}'
    (export / "_forget.json").write_text(pending, encoding="utf-8")
    assert "another user" in only(find_places(export, USER)).problem

    (export / "_forget.json").write_text(pending.replace("0" * 64, user_id_hash(USER)), encoding="utf-8")
    remove_rows(only(find_places(export, USER)), USER)

    assert not list(find_places(export, USER))
    assert (export / "_manifest.json").read_text(encoding="utf-8") == manifest


def test_damage_is_reported(export: Path) -> None:
    """A file that cannot be read is a problem of its folder, because it may hold rows."""
    damaged = min((export / "events").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-20])

    assert f"{damaged.name}: cannot be read" in only(find_places(export, USER)).problem


def test_links(export: Path, tmp_path: Path) -> None:
    """A linked file with rows is a problem, because replacing the link would leave the rows where it leads."""
    target = next(path for path in only(find_places(export, USER)).rows if path.parent.name == "profiles")
    target.rename(tmp_path / "real.bin")
    target.symlink_to(tmp_path / "real.bin")

    assert f"{target.name} is a link" in only(find_places(export, USER)).problem


def test_unfinished_jobs(export: Path, tmp_path: Path) -> None:
    """Folders of interrupted jobs are named if they hold rows, or rows without user ids."""
    rerank, training, innocent = (tmp_path / f".{name}.partial" for name in ("slates", "bundle", "embed"))
    for folder in (rerank, training, innocent):
        folder.mkdir()
    shutil.copy(min((export / "profiles").iterdir()), rerank / "part-000000.parquet")
    (rerank / "_plan.json").write_text(f'{{"partitions": [{{"after": "", "until": "{USER}"}}]}}', encoding="utf-8")
    (training / "_training.json").write_text("{}", encoding="utf-8")
    shutil.rmtree(export)

    places = {place.folder: place for place in find_places(tmp_path, USER)}

    assert places.keys() == {rerank, training}
    assert "finish the job" in places[rerank].problem
    assert "without user ids" in places[training].problem


def test_files_of_others(export: Path, tmp_path: Path) -> None:
    """Rows in other Parquet files and what killed writers left are reported, and not touched."""
    with_rows = next(path for path in only(find_places(export, USER)).rows if path.parent.name == "profiles")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(with_rows, folder / "mine.parquet")
    shutil.rmtree(export)

    assert "no output of paperfeed" in only(find_places(tmp_path, USER)).problem
    (folder / ".part-000000.parquet.0a1b2c3d.tmp").write_bytes(b"half")
    assert "killed writer" in only(find_places(tmp_path, USER)).problem
