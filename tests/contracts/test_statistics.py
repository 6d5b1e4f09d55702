"""The contract of stores for statistics of the catalog, and what is counted and when, on SQLite and PostgreSQL."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from ranker.bundle.bundle import load_bundle
from ranker.spaces.statistics import CorpusStatistics, count_corpus, count_terms
from service.app import statistics
from service.app.ports import StatisticsVersion, Store
from service.app.ranking.serving import Serving
from service.app.statistics import count_catalog, count_if_due, is_due
from service.domain.papers import Paper
from service.encoder.hashing import DIM
from testing.bundles import write_tiny_bundle
from testing.ranker import model_text
from tests.contracts.samples import CLOCK, HOUR, NOW, ON_SQLITE, FixedClock, in_threads, paper

ENCODER = "made-up"
DAY, LEASE = 24 * HOUR, dt.timedelta(minutes=10)


def claim(store: Store, now: dt.datetime = NOW, *, encoder: str = ENCODER, after: int = 0) -> int | None:
    with store.write() as tx:
        return tx.statistics.claim(encoder, after=after, paper_count=7, vector_version=3, now=now, lease=LEASE)


def put(store: Store, version: int | None, now: dt.datetime = NOW, data: bytes = b"counted") -> bool:
    assert version is not None
    with store.write() as tx:
        return tx.statistics.put(version, data, now=now, keep=30 * DAY)


def counted(store: Store, by: dt.datetime | None = None, encoder: str = ENCODER) -> list[int]:
    with store.read() as tx:
        return [each.version for each in tx.statistics.counted(encoder, by=by)]


def add(store: Store, numbers: Sequence[int], *, pending: int = 0, dim: int = DIM) -> list[Paper]:
    """Store papers, one more minute old with each number, and vectors of all but the last ``pending``."""
    papers = [paper(number, first_seen_at=NOW - number * dt.timedelta(minutes=1)) for number in numbers]
    with store.write() as tx:
        tx.papers.upsert(papers, NOW)
        ready = papers[: len(papers) - pending]
        tx.papers.store_vectors(ENCODER, {each.paper_id: (each.text_hash, unit_of(each, dim)) for each in ready})
    return papers


def unit_of(each: Paper, dim: int = DIM) -> np.ndarray:
    vector = np.random.default_rng(int(each.paper_id[1:])).standard_normal(dim).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector))


class TestVersions:
    """Claims and versions in the store."""

    def test_one_process_counts(self, store: Store) -> None:
        """While one process has a claim, another gets none; for another encoder it does."""
        first = claim(store)

        assert first is not None
        assert claim(store) is None
        assert claim(store, NOW + LEASE - dt.timedelta(seconds=1)) is None
        assert claim(store, encoder="other") is not None
        assert counted(store) == []

    def test_claims_at_the_same_time(self, store: Store) -> None:
        """Of four claims at the same time one succeeds."""
        found: list[int | None] = []
        in_threads(*[lambda: found.append(claim(store))] * 4)

        assert sum(version is not None for version in found) == 1

    def test_facts_of_a_version(self, store: Store) -> None:
        """A counted version comes back with its facts and its bytes; an unknown one has none."""
        version = claim(store)
        assert version is not None

        assert put(store, version, NOW + HOUR)

        with store.read() as tx:
            assert tx.statistics.counted(ENCODER) == [StatisticsVersion(version, ENCODER, 7, 3, NOW + HOUR)]
            assert (tx.statistics.data(version), tx.statistics.data(version + 1)) == (b"counted", None)
        assert not put(store, version)

    def test_void_claim(self, store: Store) -> None:
        """A claim of ten minutes is void: another process counts, and the slow one stores nothing."""
        slow = claim(store)
        quick = claim(store, NOW + LEASE)

        assert quick is not None
        assert slow is not None
        assert quick > slow
        assert not put(store, slow, NOW + LEASE)
        assert put(store, quick, NOW + LEASE)
        assert counted(store) == [quick]

    def test_late_claim(self, store: Store) -> None:
        """A process that has not seen the newest version gets no claim; one that has seen it does."""
        version = claim(store)
        put(store, version)

        assert claim(store, NOW + HOUR) is None
        assert claim(store, NOW + HOUR, after=version or 0) is not None

    def test_newest_at_or_before(self, store: Store) -> None:
        """Versions are listed newest first; with a time, only those counted then or before."""
        versions: list[int] = []
        for hours in (0, 2, 5):
            version = claim(store, NOW + hours * HOUR, after=max(versions, default=0))
            put(store, version, NOW + hours * HOUR)
            versions.append(version or 0)

        assert counted(store) == versions[::-1]
        assert counted(store, NOW + 2 * HOUR) == [versions[1], versions[0]]
        assert counted(store, NOW + 2 * HOUR - dt.timedelta(microseconds=1)) == [versions[0]]
        assert counted(store, NOW - HOUR) == []

    def test_old_versions_go(self, store: Store) -> None:
        """A new version deletes those of more than thirty days ago, except the newest of each encoder."""
        other = claim(store, encoder="other")
        put(store, other)
        first = claim(store)
        put(store, first)
        second = claim(store, NOW + DAY, after=first or 0)
        put(store, second, NOW + DAY)
        third = claim(store, NOW + 31 * DAY, after=second or 0)
        put(store, third, NOW + 31 * DAY)

        assert counted(store) == [third, second]
        assert counted(store, encoder="other") == [other]

    def test_versions_are_not_given_twice(self, store: Store) -> None:
        """The version of a deleted claim is not used again."""
        first = claim(store)
        second = claim(store, NOW + LEASE)

        assert first is not None
        assert second == first + 1


class TestDue:
    """The rule that decides when the catalog is counted."""

    def due(
        self, store: Store, newest: StatisticsVersion | None = None, now: dt.datetime = NOW, encoder: str = ENCODER
    ) -> bool:
        with store.read() as tx:
            return is_due(tx, encoder, newest, now)

    def newest(self, store: Store) -> StatisticsVersion:
        """Return a version that was counted now."""
        with store.read() as tx:
            return StatisticsVersion(1, ENCODER, tx.papers.count(), tx.papers.vector_version(ENCODER), NOW)

    def test_first_time(self, store: Store) -> None:
        """Without statistics fifty vectors are needed, and no pending text."""
        assert not self.due(store)
        add(store, range(49))
        assert not self.due(store)
        add(store, range(49, 51), pending=1)
        assert not self.due(store)
        add(store, range(50, 51))
        assert self.due(store)
        assert not self.due(store, encoder="other")

    def test_full_sample_while_texts_are_pending(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """During a long import the catalog is counted once, when there is a full sample."""
        monkeypatch.setattr(statistics, "COUNTED_PAPERS", 60)
        add(store, range(60), pending=1)
        assert not self.due(store)

        add(store, range(59, 100), pending=30)

        assert self.due(store)
        newest = self.newest(store)
        add(store, range(70, 140), pending=40)
        assert not self.due(store, newest)

    @pytest.mark.parametrize(("more", "is_expected"), [(4, False), (5, True)])
    def test_growth(self, store: Store, more: int, is_expected: bool) -> None:
        """The catalog is counted again when it has grown by a tenth."""
        add(store, range(50))
        newest = self.newest(store)

        add(store, range(50, 50 + more))

        assert self.due(store, newest) == is_expected

    @pytest.mark.parametrize(("fewer", "is_expected"), [(4, False), (5, True), (50, True)])
    def test_shrinking(self, store: Store, fewer: int, is_expected: bool) -> None:
        """The catalog is counted again when a tenth of it was deleted, and an empty catalog only once."""
        papers = add(store, range(50))
        newest = self.newest(store)

        with store.write() as tx:
            for each in papers[:fewer]:
                tx.papers.delete(each.paper_id)

        assert self.due(store, newest) == is_expected
        assert not self.due(store, self.newest(store), NOW + 2 * DAY)

    def test_a_day(self, store: Store) -> None:
        """After a day any changed vector counts, also while texts are pending; without a change nothing is counted."""
        add(store, range(50))
        newest = self.newest(store)
        assert not self.due(store, newest, NOW + 2 * DAY)

        add(store, range(50, 52), pending=1)

        assert not self.due(store, newest, NOW + DAY - HOUR)
        assert self.due(store, newest, NOW + DAY)


def same(found: CorpusStatistics | None, expected: CorpusStatistics) -> bool:
    """Return whether two statistics are equal, up to rounding of the vectors' sums."""
    assert found is not None
    pairs = zip(found.arrays().items(), expected.arrays().values(), strict=True)
    return all(np.allclose(mine, other, atol=1e-6) for (_, mine), other in pairs)


