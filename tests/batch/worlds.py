"""Databases with papers, a digest and users of every kind, to rank in bulk."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from service.app.ports import Transaction
from service.domain.events import Event, EventType, Preferences
from service.domain.interests import InterestOrigin, StoredInterest, StoredInterests
from service.domain.papers import Digest, Paper
from service.encoder import HashingEncoder
from service.storage import SqlStore, open_store, schema
from testing.papers import TOPICS

NOW = dt.datetime(2026, 3, 11, 8, tzinfo=dt.UTC)
DIGEST = "today"
DIGEST_SIZE = 60
LIBRARY_SIZE = 240


@dataclass(frozen=True)
class World:
    """A filled database."""

    url: str
    user_ids: tuple[str, ...]


def library(count: int, prefix: str, seed: int) -> list[Paper]:
    """Return papers of several topics with dates, authors, categories and upvotes, some of which are missing."""
    rng = np.random.default_rng(seed)
    names = sorted(TOPICS)
    found = []
    for number in range(count):
        topic = names[number % len(names)]
        words = rng.choice(TOPICS[topic].split(), 6, replace=False)
        others = rng.choice(TOPICS[names[rng.integers(len(names))]].split(), 2)
        found.append(
            Paper(
                f"{prefix}{number:04d}",
                f"{' '.join(words[:4])} {prefix}{number}",
                " ".join((*words, *others)) if number % 9 else "",
                authors=(f"Author {number % 17}",),
                categories=(f"cs.{topic[:2].upper()}",) if number % 5 else (),
                published_at=NOW - dt.timedelta(days=float(rng.integers(0, 40))) if number % 7 else None,
                upvotes=int(rng.integers(0, 90)) if number % 3 else None,
            )
        )
    return found


def write_papers(store: SqlStore, papers: Sequence[Paper], *, pending: int = 0) -> None:
    """Store papers, all but the last ``pending`` with vectors."""
    encoder = HashingEncoder()
    with store.write() as tx:
        tx.papers.upsert(papers, NOW - dt.timedelta(days=2))
        ready = papers[: len(papers) - pending]
        vectors = encoder.encode([f"{p.title}\n{p.abstract}".strip() for p in ready])
        tx.papers.store_vectors(
            encoder.name, {p.paper_id: (p.text_hash, v) for p, v in zip(ready, vectors, strict=True)}
        )


def events_of(user_id: str, number: int, rng: np.random.Generator) -> Iterator[Event]:
    """Yield a user's events: likes with and without times, and some other kinds."""
    topic = number % len(TOPICS)
    for step in range(int(rng.integers(1, 12))):
        paper = f"l{(int(rng.integers(LIBRARY_SIZE)) // len(TOPICS)) * len(TOPICS) + topic:04d}"
        paper = paper if int(paper[1:]) < LIBRARY_SIZE else "l0000"
        at = NOW - dt.timedelta(days=float(rng.integers(0, 300)), seconds=step) if number % 4 else None
        yield Event(f"{user_id}-{step}", user_id, paper, EventType.LIKE, at)
    kinds = (EventType.DISLIKE, EventType.SAVE, EventType.DISMISS, EventType.CLICK, EventType.SENT, EventType.LIKE)
    for step in range(number % 5):
        paper = f"d{int(rng.integers(DIGEST_SIZE)):04d}"
        kind = kinds[int(rng.integers(len(kinds)))]
        yield Event(f"{user_id}-d{step}", user_id, paper, kind, NOW - dt.timedelta(hours=float(rng.integers(1, 90))))


def fill(url: str, user_count: int) -> World:
    """Fill a new database with papers, a digest and users: with likes, preferences, edited interests, and with none."""
    schema.upgrade(url)
    store = open_store(url)
    rng = np.random.default_rng(7)
    write_papers(store, library(LIBRARY_SIZE, "l", 1), pending=3)
    write_papers(store, library(DIGEST_SIZE, "d", 2), pending=2)
    user_ids = [f"u{number:05d}" for number in range(user_count)]
    with store.write() as tx:
        papers = tuple(f"d{number:04d}" for number in range(DIGEST_SIZE))
        tx.digests.save(Digest(digest_id=DIGEST, date=NOW.date(), paper_ids=papers), NOW)
    for start in range(0, user_count, 50):
        with store.write() as tx:
            for number in range(start, min(start + 50, user_count)):
                if number % 25 == 3:
                    tx.users.save_preferences(user_ids[number], _preferences(number), NOW)
                if number % 50 != 3:
                    tx.users.record(list(events_of(user_ids[number], number, rng)), NOW)
                if number % 25 == 7:
                    edit_interests(tx, user_ids[number])
    store.dispose()
    return World(url, tuple(user_ids))


def edit_interests(tx: Transaction, user_id: str) -> None:
    """Store two interests of a user: a paused one with half of the liked papers, and a collection of other papers."""
    state = tx.users.find_state(user_id)
    assert state is not None
    half = tuple(like.paper_id for like in state.likes[::2])
    paused = StoredInterest("found-1", "Paused", InterestOrigin.FOUND, half, 0.3, paused=True, merged_ids=("found-0",))
    collection = StoredInterest("zotero-1", "Read “later”", InterestOrigin.COLLECTION, ("l0001", "d0002"))
    unsorted = frozenset(like.paper_id for like in state.likes[1:2])
    tx.users.save_interests(user_id, StoredInterests((paused, collection), unsorted), NOW)


def _preferences(number: int) -> Preferences:
    return Preferences(
        followed_topics=("cs.VI",),
        followed_authors=("Author 3",),
        muted_topics=("cs.RO",) if number % 2 else (),
        muted_keywords=("gripper",),
        muted_authors=("Author 5",),
    )
