"""Use cases over papers and digests."""

import datetime as dt
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from service.app.ports import Clock, Store, Transaction
from service.domain.callers import AuditEntry
from service.domain.errors import InvalidField, NotFound, QuotaExceeded
from service.domain.papers import (
    REPLACEABLE_FIELDS,
    Digest,
    Paper,
    UpsertOutcome,
    check_digest_date,
    check_id,
    check_paper,
    check_text,
)
from service.domain.search import SearchQuery

MAX_DIGEST_PAPERS = 10_000
MAX_SOURCE_LENGTH = 100


def resolve_all(tx: Transaction, names: Sequence[str], fields: Sequence[str]) -> list[str]:
    """Return the canonical id of each name (id or alias), in the same order.

    Args:
        fields: Field path of each name, for errors.

    Raises:
        NotFound: A name is unknown; the error names the first one and its field.
    """
    known = tx.papers.resolve(names)
    for name, field in zip(names, fields, strict=True):
        if name not in known:
            raise NotFound("paper", name, field=field)
    return [known[name] for name in names]


def indexed(field: str, count: int) -> list[str]:
    """Return the paths of the entries of a repeated field: ``field[0]``, ``field[1]``, ..."""
    return [f"{field}[{i}]" for i in range(count)]


def resolve_distinct(tx: Transaction, names: Sequence[str], field: str) -> tuple[str, ...]:
    """Return the distinct results of ``resolve_all`` for the names in a repeated field, in order."""
    return tuple(dict.fromkeys(resolve_all(tx, names, indexed(field, len(names)))))


def check_papers(papers: Sequence[Paper], path: str) -> list[Paper]:
    """Return the papers of the repeated field ``path`` with trimmed texts.

    Raises:
        InvalidField: A paper breaks a rule, or two papers have the same paper_id.
    """
    checked = [check_paper(paper, name) for paper, name in zip(papers, indexed(path, len(papers)), strict=True)]
    first: dict[str, int] = {}
    for i, paper in enumerate(checked):
        if (same := first.setdefault(paper.paper_id, i)) != i:
            raise InvalidField(f"{path}[{i}].paper_id", f"'{paper.paper_id}' is also the id of {path}[{same}]")
    return checked


class Existing(enum.Enum):
    """What an import does if the digest already exists."""

    REPLACE_SAME_SOURCE = "replace-same-source"
    """Replace it if its papers come from the same source; otherwise take another id, or refuse the given one."""
    ADD = "add"
    """Add the papers that it lacks, whatever their source."""
    REPLACE = "replace"
    """Replace it, whatever its source."""


SEVERAL_SOURCES = "several"
"""Source of a digest to which papers of another source were added."""


@dataclass(frozen=True)
class DigestImport:
    """Result of importing a digest.

    Attributes:
        paper_outcomes: Number of papers by outcome.
        dropped_count: Papers of the previous version of the digest that are no longer in it.
        kept_count: Papers of the previous version of the digest, to which the new ones were added.
    """

    digest: Digest
    digest_outcome: UpsertOutcome
    paper_outcomes: dict[UpsertOutcome, int]
    dropped_count: int
    kept_count: int = 0


