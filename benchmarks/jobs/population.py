"""A made-up service to measure: papers of 40 fields, a digest of 77, readers with 30 likes each, in a database."""

import contextlib
import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, insert, text

from benchmarks.ranker import papers as columns
from database.engine import parse_url
from ranker.papers import PaperColumns
from ranker.types import IndexArray
from service.domain.errors import InvalidField
from service.domain.events import EventType
from service.domain.papers import Digest, Paper
from service.storage import SqlStore, open_store, schema
from service.storage.tables import events

PAPERS = 10_000
CANDIDATES = 77
LIKES = 30
FIELDS = 40
DIM = 384
DIGEST = "today"
NOW = dt.datetime(2026, 3, 11, 8, tzinfo=dt.UTC)
_PAPERS_AT_A_TIME = 1_000
_USERS_AT_A_TIME = 2_000


@contextlib.contextmanager
def empty_database(url: str | None, folder: Path) -> Iterator[str]:
    """The URL of one: a file in the folder, or a schema of its own on a PostgreSQL server, dropped on leaving."""
    if url is None:
        yield f"sqlite:///{folder / 'benchmark.db'}"
        return
    parsed, name = parse_url(url), f"paperfeed_benchmark_{secrets.token_hex(6)}"
    if parsed.get_backend_name() != "postgresql":
        raise InvalidField("db", "must name a PostgreSQL server; without it a new SQLite file is used")
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
    """Of one of the readers."""
    return f"u{number:08d}"


def paper_id(number: int) -> str:
    """Of one of the papers; the digest's come last."""
    return f"p{number // _PAPERS_AT_A_TIME * _PAPERS_AT_A_TIME:06d}-{number % _PAPERS_AT_A_TIME}"


@dataclass(frozen=True)
class PreparedUsers:
    """Some readers and what they like, oldest like first.

    Attributes:
        names: (n,) ids, ascending.
        liked: (n, likes) numbers of papers; -1 where a reader has fewer.
        ages: (n, likes) days.
    """

    names: list[str]
    liked: IndexArray
    ages: IndexArray


def users_of(count: int, likes: int, papers: int) -> Iterator[PreparedUsers]:
    """So many readers, some at a time. They like papers of two fields, popular ones more often."""
    fields = np.concatenate([_fields(start, papers - start) for start in range(0, papers, _PAPERS_AT_A_TIME)])
    by_field = np.argsort(fields, kind="stable")
    sizes = np.bincount(fields, minlength=FIELDS)
    starts = np.cumsum(sizes) - sizes
    for start in range(0, count, _USERS_AT_A_TIME):
        names = [user_id(number) for number in range(start, min(start + _USERS_AT_A_TIME, count))]
        rng = np.random.default_rng([3, start])
        first, second = rng.integers(0, FIELDS, (2, len(names), 1))
        # The first papers of a field are liked most.
        places = (rng.random((len(names), 3 * likes)) ** 2 * (sizes[first] + sizes[second])).astype(np.intp)
        chosen = np.where(places < sizes[first], starts[first] + places, starts[second] + places - sizes[first])
        ages = -np.sort(-rng.integers(4, 400, (len(names), likes)), axis=1)
        yield PreparedUsers(names, _first_distinct(by_field[chosen], likes), ages)


def _first_distinct(rows: IndexArray, count: int) -> IndexArray:
    """(n, count): the first distinct values of each row, -1 where there are fewer."""
    by_value = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, by_value, axis=1)
    is_again = np.zeros(rows.shape, dtype=np.bool_)
    np.put_along_axis(is_again, by_value[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return np.take_along_axis(np.where(is_again, -1, rows), np.argsort(is_again, axis=1, kind="stable"), axis=1)[
        :, :count
    ]


def fill(url: str, users: int, encoder: str, likes: int = LIKES, papers: int = PAPERS) -> None:
    """Fills an empty database with papers, a digest and readers."""
    schema.upgrade(url)
    store = open_store(url)
    write_papers(store, encoder, papers)
    common = {"version": 1, "created_at": NOW, "updated_at": NOW}
    for some in users_of(users, likes, papers):
        with store.connection() as connection:
            connection.execute(insert(users), [{"user_id": name, **common} for name in some.names])
            if rows := [row for each in zip(some.names, some.liked, some.ages, strict=True) for row in _likes(*each)]:
                connection.execute(insert(events), rows)
    store.dispose()


def _fields(start: int, count: int) -> IndexArray:
    """Of papers from a number on; ``columns`` draws the same."""
    return np.random.default_rng(10 + start).integers(0, FIELDS, min(count, _PAPERS_AT_A_TIME))


def made_papers(papers: int) -> Iterator[PaperColumns]:
    """All papers in the order of their numbers, the digest's last, some at a time."""
    for start in range(0, papers + CANDIDATES, _PAPERS_AT_A_TIME):
        count = min(_PAPERS_AT_A_TIME, papers + CANDIDATES - start)
        yield columns(count, DIM, 10 + start, f"p{start:06d}-")


def write_papers(store: SqlStore, encoder: str, papers: int) -> None:
    """Papers with vectors, and a digest of the last ones."""
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
        hashed = {paper.paper_id: (paper.text_hash, row) for paper, row in zip(found, made.embeddings, strict=True)}
        with store.write() as tx:
            tx.papers.upsert(found, NOW - dt.timedelta(days=1))
            tx.papers.store_vectors(encoder, hashed)
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
