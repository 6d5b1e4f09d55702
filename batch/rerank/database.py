"""A service's database as the source of a re-rank; each page of users is read in one transaction."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import pyarrow as pa

from batch.chunks import pages
from batch.errors import NEWEST_DIGESTS, UnknownDigest
from batch.export.paper_table import table_of
from batch.export.profile_table import USERS_AT_A_TIME
from service.app.ports import PaperStore, Store
from service.app.ranking.signals import signals_of
from service.domain.events import UserState
from service.storage import open_store


class DatabaseSource:
    """See ``batch.rerank.source.Source``."""

    def __init__(self, url: str) -> None:
        self._store = open_store(url)

    def candidates(self, digest_id: str, encoder: str) -> tuple[pa.Table, int]:
        """See ``Source.candidates``."""
        with self._store.read() as tx:
            digest = tx.digests.find(digest_id)
            if digest is None:
                newest = [digest.digest_id for digest, _ in tx.digests.page(after=None, limit=NEWEST_DIGESTS)]
                raise UnknownDigest(digest_id, newest)
            found = tx.papers.find_many(digest.paper_ids)
            vectors = tx.papers.vectors(list(found), encoder)
            activities = tx.signals.find_many(list(found))
        papers = [found[paper_id] for paper_id in digest.paper_ids if paper_id in found]
        signals = {name: signals_of(activity) for name, activity in activities.items()}
        return table_of(papers, vectors, signals), digest.version

    def counts(self, user_ids: Sequence[str] | None) -> Iterator[tuple[str, int]]:
        """See ``Source.counts``."""
        for page in pages_of_ids(self._store, user_ids):
            with self._store.read() as tx:
                counts = tx.users.event_counts(page)
            yield from ((user_id, counts.get(user_id, 0)) for user_id in page)

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


def pages_of_ids(
    store: Store, user_ids: Sequence[str] | None, after: str = "", until: str | None = None
) -> Iterator[Sequence[str]]:
    """Yield the users of the list, or all known users in (after, until], ascending, some hundred at a time."""
    if user_ids is not None:
        yield from pages(user_ids, USERS_AT_A_TIME)
        return
    while True:
        with store.read() as tx:
            page = tx.users.page_ids(after=after, limit=USERS_AT_A_TIME)
        found = page if until is None else page[: bisect_right(page, until)]
        if found:
            yield found
        if len(found) < USERS_AT_A_TIME:
            return
        after = found[-1]