class Catalog:
    """Use cases over papers and digests.

    Args:
        on_new_text: Called after a commit that may have left texts to embed; must not block.
        max_papers: Number of stored papers above which ``upsert`` creates none; 0 means no limit.
    """

    def __init__(
        self, store: Store, clock: Clock, on_new_text: Callable[[], None] = lambda: None, *, max_papers: int = 0
    ) -> None:
        self._max_papers = max_papers
        self._store = store
        self._clock = clock
        self._on_new_text = on_new_text

    def upsert(self, papers: Sequence[Paper], fields: Sequence[str] = ()) -> list[tuple[str, UpsertOutcome]]:
        """Check and write papers in one transaction; return (canonical id, outcome) of each in input order.

        Args:
            fields: Fields to replace in stored papers, also with empty values. If empty, each field with a value is
                replaced.

        Raises:
            InvalidField: A paper breaks a rule, or a field cannot be replaced.
            QuotaExceeded: There would be more papers than allowed.
        """
        for name in fields:
            if name not in REPLACEABLE_FIELDS:
                problem = f"'{name}' cannot be replaced; allowed are {', '.join(REPLACEABLE_FIELDS)}"
                raise InvalidField("update_mask", problem)
        checked = check_papers(papers, "papers")
        with self._store.write() as tx:
            results = tx.papers.upsert(checked, self._clock.now(), fields)
            is_larger = any(outcome is UpsertOutcome.CREATED for _, outcome in results)
            if self._max_papers and is_larger and tx.papers.count() > self._max_papers:
                raise QuotaExceeded("papers", self._max_papers)
        self._on_new_text()
        return results

    def import_digest(
        self, digest: Digest, papers: Sequence[Paper], *, existing: Existing = Existing.REPLACE_SAME_SOURCE
    ) -> DigestImport:
        """Write a digest and its papers in one transaction.

        Args:
            digest: Its source is ``KIND`` or ``KIND/ORIGIN``. Without an id it gets ``KIND-DATE``, or
                ``KIND-DATE-ORIGIN`` if the digest of that id has another source.
            existing: What to do if a digest with this id exists.

        Raises:
            InvalidField: A field breaks a rule, there are too many papers, or the digest of this id has another source.
        """
        checked = check_papers(papers, "papers")
        with self._store.write() as tx:
            now = self._clock.now()
            digest, before = self._placed(tx, digest, existing)
            results = tx.papers.upsert(checked, now)
            paper_ids = tuple(dict.fromkeys(paper_id for paper_id, _ in results))
            if before and existing is Existing.ADD:
                paper_ids = tuple(dict.fromkeys((*before.paper_ids, *paper_ids)))
                source = before.source if before.source == digest.source else SEVERAL_SOURCES
                digest = replace(digest, source=source, title=before.title or digest.title)
            if len(paper_ids) > MAX_DIGEST_PAPERS:
                raise InvalidField("papers", f"the digest would have {len(paper_ids)} (at most {MAX_DIGEST_PAPERS})")
            stored, outcome = tx.digests.save(replace(digest, paper_ids=paper_ids), now)
        earlier = set(before.paper_ids if before else ())
        self._on_new_text()
        counts = {kind: sum(1 for _, found in results if found is kind) for kind in UpsertOutcome}
        kept = len(earlier) if existing is Existing.ADD else 0
        return DigestImport(stored, outcome, counts, len(earlier.difference(stored.paper_ids)), kept)

    def _placed(self, tx: Transaction, digest: Digest, existing: Existing) -> tuple[Digest, Digest | None]:
        """Return the digest with an id, and the stored digest of this id.

        Raises:
            InvalidField: The stored digest has another source and may not be changed.
        """
        kind, _, origin = digest.source.partition("/")
        default = f"{kind or 'digest'}-{digest.date.isoformat()}"
        names = [digest.digest_id] if digest.digest_id else [default, *([f"{default}-{origin}"] if origin else [])]
        for name in names:
            named = self.check_digest(replace(digest, digest_id=name))
            before = tx.digests.find(named.digest_id)
            if before is None or existing is not Existing.REPLACE_SAME_SOURCE or before.source == named.source:
                return named, before
        problem = f"the digest '{names[-1]}' has papers of another source; give --add, --replace or another --id"
        raise InvalidField("id", problem)

    def get(self, name: str) -> Paper:
        """Return the paper with this id or alias."""
        return self._get([name], ["paper_id"])[0]

    def batch_get(self, names: Sequence[str]) -> list[Paper]:
        """Return the papers with these ids or aliases, in the same order."""
        return self._get(names, indexed("paper_ids", len(names)))

    def _get(self, names: Sequence[str], fields: Sequence[str]) -> list[Paper]:
        with self._store.read() as tx:
            paper_ids = resolve_all(tx, names, fields)
            found = tx.papers.find_many(paper_ids)
        return [found[paper_id] for paper_id in paper_ids]

    def page(self, *, after: str, limit: int) -> list[Paper]:
        """Return papers with ids greater than ``after``, ascending."""
        with self._store.read() as tx:
            return tx.papers.page(after=after, limit=limit)

    def search(self, query: SearchQuery, *, offset: int, limit: int) -> list[Paper]:
        """Return the papers that match a query, the best match first, from the zero-based place ``offset`` on."""
        with self._store.read() as tx:
            paper_ids = tx.papers.search(query, offset=offset, limit=limit)
            found = tx.papers.find_many(paper_ids)
        return [found[paper_id] for paper_id in paper_ids]

    def delete(self, name: str, entry: AuditEntry | None = None, *, allow_missing: bool = False) -> None:
        """Delete a paper and everything that belongs to it; store the entry of the audit log with it.

        Raises:
            NotFound: The paper is unknown, and ``allow_missing`` is False.
        """
        with self._store.write() as tx:
            paper_id = tx.papers.resolve([name]).get(name)
            if paper_id is not None:
                tx.papers.delete(paper_id)
            elif not allow_missing:
                raise NotFound("paper", name, field="paper_id")
            if entry is not None:
                tx.audit.add(entry)

    def save_digest(self, digest: Digest) -> tuple[Digest, UpsertOutcome]:
        """Create a digest of known papers, or replace the digest with this id. Its paper_ids may be aliases."""
        if len(digest.paper_ids) > MAX_DIGEST_PAPERS:
            problem = f"has {len(digest.paper_ids)} entries; at most {MAX_DIGEST_PAPERS} are allowed"
            raise InvalidField("digest.paper_ids", problem)
        digest = self.check_digest(digest)
        with self._store.write() as tx:
            paper_ids = resolve_distinct(tx, digest.paper_ids, "digest.paper_ids")
            return tx.digests.save(replace(digest, paper_ids=paper_ids), self._clock.now())

    def delete_digest(self, digest_id: str, entry: AuditEntry | None = None, *, allow_missing: bool = False) -> None:
        """Delete a digest, but not its papers and not its slates; store the entry of the audit log with it.

        Raises:
            NotFound: The digest is unknown, and ``allow_missing`` is False.
        """
        with self._store.write() as tx:
            if not tx.digests.delete(digest_id) and not allow_missing:
                raise NotFound("digest", digest_id, field="digest_id")
            if entry is not None:
                tx.audit.add(entry)

    def get_digest(self, digest_id: str) -> Digest:
        """Return a digest with its papers, the newest one for an empty id; raise NotFound if there is none."""
        with self._store.read() as tx:
            digest = tx.digests.find(digest_id) if digest_id else tx.digests.find_newest()
        if digest is None:
            raise NotFound("digest", digest_id or "(newest)", field="digest_id")
        return digest

    def digests(self, *, after: tuple[dt.date, str] | None, limit: int) -> list[tuple[Digest, int]]:
        """Return (digest without its papers, number of papers), latest date first."""
        with self._store.read() as tx:
            return tx.digests.page(after=after, limit=limit)

    def check_digest(self, digest: Digest) -> Digest:
        """Return ``digest`` with trimmed texts and an id; raise InvalidField if a field breaks a rule."""
        check_digest_date(digest.date, self._clock.now(), "digest.date")
        source = check_id(digest.source, "digest.source") if digest.source else ""
        source = check_text(source, "digest.source", max_length=MAX_SOURCE_LENGTH)
        digest_id = digest.digest_id or f"{source or 'digest'}-{digest.date.isoformat()}"
        return replace(
            digest,
            digest_id=check_id(digest_id, "digest.digest_id"),
            source=source,
            title=check_text(digest.title, "digest.title", max_length=2_000),
        )
