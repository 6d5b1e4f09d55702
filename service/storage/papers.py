"""Papers in the database: aliases, texts and vectors. ``upserts`` writes texts and aliases."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)

from database.statements import chunks, from_row, put_rows, rows_in
from service.app.ports import PendingText, Vectors
from service.domain.identifiers import lookup_keys
from service.domain.papers import EmbeddingState, Paper, PaperMark, UpsertOutcome, embedding_text
from service.domain.search import SearchQuery
from service.storage.changes import lock_catalogue, log_all_vectors, log_vectors
from service.storage.digests import touch_digests
from service.storage.search.statements import search
from service.storage.tables import embedding_jobs, embeddings, paper_aliases, papers, vector_changes
from service.storage.upserts import upsert_papers
from service.storage.users import touch_users_of

# Vectors of about 1.5 kB each.
_ROWS_AT_A_TIME = 2_000

_ALIASES = select(paper_aliases)
_PAPERS = select(papers)
_HAS_VECTOR = exists().where(embeddings.c.encoder == bindparam("encoder"), embeddings.c.paper_id == papers.c.paper_id)
_IS_FAILED = and_(embedding_jobs.c.encoder == bindparam("encoder"), embedding_jobs.c.is_failed)
_HAS_FAILED = exists().where(embedding_jobs.c.paper_id == papers.c.paper_id, _IS_FAILED)
_IS_LEASED = exists().where(
    embedding_jobs.c.encoder == bindparam("encoder"),
    embedding_jobs.c.paper_id == papers.c.paper_id,
    embedding_jobs.c.text_hash == papers.c.text_hash,
    embedding_jobs.c.leased_until > bindparam("now", type_=embedding_jobs.c.leased_until.type),
)
# Three counts over indexes take a millisecond, where a search for missing rows takes fifty (100,000 papers). The
# difference is exact, because vectors and failures are kept of present texts only, and no text has both.
_PENDING_COUNT = select(
    select(func.count()).select_from(papers).scalar_subquery()
    - select(func.count()).where(embeddings.c.encoder == bindparam("encoder")).scalar_subquery()
    - select(func.count()).where(_IS_FAILED).scalar_subquery()
)
_PENDING = select(papers.c.paper_id, papers.c.title, papers.c.abstract, papers.c.text_hash).where(
    ~_HAS_VECTOR, ~_HAS_FAILED
)
_CLAIMABLE = _PENDING.where(~_IS_LEASED).order_by(papers.c.first_seen_at, papers.c.paper_id).limit(bindparam("limit"))
# In the order of paper ids, so that a batch job can embed a catalog in ranges. _CLAIMABLE skips all finished texts in
# each call. That suits the few new papers of a running service, but takes quadratic time for a million papers.
_PENDING_BETWEEN = (
    _PENDING.where(papers.c.paper_id > bindparam("after"), papers.c.paper_id <= bindparam("until"))
    .order_by(papers.c.paper_id)
    .limit(bindparam("limit"))
)
_PENDING_SIZES = (
    _PENDING.with_only_columns(
        papers.c.paper_id, (func.length(papers.c.title) + func.length(papers.c.abstract)).label("size")
    )
    .order_by(papers.c.paper_id)
    .execution_options(yield_per=5_000)
)
_OF_TEXT = and_(
    embedding_jobs.c.encoder == bindparam("of_encoder"),
    embedding_jobs.c.paper_id == bindparam("key"),
    embedding_jobs.c.text_hash == bindparam("hash"),
)
_END_JOB = delete(embedding_jobs).where(_OF_TEXT)
_END_LEASE = delete(embedding_jobs).where(_OF_TEXT, ~embedding_jobs.c.is_failed)
_EXTEND_LEASE = update(embedding_jobs).where(_OF_TEXT, ~embedding_jobs.c.is_failed)

_VECTOR_VERSION = select(func.coalesce(func.max(vector_changes.c.version), 0)).where(
    vector_changes.c.encoder == bindparam("encoder")
)
_CHANGED_VECTORS = select(vector_changes.c.paper_id).where(
    vector_changes.c.encoder == bindparam("encoder"), vector_changes.c.version > bindparam("version")
)

_MARKS = select(
    papers.c.paper_id, papers.c.text_hash, papers.c.categories, embeddings.c.paper_id.is_not(None).label("has_vector")
).select_from(
    papers.outerjoin(
        embeddings, and_(embeddings.c.paper_id == papers.c.paper_id, embeddings.c.encoder == bindparam("encoder"))
    )
)


class SqlPapers:
    """``service.app.ports.PaperStore`` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def upsert(
        self, papers: Sequence[Paper], now: dt.datetime, fields: Collection[str] = ()
    ) -> list[tuple[str, UpsertOutcome]]:
        return upsert_papers(self._connection, papers, now, fields)

    def resolve(self, names: Sequence[str]) -> dict[str, str]:
        keys_by_name = {name: lookup_keys(name) for name in names}
        keys = list(dict.fromkeys(chain.from_iterable(keys_by_name.values())))
        found = {row.alias: row.paper_id for row in self._rows(_ALIASES, paper_aliases.c.alias, keys)}
        matches = {name: [found[key] for key in keys if key in found] for name, keys in keys_by_name.items()}
        return {name: paper_ids[0] for name, paper_ids in matches.items() if paper_ids}

    def find_many(self, paper_ids: Sequence[str]) -> dict[str, Paper]:
        return {row.paper_id: from_row(Paper, row) for row in self._rows(_PAPERS, papers.c.paper_id, paper_ids)}

    def marks(self, paper_ids: Sequence[str], encoder: str) -> dict[str, PaperMark]:
        rows = rows_in(self._connection, _MARKS, papers.c.paper_id, paper_ids, {"encoder": encoder})
        return {row.paper_id: PaperMark(row.text_hash, row.categories, bool(row.has_vector)) for row in rows}

    def page(self, *, after: str, limit: int) -> list[Paper]:
        statement = select(papers).where(papers.c.paper_id > after).order_by(papers.c.paper_id).limit(limit)
        return [from_row(Paper, row) for row in self._connection.execute(statement)]

    def first_seen_between(self, start: dt.datetime, end: dt.datetime, *, limit: int) -> list[str]:
        statement = (
            select(papers.c.paper_id)
            .where(papers.c.first_seen_at >= start, papers.c.first_seen_at < end)
            .order_by(papers.c.first_seen_at.desc(), papers.c.paper_id)
            .limit(limit)
        )
        return list(self._connection.scalars(statement))

    def search(self, query: SearchQuery, *, offset: int, limit: int) -> list[str]:
        return search(self._connection, query, offset=offset, limit=limit)

    def delete(self, paper_id: str) -> bool:
        lock_catalogue(self._connection)
        is_paper = papers.c.paper_id == paper_id
        if self._connection.execute(select(papers.c.paper_id).where(is_paper)).first() is None:
            return False
        touch_users_of(self._connection, [paper_id])
        touch_digests(self._connection, [paper_id])
        log_all_vectors(self._connection, [paper_id])
        self._connection.execute(delete(papers).where(is_paper))
        return True

    def count(self) -> int:
        return self._connection.execute(select(func.count()).select_from(papers)).scalar_one()

    def vectors(self, paper_ids: Sequence[str], encoder: str) -> dict[str, Vectors]:
        statement = select(embeddings.c.paper_id, embeddings.c.vector).where(embeddings.c.encoder == encoder)
        rows = self._rows(statement, embeddings.c.paper_id, paper_ids)
        return {row.paper_id: _vectors_of(row.vector) for row in rows if len(row.vector) % 4 == 0}

    def all_vectors(self, encoder: str) -> tuple[list[str], Vectors]:
        parts = list(self.vector_parts(encoder))
        ids = [paper_id for part, _ in parts for paper_id in part]
        return ids, np.concatenate([vectors for _, vectors in parts]) if parts else np.empty((0, 0), np.float32)

    def vector_parts(self, encoder: str) -> Iterator[tuple[list[str], Vectors]]:
        some = select(embeddings.c.dim).where(embeddings.c.encoder == encoder).order_by(embeddings.c.paper_id)
        dims = Counter(self._connection.scalars(some.limit(_ROWS_AT_A_TIME)))
        size = 4 * max(dims, key=lambda dim: (dims[dim], dim), default=0)
        statement = (
            select(embeddings.c.paper_id, embeddings.c.vector)
            .where(embeddings.c.encoder == encoder)
            .order_by(embeddings.c.paper_id)
            .execution_options(yield_per=_ROWS_AT_A_TIME)
        )
        for part in self._connection.execute(statement).partitions():
            if rows := [row for row in part if len(row.vector) == size]:
                vectors = _vectors_of(b"".join(row.vector for row in rows)).reshape(len(rows), -1)
                yield [row.paper_id for row in rows], vectors

    def vector_version(self, encoder: str) -> int:
        return int(self._connection.execute(_VECTOR_VERSION, {"encoder": encoder}).scalar_one())

    def vectors_changed_since(self, encoder: str, version: int) -> list[str]:
        return list(self._connection.scalars(_CHANGED_VECTORS, {"encoder": encoder, "version": version}))

    def claim_pending(self, encoder: str, *, limit: int, now: dt.datetime, lease: dt.timedelta) -> list[PendingText]:
        lock_catalogue(self._connection)
        if self.pending_count(encoder) == 0:
            return []
        rows = self._connection.execute(_CLAIMABLE, {"encoder": encoder, "now": now, "limit": limit}).all()
        self._put_jobs(encoder, {row.paper_id: row.text_hash for row in rows}, until=now + lease, is_failed=False)
        return list(map(_pending_text, rows))

    def store_vectors(self, encoder: str, vectors: Mapping[str, tuple[str, Vectors]]) -> int:
        lock_catalogue(self._connection)
        present = self._text_hashes(list(vectors))
        fitting = [paper_id for paper_id, (text_hash, _) in vectors.items() if present.get(paper_id) == text_hash]
        rows = [_row_of(encoder, paper_id, *vectors[paper_id]) for paper_id in fitting]
        put_rows(self._connection, embeddings, rows)
        self._change_jobs(_END_JOB, encoder, {key: text_hash for key, (text_hash, _) in vectors.items()})
        log_vectors(self._connection, encoder, fitting)
        self._set_state(fitting, EmbeddingState.READY)
        touch_digests(self._connection, fitting)
        touch_users_of(self._connection, fitting)
        return len(fitting)

    def extend_leases(self, encoder: str, texts: Sequence[PendingText], *, until: dt.datetime) -> None:
        lock_catalogue(self._connection)
        self._change_jobs(_EXTEND_LEASE.values(leased_until=until), encoder, _hashes_of(texts))

    def end_leases(self, encoder: str, texts: Sequence[PendingText]) -> None:
        lock_catalogue(self._connection)
        self._change_jobs(_END_LEASE, encoder, _hashes_of(texts))

    def odd_vectors(self, encoder: str, dim: int) -> list[str]:
        sizes = select(embeddings.c.paper_id, embeddings.c.dim, func.length(embeddings.c.vector).label("size"))
        statement = sizes.where(embeddings.c.encoder == encoder).execution_options(yield_per=5_000)
        rows = self._connection.execute(statement)
        return [row.paper_id for row in rows if (row.dim, row.size) != (dim, 4 * dim)]

    def forget_vectors(self, encoder: str, paper_ids: Sequence[str]) -> None:
        lock_catalogue(self._connection)
        log_vectors(self._connection, encoder, paper_ids)
        for chunk in chunks(paper_ids):
            chosen = and_(embeddings.c.encoder == encoder, embeddings.c.paper_id.in_(chunk))
            self._connection.execute(delete(embeddings).where(chosen))
        others = select(embeddings.c.paper_id).distinct()
        embedded = {row.paper_id for row in self._rows(others, embeddings.c.paper_id, paper_ids)}
        self._set_state([each for each in paper_ids if each not in embedded], EmbeddingState.PENDING)
        touch_digests(self._connection, paper_ids)
        touch_users_of(self._connection, paper_ids)

    def mark_failed(self, encoder: str, paper_ids: Sequence[str]) -> None:
        """See ``PaperStore.mark_failed``. A text that changed since it was claimed is not marked."""
        lock_catalogue(self._connection)
        vectors = select(embeddings.c.paper_id).where(embeddings.c.encoder == encoder)
        embedded = {row.paper_id for row in self._rows(vectors, embeddings.c.paper_id, paper_ids)}
        claims = select(embedding_jobs).where(embedding_jobs.c.encoder == encoder)
        claimed = {row.paper_id: row.text_hash for row in self._rows(claims, embedding_jobs.c.paper_id, paper_ids)}
        failed = {
            paper_id: text_hash
            for paper_id, text_hash in self._text_hashes(paper_ids).items()
            if paper_id not in embedded and claimed.get(paper_id, text_hash) == text_hash
        }
        self._put_jobs(encoder, failed, until=None, is_failed=True)
        self._set_state(list(failed), EmbeddingState.FAILED)

    def pending_count(self, encoder: str) -> int:
        return int(self._connection.execute(_PENDING_COUNT, {"encoder": encoder}).scalar_one())

    def pending_sizes(self, encoder: str) -> Iterator[tuple[str, int]]:
        for row in self._connection.execute(_PENDING_SIZES, {"encoder": encoder}):
            yield row.paper_id, row.size

    def pending_between(self, encoder: str, *, after: str, until: str, limit: int) -> list[PendingText]:
        bounds = {"encoder": encoder, "after": after, "until": until, "limit": limit}
        return [_pending_text(row) for row in self._connection.execute(_PENDING_BETWEEN, bounds)]

    def encoders(self) -> dict[str, int]:
        statement = select(embeddings.c.encoder, func.count().label("vector_count")).group_by(embeddings.c.encoder)
        return {row.encoder: row.vector_count for row in self._connection.execute(statement)}

    def _rows(self, statement: Select[Any], column: ColumnElement[Any], values: Sequence[str]) -> Iterator[Row[Any]]:
        return rows_in(self._connection, statement, column, values)

    def _text_hashes(self, paper_ids: Sequence[str]) -> dict[str, str]:
        statement = select(papers.c.paper_id, papers.c.text_hash)
        return {row.paper_id: row.text_hash for row in self._rows(statement, papers.c.paper_id, paper_ids)}

    def _change_jobs(self, statement: Delete | Update, encoder: str, text_hashes: Mapping[str, str]) -> None:
        if text_hashes:
            rows = [{"of_encoder": encoder, "key": key, "hash": text_hash} for key, text_hash in text_hashes.items()]
            self._connection.execute(statement, rows)

    def _put_jobs(
        self, encoder: str, text_hashes: Mapping[str, str], *, until: dt.datetime | None, is_failed: bool
    ) -> None:
        fixed = {"encoder": encoder, "leased_until": until, "is_failed": is_failed}
        rows = [fixed | {"paper_id": paper_id, "text_hash": text_hash} for paper_id, text_hash in text_hashes.items()]
        put_rows(self._connection, embedding_jobs, rows)

    def _set_state(self, paper_ids: Sequence[str], state: EmbeddingState) -> None:
        # Papers that another encoder has embedded are READY already; PostgreSQL would rewrite their rows for nothing.
        differs = papers.c.embedding_state != state
        for chunk in chunks(paper_ids):
            chosen = papers.c.paper_id.in_(chunk)
            self._connection.execute(update(papers).where(chosen, differs).values(embedding_state=state))


def _hashes_of(texts: Sequence[PendingText]) -> dict[str, str]:
    return {pending.paper_id: pending.text_hash for pending in texts}


def _pending_text(row: Any) -> PendingText:
    return PendingText(row.paper_id, embedding_text(row.title, row.abstract), row.text_hash)


def _row_of(encoder: str, paper_id: str, text_hash: str, vector: Vectors) -> dict[str, Any]:
    little_endian = np.ascontiguousarray(vector, dtype="<f4")
    return {
        "encoder": encoder,
        "paper_id": paper_id,
        "text_hash": text_hash,
        "dim": little_endian.size,
        "vector": little_endian.tobytes(),
    }


def _vectors_of(data: bytes | bytearray) -> Vectors:
    return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)
