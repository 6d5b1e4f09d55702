"""Slates and outcomes from the service's database. Reads are tested on each engine, the rest on SQLite."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_sets.slates import read_slates
from ranker.bundle.bundle import Bundle
from ranker.explore import Exploration, explore
from ranker.features import SCHEMA
from service.domain.errors import StorageUnavailable
from service.domain.events import Event, EventType
from service.domain.feeds import FallbackReason, Slate, SlateItem, SlateSection
from service.domain.papers import Paper
from service.storage import SqlStore
from service.storage.tables import slates
from testing.ranker import bundle
from tests.contracts.samples import FixedClock
from training.data.snapshot import CLICKED, LIKED
from training.errors import TrainingError
from training.feedback.log import SlateLog

NOW = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
PAPERS = 12


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Write the bundle that served."""
    return bundle(tmp_path_factory.mktemp("served") / "bundle")


def slate(slate_id: str, user_id: str, features_version: str, *, days: float = 0.0) -> Slate:
    """Return an explored slate of twelve papers."""
    explored = explore(PAPERS, Exploration(1.0, bytes(range(32))))
    items = tuple(
        SlateItem(
            rank=place + 1,
            paper_id=f"p{row}",
            score=-float(row),
            action_propensity=float(explored.action_propensities[place]),
        )
        for place, row in enumerate(explored.order.tolist())
    )
    at = NOW + dt.timedelta(days=days)
    features = np.repeat(explored.order.astype("<f4"), len(SCHEMA)).tobytes()
    return Slate(slate_id, user_id, ("d",), "m", FallbackReason.NONE, at, at, "h", 0, items, features_version, features)


def fill(store: SqlStore, served: Bundle) -> None:
    """Store two users and a deleted one, each with a mailed slate, an unseen slate and one of another bundle."""
    with store.write() as tx:
        tx.papers.upsert([Paper(f"p{i}", f"Title {i}", first_seen_at=NOW) for i in range(PAPERS)], NOW)
        for user in ("zoe", "ada", "gone"):
            tx.slates.add(slate(f"mailed-{user}", user, served.features_version))
            tx.slates.add(slate(f"unseen-{user}", user, served.features_version, days=1))
            tx.slates.add(slate(f"other-{user}", user, "another", days=2))
    with store.write() as tx:
        events = [
            Event(f"{kind.value}-{user}-{name}-{i}", user, f"p{i}", kind, NOW + dt.timedelta(days=days), name)
            for user in ("zoe", "ada", "gone")
            for kind, name, days, papers in (
                (EventType.SENT, f"mailed-{user}", 0, range(5)),
                (EventType.SENT, f"other-{user}", 0, range(5)),
                (EventType.CLICK, f"mailed-{user}", 9, (1,)),
                (EventType.LIKE, "", 0.5, (2,)),
            )
            for i in papers
        ]
        tx.users.record(events, NOW)
        tx.users.delete("gone", FixedClock(NOW))


def read(url: str, served: Bundle, **options: object) -> SlateLog:
    """Read all usable slates with all their papers."""
    return read_slates(url, served, shown_only=False, **options)  # type: ignore[arg-type]


def test_slates_and_outcomes(sql_store: SqlStore, store_url: str, served: Bundle) -> None:
    """Slates have features, places before exploration and later reactions; deleted users are left out."""
    fill(sql_store, served)
    log = read(store_url, served)

    assert log.users.tolist() == [0, 1]
    assert log.shares.tolist() == [1.0, 1.0]
    papers = log.places_before.reshape(2, PAPERS) - 1
    assert (log.features.reshape(2, PAPERS, -1)[:, :, 0] == papers).all()
    for user in (0, 1):
        grades = dict(zip(papers[user].tolist(), log.grades.reshape(2, PAPERS)[user].tolist(), strict=True))
        assert {paper: grade for paper, grade in grades.items() if grade} == {1: CLICKED, 2: LIKED}
        shown = papers[user][log.shown.reshape(2, PAPERS)[user]]
        assert sorted(shown.tolist()) == [0, 1, 2, 3, 4]
    assert sorted(log.left_out.values()) == [2, 2]


@ON_SQLITE
def test_left_out_slates_are_reported(sql_store: SqlStore, store_url: str, served: Bundle) -> None:
    """Each reason gives one warning with the number of slates, and progress counts the users."""
    fill(sql_store, served)
    warnings: list[str] = []
    steps: list[tuple[str, int, int]] = []
    read(store_url, served, warn=warnings.append, progress=lambda *step: steps.append(step))

    assert sorted(warnings) == [
        "2 slates are left out: features of another bundle (ranked by m)",
        "2 slates are left out: no paper shown (neither a sent event nor an impression)",
    ]
    assert steps == [("reading slates", 1, 2), ("reading slates", 2, 2)]


@ON_SQLITE
def test_sections_are_left_out(sql_store: SqlStore, store_url: str, served: Bundle) -> None:
    """A slate with several sections cannot be learned from; one of a single interest can."""
    fill(sql_store, served)
    sections = (SlateSection("a", "A", 0.5), SlateSection("b", "B", 0.5))
    with sql_store.write() as tx:
        for name, own in (("one", sections[:1]), ("two", sections)):
            tx.slates.add(replace(slate(name, "ada", served.features_version, days=3), sections=own))
            at = NOW + dt.timedelta(days=3)
            tx.users.record([Event(name, "ada", "p0", EventType.SENT, at, name)], NOW)

    log = read(store_url, served)

    assert len(log) == 3
    assert log.left_out["in sections by interest"] == 1


@ON_SQLITE
def test_times(sql_store: SqlStore, store_url: str, served: Bundle) -> None:
    """Slates outside the given times are left out, and so are later events."""
    fill(sql_store, served)
    seconds = NOW.timestamp()

    assert read(store_url, served, until=seconds + 86_400).grades.max() == LIKED
    assert (read(store_url, served, until=seconds + 86_400).grades == CLICKED).sum() == 0
    with pytest.raises(TrainingError, match=r"no slate can be used: .*outside the given times"):
        read(store_url, served, since=seconds + 86_400)


@ON_SQLITE
def test_pruned_features(sql_store: SqlStore, store_url: str, served: Bundle) -> None:
    """Slates with pruned features cannot be used, and the error says so."""
    fill(sql_store, served)
    with sql_store.connection() as connection:
        connection.execute(slates.update().values(features=b""))
    with pytest.raises(TrainingError, match=r"features pruned \(2 slates\)"):
        read(store_url, served)


@ON_SQLITE
def test_no_slates(sql_store: SqlStore, store_url: str, served: Bundle, tmp_path: Path) -> None:
    """A database without slates and a missing database are refused, and none is created."""
    with pytest.raises(TrainingError, match="no slate can be used: no slate was served"):
        read(store_url, served)
    with pytest.raises(StorageUnavailable, match="no such database file"):
        read(f"sqlite:///{tmp_path}/none.db", served)
    assert not (tmp_path / "none.db").exists()