class TestCounting:
    """The statistics of the papers in a store."""

    def test_equals_one_count_of_all(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Counting in parts equals counting at once; papers without a vector of the bundle's length count by text."""
        monkeypatch.setattr(statistics, "PAPERS_AT_A_TIME", 7)
        ready, pending, wide = add(store, range(20)), add(store, range(20, 25), pending=5), add(store, [30], dim=8)
        missing = np.full((6, DIM), np.nan, np.float32)

        found = count_catalog(store, ENCODER, DIM)

        units = np.concatenate([np.array([unit_of(each) for each in ready]), missing]).astype(np.float32)
        assert same(found, count_corpus(count_terms(each.title for each in (*ready, *pending, *wide)), units))

    def test_newest_papers(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a large catalog the papers that were first seen last are counted."""
        monkeypatch.setattr(statistics, "COUNTED_PAPERS", 10)
        papers = add(store, range(40))[:10]

        found = count_catalog(store, ENCODER, DIM)

        units = np.array([unit_of(each) for each in papers], np.float32)
        assert same(found, count_corpus(count_terms(each.title for each in papers), units))

    def test_empty_catalog(self, store: Store) -> None:
        """An empty catalog has statistics of no papers, which can be stored and read."""
        found = count_catalog(store, ENCODER, DIM)

        assert found is not None
        assert CorpusStatistics.of_bytes(found.to_bytes()).paper_count == 0

    def test_stopping(self, store: Store) -> None:
        """A server that is stopping does not go on counting."""
        add(store, range(3))

        assert count_catalog(store, ENCODER, DIM, stopping=lambda: True) is None

    def test_counts_when_due(self, store: Store, serving: Serving) -> None:
        """The catalog is counted once and stored with its size; then it is not due any more."""
        assert count_if_due(store, serving, CLOCK) is None
        add(store, range(60))

        version = count_if_due(store, serving, CLOCK)

        assert version is not None
        with store.read() as tx:
            (found,) = tx.statistics.counted(ENCODER)
            data = tx.statistics.data(version)
        assert (found.version, found.paper_count, found.counted_at) == (version, 60, NOW)
        assert data is not None
        assert CorpusStatistics.of_bytes(data).vector_count == 60
        assert count_if_due(store, serving, FixedClock(NOW + 2 * DAY)) is None

    def test_others_skip(self, store: Store, serving: Serving) -> None:
        """Of processes that find the statistics due at the same time, one counts."""
        add(store, range(60))

        found: list[int | None] = []
        in_threads(*[lambda: found.append(count_if_due(store, serving, CLOCK))] * 3)

        assert sum(version is not None for version in found) == 1
        assert len(counted(store)) == 1

    @ON_SQLITE
    def test_nothing_is_counted_without_a_bundle(self, store: Store) -> None:
        """Without a bundle nothing would use the statistics."""
        add(store, range(60))

        assert count_if_due(store, Serving(ENCODER, None, "none", 1), CLOCK) is None


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """A bundle of the encoder whose vectors the tests store."""
    folder = tmp_path_factory.mktemp("statistics_bundle") / "bundle"
    write_tiny_bundle(folder, encoder_name=ENCODER, model_text=model_text())
    return Serving(ENCODER, load_bundle(folder, encoder=ENCODER), "", 1)
