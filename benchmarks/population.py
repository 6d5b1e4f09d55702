"""A made-up service to rank in bulk: papers of 40 fields, a digest of 77, readers with 30 likes each, in SQLite."""

import datetime as dt
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.ranker import papers as columns
from service.domain.papers import Digest, Paper
from service.storage import SqlStore, open_store, schema

PAPERS = 10_000
CANDIDATES = 77
LIKES = 30
FIELDS = 40
DIM = 384
DIGEST = "today"
NOW = dt.datetime(2026, 3, 11, 8, tzinfo=dt.UTC)
_PAPERS_AT_A_TIME = 1_000
_USERS_AT_A_TIME = 2_000
_USER = "INSERT INTO users (user_id, version, created_at, updated_at) VALUES (?, 1, ?, ?)"
_EVENT = (
    "INSERT INTO events (event_id, user_id, paper_id, event_type, occurred_at, slate_id, recorded_at) "
    "VALUES (?, ?, ?, 'like', ?, '', ?)"
)


def fill(path: Path, users: int, encoder: str, likes: int = LIKES, papers: int = PAPERS) -> str:
    """Makes the database; gives its URL. Readers like papers of two fields, popular ones more often."""
    url = f"sqlite:///{path}"
    schema.upgrade(url)
    store = open_store(url)
    fields = write_papers(store, encoder, papers)
    rng = np.random.default_rng(3)
    by_field = [np.flatnonzero(fields == field) for field in range(FIELDS)]
    for start in range(0, users, _USERS_AT_A_TIME):
        with store.connection() as connection:
            names = [f"u{number:08d}" for number in range(start, min(start + _USERS_AT_A_TIME, users))]
            connection.exec_driver_sql(_USER, [(name, _text(NOW), _text(NOW)) for name in names])
            if likes:
                connection.exec_driver_sql(
                    _EVENT, [row for name in names for row in _likes(name, by_field, likes, rng)]
                )
    store.dispose()
    return url


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


def _likes(name: str, by_field: list[np.ndarray], likes: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    first, second = rng.integers(0, FIELDS, 2)
    pool = np.concatenate((by_field[first], by_field[second]))
    # The first papers of a field are liked most.
    drawn = pool[(len(pool) * rng.random(3 * likes) ** 2).astype(int)]
    chosen = np.array(list(dict.fromkeys(drawn.tolist()))[:likes])
    return [
        (
            hashlib.blake2b(f"{name}{paper}".encode(), digest_size=12).hexdigest(),
            name,
            f"p{paper // _PAPERS_AT_A_TIME * _PAPERS_AT_A_TIME:06d}-{paper % _PAPERS_AT_A_TIME}",
            _text(NOW - dt.timedelta(days=float(age))),
            _text(NOW),
        )
        for paper, age in zip(chosen.tolist(), rng.integers(4, 400, len(chosen)), strict=True)
    ]


def _text(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
