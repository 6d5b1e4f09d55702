"""A service's database as a source: users by ranges of their ids, each page in one consistent snapshot."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from batch.errors import DIGESTS_TOLD, UnknownDigest
from batch.export.paper_table import table_of
from batch.population import Population, pages_of_ids, stored_counts
from service.app.ports import PaperStore
from service.app.ranking.signals import signals_of
from service.domain.events import UserState
from service.storage import open_store


class DatabaseSource:
    """See ``batch.source.Source``."""

    def __init__(self, url: str) -> None:
        self._store = open_store(url)

    def candidates(self, digest_id: str, encoder: str) -> tuple[pa.Table, int]:
        """See ``Source.candidates``; papers that are gone are left out."""
        with self._store.read() as tx:
            digest = tx.digests.find(digest_id)
            if digest is None:
                newest = [digest.digest_id for digest, _ in tx.digests.page(after=None, limit=DIGESTS_TOLD)]
                raise UnknownDigest(digest_id, newest)
            found = tx.papers.find_many(digest.paper_ids)
            vectors = tx.papers.vectors(list(found), encoder)
            activities = tx.signals.find_many(list(found))
        papers = [found[paper_id] for paper_id in digest.paper_ids if paper_id in found]
        signals = {name: signals_of(activity) for name, activity in activities.items()}
        return table_of(papers, vectors, signals), digest.version

    def counts(self, population: Population) -> Iterator[tuple[str, int]]:
        """See ``Source.counts``."""
        return stored_counts(self._store, population)

    def users(
        self, after: str, until: str, user_ids: Sequence[str] | None
    ) -> Iterator[tuple[PaperStore, list[tuple[str, UserState | None]]]]:
        """See ``Source.users``."""
        for page in pages_of_ids(self._store, user_ids, after, until):
            with self._store.read() as tx:
                states = tx.users.find_states(page)
                yield tx.papers, [(user_id, states.get(user_id)) for user_id in page]

    def close(self) -> None:
        """See ``Source.close``."""
        self._store.dispose()
