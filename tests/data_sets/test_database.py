"""Data sets from the service's database. Reads are tested on each engine, the rest on SQLite."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from data_sets.database import read_database
from ranker.signals import Signals
from service.app.ranking.signals import user_code
from service.domain.errors import StorageUnavailable
from service.domain.events import Event, EventType
from service.domain.papers import Paper
from service.storage import SqlStore, open_store
from tests.contracts.samples import FixedClock
from training.data.snapshot import LIKED, SAVED
from training.errors import TrainingError

NOW = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)
ENCODER = "made-up"
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
KINDS = ("like", "save", "click", "dislike", "like", "impression")


def fill(store: SqlStore) -> None:
    """Store six papers, the last without a vector, with events of two users, and of a third who is deleted."""
    papers = [Paper(f"p{i}", f"Title {i}", "Words.", upvotes=i, first_seen_at=NOW) for i in range(6)]
    vectors = {paper.paper_id: (paper.text_hash, np.full(3, i, np.float32)) for i, paper in enumerate(papers[:5])}
    events = [
        Event(f"{user}{i}", user, f"p{i}", EventType(kind), NOW + dt.timedelta(hours=i))
        for user in ("zoe", "ada", "gone")
        for i, kind in enumerate(KINDS)
    ]
    with store.write() as tx:
        tx.papers.upsert(papers, NOW)
        tx.papers.store_vectors(ENCODER, vectors)
    with store.write() as tx:
        tx.users.record(events, NOW)
        tx.users.record([Event("last", "ada", "p4", EventType.UNLIKE, None)], NOW)
    with store.write() as tx:
        tx.users.delete("gone", FixedClock(NOW))


def test_columns(sql_store: SqlStore, store_url: str) -> None:
    """Papers have vectors, signals and times, users have graded reactions, and deleted users are left out."""
    fill(sql_store)
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    found = read_database(store_url, ENCODER)
    assert before <= dt.datetime.fromisoformat(found.taken_at) <= dt.datetime.now(dt.UTC)
    assert found.papers.paper_ids == tuple(f"p{i}" for i in range(6))
    assert found.papers.texts[0] == "Title 0\nWords."
    assert np.isnan(found.papers.embeddings).all(axis=1).tolist() == [False] * 5 + [True]
    assert found.papers.embeddings[3].tolist() == [3, 3, 3]
    for user in (0, 1):
        own = found.likes.of_user(user)
        assert found.likes.papers[own].tolist() == [0, 1, 4]
        assert found.likes.grades[own].tolist() == [LIKED, SAVED, LIKED]
    assert found.clicks.papers.tolist() == [2, 2]
    assert found.dislikes.papers.tolist() == [3, 3]
    assert found.likes.liked_at[0] == NOW.timestamp()
    assert found.user_codes is not None
    assert found.user_codes.tolist() == [user_code("ada"), user_code("zoe")]
    assert isinstance(found.papers.signals, Signals)
    assert np.diff(found.papers.signals.event_starts).tolist() == [2, 2, 2, 0, 2, 0]
    assert found.dated


@ON_SQLITE
@pytest.mark.parametrize("days", [-300, 10])
def test_an_imported_history(sql_store: SqlStore, store_url: str, days: int) -> None:
    """Papers that were first seen after their likes count from their publication; others from first sight."""
    published = NOW - dt.timedelta(days=400)
    with sql_store.write() as tx:
        papers = [Paper(f"p{i}", f"Title {i}", "Words.", published_at=published) for i in range(4)]
        tx.papers.upsert(papers, NOW)
        tx.papers.store_vectors(ENCODER, {"p0": (papers[0].text_hash, np.zeros(3, np.float32))})
        liked = NOW + dt.timedelta(days=days)
        tx.users.record([Event(f"{i}", "ada", f"p{i}", EventType.LIKE, liked) for i in range(3)], NOW)

    warnings: list[str] = []
    found = read_database(store_url, ENCODER, warn=warnings.append)

    assert set(found.appeared_at) == {(published if days < 0 else NOW).timestamp()}
    assert warnings[0] == "3 of 4 papers have no vector of made-up yet; they count as pending"
    assert any("papers count from publication" in text for text in warnings) == (days < 0)


@ON_SQLITE
def test_fingerprint_covers_every_event(sql_store: SqlStore, store_url: str) -> None:
    """Equal rows have equal fingerprints; one more click or dislike changes it."""
    fill(sql_store)
    prints = [read_database(store_url, ENCODER).fingerprint for _ in range(2)]
    for kind in (EventType.CLICK, EventType.DISLIKE):
        with sql_store.write() as tx:
            tx.users.record([Event(kind.value, "zoe", "p5", kind, NOW)], NOW)
        prints.append(read_database(store_url, ENCODER).fingerprint)
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_one_snapshot(sql_store: SqlStore, store_url: str) -> None:
    """A snapshot does not contain what is written while it is read."""
    fill(sql_store)
    other = open_store(store_url)
    with other.read() as snapshot:
        count = snapshot.papers.count()
        with sql_store.write() as tx:
            tx.users.delete("zoe", FixedClock(NOW))
            tx.papers.upsert([Paper("p9", "New", first_seen_at=NOW)], NOW)
        users = {user for user, *_ in snapshot.users.reactions(list(EventType))}
        assert (count, len(snapshot.papers.page(after="", limit=99))) == (6, 6)
        assert users == {"ada", "zoe"}
    other.dispose()
    assert len(read_database(store_url, ENCODER).papers) == 7


@ON_SQLITE
def test_nothing_to_train_on(sql_store: SqlStore, store_url: str) -> None:
    """A database without papers or without vectors of this encoder is refused with the reason."""
    with pytest.raises(TrainingError, match="database: has no papers"):
        read_database(store_url, ENCODER)
    fill(sql_store)
    with pytest.raises(TrainingError, match=r"no paper has a vector of the encoder other .*of: made-up"):
        read_database(store_url, "other")


def test_no_database(tmp_path: Path) -> None:
    """A missing database is refused and not created."""
    with pytest.raises(StorageUnavailable, match="no such database file"):
        read_database(f"sqlite:///{tmp_path}/none.db", ENCODER)
    assert not list(tmp_path.iterdir())
