"""Writing papers: identical papers are found in memory, then each changed row is written once."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from database.statements import chunks, from_row, put_rows, rows_in, to_row
from service.domain.identifiers import is_by_title
from service.domain.papers import EmbeddingState, Paper, UpsertOutcome
from service.storage.changes import lock_catalogue, lock_signals, log_all_vectors, log_signals
from service.storage.digests import touch_digests
from service.storage.tables import embedding_jobs, embeddings, paper_aliases, paper_signals, papers
from service.storage.users import touch_users_of

_UPDATE = update(papers).where(papers.c.paper_id == bindparam("key"))


def upsert_papers(
    connection: Connection, given: Sequence[Paper], now: dt.datetime, fields: Collection[str] = ()
) -> list[tuple[str, UpsertOutcome]]:
    """See ``PaperStore.upsert``.

    If the aliases of a paper match two stored papers, its own id decides, then its other aliases in their order; the
    stored papers are not merged. Many papers share a title, so a title never matches a paper with another arXiv id. It
    matches a paper with another DOI only if they share an author: a preprint and its article have two DOIs.
    """
    lock_catalogue(connection)
    batch = _Batch.load(connection, given)
    outcomes = [batch.merge(paper, now, fields) for paper in given]
    batch.write(connection, now)
    return outcomes


@dataclass(slots=True)
class _Batch:
    """The papers of one call.

    Attributes:
        stored: Papers as they are in the database.
        merged: Papers as they will be.
        id_by_alias: Paper id of each alias.
        aliases: All aliases of each paper id.
        new_aliases: Rows to insert.
    """

    stored: dict[str, Paper]
    merged: dict[str, Paper]
    id_by_alias: dict[str, str]
    aliases: dict[str, set[str]]
    new_aliases: list[dict[str, str]]

    @classmethod
    def load(cls, connection: Connection, given: Sequence[Paper]) -> "_Batch":
        given_aliases = list(dict.fromkeys(alias for paper in given for alias in paper.aliases))
        found = rows_in(connection, select(paper_aliases), paper_aliases.c.alias, given_aliases)
        id_by_alias = {row.alias: row.paper_id for row in found}
        ids = list(dict.fromkeys(id_by_alias.values()))
        rows = rows_in(connection, select(papers), papers.c.paper_id, ids)
        stored = {row.paper_id: from_row(Paper, row) for row in rows}
        aliases: dict[str, set[str]] = {}
        for row in rows_in(connection, select(paper_aliases), paper_aliases.c.paper_id, ids):
            aliases.setdefault(row.paper_id, set()).add(row.alias)
        return cls(stored=stored, merged=dict(stored), id_by_alias=id_by_alias, aliases=aliases, new_aliases=[])

    def merge(self, paper: Paper, now: dt.datetime, fields: Collection[str]) -> tuple[str, UpsertOutcome]:
        known_id = self._find_same(paper)
        if known_id is None:
            first_seen_at = paper.first_seen_at or now
            merged = replace(paper, first_seen_at=first_seen_at, embedding_state=EmbeddingState.PENDING)
            outcome = UpsertOutcome.CREATED
        else:
            merged = paper.merged_into(self.merged[known_id], fields)
            outcome = UpsertOutcome.UNCHANGED if merged == self.merged[known_id] else UpsertOutcome.UPDATED
        self.merged[merged.paper_id] = merged
        # The aliases of the stored paper stay.
        for alias in paper.aliases:
            if alias not in self.id_by_alias:
                self.id_by_alias[alias] = merged.paper_id
                self.aliases.setdefault(merged.paper_id, set()).add(alias)
                self.new_aliases.append({"alias": alias, "paper_id": merged.paper_id})
        return merged.paper_id, outcome

    def _find_same(self, paper: Paper) -> str | None:
        for alias in paper.aliases:
            known_id = self.id_by_alias.get(alias)
            if known_id is None:
                continue
            # A match of the paper's own id always counts, even if the id is made from the title.
            if alias == paper.paper_id or not is_by_title(alias):
                return known_id
            if not paper.is_other_than(self.merged[known_id], alias, names=self.aliases[known_id]):
                return known_id
        return None

    def write(self, connection: Connection, now: dt.datetime) -> None:
        created = [paper for paper_id, paper in self.merged.items() if paper_id not in self.stored]
        updated = [paper for paper_id, paper in self.merged.items() if paper != self.stored.get(paper_id, paper)]
        new_text = {paper.paper_id for paper in updated if paper.text_hash != self.stored[paper.paper_id].text_hash}
        if created:
            connection.execute(papers.insert(), [_row_of(paper) for paper in created])
        if updated:
            changes = [_row_of(paper, pending=paper.paper_id in new_text) for paper in updated]
            connection.execute(_UPDATE, [row | {"key": row.pop("paper_id")} for row in changes])
        if self.new_aliases:
            connection.execute(paper_aliases.insert(), self.new_aliases)
        _forget_vectors(connection, sorted(new_text))
        touch_digests(connection, [paper.paper_id for paper in updated])
        touch_users_of(connection, [paper.paper_id for paper in updated if self._changes_profiles(paper)])
        self._write_signals(connection, [*created, *updated], now)

    def _changes_profiles(self, paper: Paper) -> bool:
        """Return whether a field that profiles are built from has changed."""
        stored = self.stored[paper.paper_id]
        return (paper.text_hash, paper.categories) != (stored.text_hash, stored.categories)

    def _write_signals(self, connection: Connection, changed: Sequence[Paper], now: dt.datetime) -> None:
        # Upvotes of a new paper count from when the paper was first seen: a digest of last month that is imported today
        # must not make them look recent. The upvotes of a stored paper are those of its last snapshot.
        snapshots = [
            {
                "paper_id": paper.paper_id,
                "seen_at": now if paper.paper_id in self.stored else min(paper.first_seen_at or now, now),
                "upvotes": paper.upvotes,
            }
            for paper in changed
            if paper.upvotes is not None
            and (paper.paper_id not in self.stored or paper.upvotes != self.stored[paper.paper_id].upvotes)
        ]
        cleared = [
            paper.paper_id
            for paper in changed
            if paper.upvotes is None
            and paper.paper_id in self.stored
            and self.stored[paper.paper_id].upvotes is not None
        ]
        put_rows(connection, paper_signals, snapshots)
        for chunk in chunks(cleared):
            connection.execute(delete(paper_signals).where(paper_signals.c.paper_id.in_(chunk)))
        if snapshots or cleared:
            lock_signals(connection)
            log_signals(connection, [*cleared, *(str(snapshot["paper_id"]) for snapshot in snapshots)])


def _row_of(paper: Paper, *, pending: bool = False) -> dict[str, Any]:
    state = EmbeddingState.PENDING if pending else paper.embedding_state
    return to_row(paper, text_hash=paper.text_hash, embedding_state=state)


def _forget_vectors(connection: Connection, paper_ids: Sequence[str]) -> None:
    # Leases stay. They name the old text, so they block nobody, but they tell ``mark_failed`` which text was claimed.
    log_all_vectors(connection, paper_ids)
    for chunk in chunks(paper_ids):
        connection.execute(delete(embeddings).where(embeddings.c.paper_id.in_(chunk)))
        failed = embedding_jobs.c.paper_id.in_(chunk) & embedding_jobs.c.is_failed
        connection.execute(delete(embedding_jobs).where(failed))
