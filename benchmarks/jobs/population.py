"""A database with a made-up population: papers of 40 fields, a digest of 77, and users with 30 likes each."""

import contextlib
import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, insert, text

from benchmarks.ranker import papers as columns
from database.engine import parse_url
from ranker.papers import PaperColumns
from ranker.types import Float32Array, IndexArray
from service.app.profiles import MAX_PREFERENCES
from service.domain.errors import InvalidField
from service.domain.events import EventType
from service.domain.papers import Digest, Paper
from service.storage import SqlStore, open_store, schema
from service.storage.tables import events, preferences, users

PAPERS = 10_000
CANDIDATES = 77
LIKES = 30
FIELDS = 40
DIM = 384
DIGEST = "today"
NOW = dt.datetime(2026, 3, 11, 8, tzinfo=dt.UTC)
PREFERENCE_EVERY, LONG_PREFERENCES_EVERY = 5, 50
_PAPERS_AT_A_TIME = 1_000
_USERS_AT_A_TIME = 2_000


@contextlib.contextmanager
def empty_database(url: str | None, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database.

    Args:
        url: A PostgreSQL server, on which a new schema is used and dropped at the end; None for a SQLite file in the
            folder.
    """
    if url is None:
        yield f"sqlite:///{folder / 'benchmark.db'}"
        return
    parsed, name = parse_url(url), f"paperfeed_benchmark_{secrets.token_hex(6)}"
    if parsed.get_backend_name() != "postgresql":
        raise InvalidField("db", "must be the URL of a PostgreSQL server; leave it out to use a new SQLite file")
    engine = create_engine(parsed, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
        try:
            options = {"options": f"-csearch_path={name}"}
            yield parsed.update_query_dict(options).render_as_string(hide_password=False)
        finally:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


def user_id(number: int) -> str:
    """Return the id of a user."""
    return f"u{number:08d}"


def paper_id(number: int) -> str:
    """Return the id of a paper; the papers of the digest come last."""
    return f"p{number // _PAPERS_AT_A_TIME * _PAPERS_AT_A_TIME:06d}-{number % _PAPERS_AT_A_TIME}"


@dataclass(frozen=True)
class UserBatch:
    """Some users and their likes, oldest like first.

    Attributes:
        names: (n,) user ids, ascending.
        liked: (n, likes) numbers of the liked papers; -1 where a user has fewer likes.
        ages: (n, likes) ages of the likes in days.
    """

    names: list[str]
    liked: IndexArray
    ages: IndexArray


def users_of(count: int, likes: int, papers: int) -> Iterator[UserBatch]:
    """Yield the users, some thousand at a time. Each likes papers of two fields, popular papers more often."""
    fields = np.concatenate([_fields(start, papers - start) for start in range(0, papers, _PAPERS_AT_A_TIME)])
    by_field = np.argsort(fields, kind="stable")
    sizes = np.bincount(fields, minlength=FIELDS)
    starts = np.cumsum(sizes) - sizes
    for start in range(0, count, _USERS_AT_A_TIME):
        names = [user_id(number) for number in range(start, min(start + _USERS_AT_A_TIME, count))]
        rng = np.random.default_rng([3, start])
        first, second = rng.integers(0, FIELDS, (2, len(names), 1))
        # The first papers of a field are liked most often.
        places = (rng.random((len(names), 3 * likes)) ** 2 * (sizes[first] + sizes[second])).astype(np.intp)
        chosen = np.where(places < sizes[first], starts[first] + places, starts[second] + places - sizes[first])
        ages = -np.sort(-rng.integers(4, 400, (len(names), likes)), axis=1)
        yield UserBatch(names, _first_distinct(by_field[chosen], likes), ages)


def _first_distinct(rows: IndexArray, count: int) -> IndexArray:
    """Return (n, count) the first distinct values of each row, -1 where there are fewer."""
    by_value = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, by_value, axis=1)
    is_again = np.zeros(rows.shape, dtype=np.bool_)
    np.put_along_axis(is_again, by_value[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return np.take_along_axis(np.where(is_again, -1, rows), np.argsort(is_again, axis=1, kind="stable"), axis=1)[
        :, :count
    ]


def fill(
    url: str,
    user_count: int,
    encoder: str,
    likes: int = LIKES,
    papers: int = PAPERS,
    *,
    with_preferences: bool = True,
) -> None:
    """Fill an empty database with papers, a digest and users.

    Args:
        with_preferences: Whether every fifth user has preferences.
    """
    schema.upgrade(url)
    store = open_store(url)
    write_papers(store, encoder, papers)
    common = {"version": 1, "created_at": NOW, "updated_at": NOW}
    for batch in users_of(user_count, likes, papers):
        with store.connection() as connection:
            connection.execute(insert(users), [{"user_id": name, **common} for name in batch.names])
            if chosen := list(enumerate(batch.names))[::PREFERENCE_EVERY] if with_preferences else []:
                connection.execute(insert(preferences), [_preferences(*each) for each in chosen])
            likes_of_users = zip(batch.names, batch.liked, batch.ages, strict=True)
            if rows := [row for user in likes_of_users for row in _likes(*user)]:
                connection.execute(insert(events), rows)
    store.dispose()


def _preferences(number: int, name: str) -> dict[str, Any]:
    """Return the preferences of a user: a few words and topics; every fiftieth user has the maximum number."""
    count = MAX_PREFERENCES if number % LONG_PREFERENCES_EVERY == 0 else 5

    def phrases(kind: str) -> tuple[str, ...]:
        return tuple(f"word{(number * 31 + each * 17) % 2_000} {kind}{each}" for each in range(count))

    return {
        "user_id": name,
        "followed_topics": (f"c{number % 9}", *phrases("topic")[1:]),
        "muted_topics": phrases("subject"),
        "followed_authors": phrases("author"),
        "muted_authors": phrases("writer"),
        "muted_keywords": phrases("word"),
    }


def _fields(start: int, count: int) -> IndexArray:
    """Return the fields of papers from a number on, the same that ``columns`` draws."""
    return np.random.default_rng(10 + start).integers(0, FIELDS, min(count, _PAPERS_AT_A_TIME))


def made_papers(papers: int) -> Iterator[PaperColumns]:
    """Yield all papers in the order of their numbers, a thousand at a time; those of the digest come last."""
    for start in range(0, papers + CANDIDATES, _PAPERS_AT_A_TIME):
        count = min(_PAPERS_AT_A_TIME, papers + CANDIDATES - start)
        yield columns(count, DIM, 10 + start, f"p{start:06d}-")


def store_papers(
    store: SqlStore, papers: Sequence[Paper], vectors: Float32Array, encoder: str, first_seen_at: dt.datetime
) -> None:
    """Store papers and their vectors in one transaction."""
    hashed = {paper.paper_id: (paper.text_hash, vector) for paper, vector in zip(papers, vectors, strict=True)}
    with store.write() as tx:
        tx.papers.upsert(papers, first_seen_at)
        tx.papers.store_vectors(encoder, hashed)


def random_vectors(rng: np.random.Generator, count: int) -> Float32Array:
    """Return (count, DIM) random unit vectors."""
    vectors = rng.standard_normal((count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_papers(store: SqlStore, encoder: str, papers: int) -> None:
    """Store papers with vectors, and a digest of the last ones."""
    for made in made_papers(papers):
        found = [
            Paper(
                name,
                title,
                text.partition("\n")[2],
                categories=categories,
                published_at=NOW - dt.timedelta(days=i % 30),
            )
            for i, (name, title, text, categories) in enumerate(
                zip(made.paper_ids, made.titles, made.texts, made.categories, strict=True)
            )
        ]
        store_papers(store, found, made.embeddings, encoder, NOW - dt.timedelta(days=1))
    with store.write() as tx:
        candidates = tuple(paper_id(number) for number in range(papers, papers + CANDIDATES))
        tx.digests.save(Digest(digest_id=DIGEST, date=NOW.date(), paper_ids=candidates), NOW)


def _likes(name: str, liked: IndexArray, ages: IndexArray) -> Iterator[dict[str, Any]]:
    for paper, age in zip(liked.tolist(), ages.tolist(), strict=True):
        if paper >= 0:
            yield {
                "event_id": hashlib.blake2b(f"{name}{paper}".encode(), digest_size=12).hexdigest(),
                "user_id": name,
                "paper_id": paper_id(paper),
                "event_type": EventType.LIKE,
                "occurred_at": NOW - dt.timedelta(days=age),
                "slate_id": "",
                "recorded_at": NOW,
            }
