"""A made-up service to measure: papers of 40 fields, a digest of 77, readers with 30 likes each, in a database."""

import contextlib
import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import create_engine, insert, text

from benchmarks.ranker import papers as columns
from service.domain.errors import InvalidField
from service.domain.events import EventType
from service.domain.papers import Digest, Paper
from service.storage import SqlStore, open_store, schema
from service.storage.engine import parse_url
from service.storage.tables import events, users

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


def fill(url: str, readers: int, encoder: str, likes: int = LIKES, papers: int = PAPERS) -> None:
    """Fills an empty database. Readers like papers of two fields, popular ones more often."""
    schema.upgrade(url)
    store = open_store(url)
    fields = write_papers(store, encoder, papers)
    rng = np.random.default_rng(3)
    by_field = [np.flatnonzero(fields == field) for field in range(FIELDS)]
    for start in range(0, readers, _USERS_AT_A_TIME):
        with store.connection() as connection:
            names = [user_id(number) for number in range(start, min(start + _USERS_AT_A_TIME, readers))]
            common = {"version": 1, "created_at": NOW, "updated_at": NOW}
            connection.execute(insert(users), [{"user_id": name, **common} for name in names])
            if likes:
                connection.execute(
                    insert(events), [row for name in names for row in _likes(name, by_field, likes, rng)]
                )
    store.dispose()


def write_papers(store: SqlStore, encoder: str, papers: int) -> npt.NDArray[np.intp]:
    """Papers with vectors, and a digest of the last ones; gives the field of each."""
    fields = np.empty(0, dtype=int)
    for start in range(0, papers + CANDIDATES, _PAPERS_AT_A_TIME):
        count = min(_PAPERS_AT_A_TIME, papers + CANDIDATES - start)
        made = columns(count, DIM, 10 + start, f"p{start:06d}-")
        found = [
            Paper(
                paper_id,
                title,
                text.partition("\n")[2],
                categories=categories,
                published_at=NOW - dt.timedelta(days=i % 30),
            )
            for i, (paper_id, title, text, categories) in enumerate(
                zip(made.paper_ids, made.titles, made.texts, made.categories, strict=True)
            )
        ]
        hashed = {paper.paper_id: (paper.text_hash, row) for paper, row in zip(found, made.embeddings, strict=True)}
        with store.write() as tx:
            tx.papers.upsert(found, NOW - dt.timedelta(days=1))
            tx.papers.store_vectors(encoder, hashed)
        fields = np.concatenate((fields, np.random.default_rng(10 + start).integers(0, FIELDS, count)))
    with store.write() as tx:
        ids = [paper.paper_id for paper in tx.papers.page(after="", limit=papers + CANDIDATES)]
        tx.digests.save(Digest(digest_id=DIGEST, date=NOW.date(), paper_ids=tuple(ids[-CANDIDATES:])), NOW)
    return fields[:papers]


def _likes(name: str, by_field: list[np.ndarray], likes: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    first, second = rng.integers(0, FIELDS, 2)
    pool = np.concatenate((by_field[first], by_field[second]))
    # The first papers of a field are liked most.
    drawn = pool[(len(pool) * rng.random(3 * likes) ** 2).astype(int)]
    chosen = np.array(list(dict.fromkeys(drawn.tolist()))[:likes])
    return [
        {
            "event_id": hashlib.blake2b(f"{name}{paper}".encode(), digest_size=12).hexdigest(),
            "user_id": name,
            "paper_id": paper_id(paper),
            "event_type": EventType.LIKE,
            "occurred_at": NOW - dt.timedelta(days=age),
            "slate_id": "",
            "recorded_at": NOW,
        }
        for paper, age in zip(chosen.tolist(), rng.integers(4, 400, len(chosen)).tolist(), strict=True)
    ]
