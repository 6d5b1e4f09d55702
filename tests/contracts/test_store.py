"""The contract of stores (service.app.ports) for transactions, digests and slates, on SQLite and PostgreSQL."""

import datetime as dt

import pytest
from sqlalchemy import make_url

from service.app.ports import Store
from service.domain.errors import NotFound
from service.domain.papers import Digest
from service.storage import open_store
from tests.contracts.samples import (
    CREATED,
    HOUR,
    NOW,
    ON_POSTGRES,
    UNCHANGED,
    UPDATED,
    add_papers,
    event,
    paper,
    record,
    slate,
)


class TestTransactions:
    def test_an_error_leaves_nothing_behind(self, store: Store) -> None:
        """A transaction that ends with an error writes nothing."""

        def write_and_fail() -> None:
            with store.write() as tx:
                tx.papers.upsert([paper(1)], NOW)
                tx.digests.save(Digest("d1", NOW.date(), paper_ids=("unknown",)), NOW)

        with pytest.raises(NotFound):
            write_and_fail()

        with store.read() as tx:
            assert tx.papers.count() == 0

    def test_a_transaction_sees_its_own_writes(self, store: Store) -> None:
        """A transaction reads its own writes."""
        with store.write() as tx:
            tx.papers.upsert([paper(1)], NOW)

            assert tx.papers.count() == 1

    def test_a_read_is_one_snapshot(self, store: Store) -> None:
        """A reading transaction sees nothing that is committed after its first statement."""
        with store.read() as tx:
            before = tx.papers.count()
            add_papers(store, 2)

            assert tx.papers.count() == before == 0

    def test_the_page_token_key_is_fixed(self, store: Store, store_url: str) -> None:
        """Every process signs with the same 32 random bytes."""
        other = open_store(store_url)

        assert store.page_token_key() == other.page_token_key()
        assert len(store.page_token_key()) == 32
        other.dispose()

    @ON_POSTGRES
    @pytest.mark.parametrize(
        ("zone", "moment"),
        [
            ("Asia/Tokyo", dt.datetime.max.replace(tzinfo=dt.UTC)),
            ("America/New_York", dt.datetime.min.replace(tzinfo=dt.UTC)),
        ],
    )
    def test_the_edges_of_time_in_any_zone(self, store: Store, store_url: str, zone: str, moment: dt.datetime) -> None:
        """The first and the last moment are read as they were written, whatever zone the server or the URL is in."""
        url = make_url(store_url)
        options = f"{url.query['options']} -cTimeZone={zone}"
        other = open_store(url.update_query_dict({"options": options}).render_as_string(hide_password=False))
        add_papers(store, 1, published_at=moment)
        record(store, event(at=moment))

        with other.read() as tx:
            assert tx.papers.find_many(["p0"])["p0"].published_at == moment
            assert [one.occurred_at for one in tx.users.events("ada")] == [moment]
        other.dispose()


class TestDigests:
    def test_a_digest_grows_only_when_it_differs(self, store: Store) -> None:
        """Saving is CREATED, then UNCHANGED, then UPDATED with a new version and the old creation time."""
        add_papers(store, 3)
        digest = Digest("d1", NOW.date(), "Title", "hf", paper_ids=("p2", "p0"))
        with store.write() as tx:
            created, outcome = tx.digests.save(digest, NOW)
            assert (created.created_at, outcome) == (NOW, CREATED)
            assert tx.digests.save(digest, NOW + HOUR) == (created, UNCHANGED)

            changed = Digest("d1", NOW.date(), "Title", "hf", paper_ids=("p0", "p2", "p1"))
            updated, outcome = tx.digests.save(changed, NOW + HOUR)
            assert (updated.version, updated.created_at, outcome) == (created.version + 1, NOW, UPDATED)
            assert tx.digests.find("d1") == updated
            assert tx.digests.find("d2") is None

    def test_a_deleted_digest_leaves_its_papers(self, store: Store) -> None:
        """A digest is deleted once, without its papers. Stored again, it has no version of its first life."""
        add_papers(store, 2)
        digest = Digest("d1", NOW.date(), paper_ids=("p1", "p0"))
        with store.write() as tx:
            first, _ = tx.digests.save(digest, NOW)
            tx.digests.save(Digest("d2", NOW.date(), paper_ids=("p1",)), NOW)

        with store.write() as tx:
            assert tx.digests.delete("d1")
            assert not tx.digests.delete("d1")

        with store.write() as tx:
            assert (tx.digests.find("d1"), tx.versions("", "d1").digest) == (None, None)
            assert len(tx.papers.find_many(["p0", "p1"])) == 2
            again, outcome = tx.digests.save(digest, NOW)
            assert (again.paper_ids, outcome) == (digest.paper_ids, CREATED)
            assert abs(again.version - first.version) > 1_000_000

    def test_unknown_papers_are_refused(self, store: Store) -> None:
        """A digest of an unknown paper raises NotFound that names it."""
        add_papers(store, 1)
        with pytest.raises(NotFound, match="no paper 'p7'"), store.write() as tx:
            tx.digests.save(Digest("d1", NOW.date(), paper_ids=("p0", "p7")), NOW)

    def test_the_newest_digest(self, store: Store) -> None:
        """The latest date wins, then the latest creation, then the greatest id."""
        day = dt.timedelta(days=1)
        with store.write() as tx:
            assert tx.digests.find_newest() is None
            assert tx.versions("", "").digest is None
            tx.digests.save(Digest("z", NOW.date() - day), NOW + 5 * HOUR)
            tx.digests.save(Digest("y", NOW.date()), NOW)
            tx.digests.save(Digest("a", NOW.date()), NOW + HOUR)
            tx.digests.save(Digest("b", NOW.date()), NOW + HOUR)

            newest = tx.digests.find_newest()
            assert newest is not None
            assert newest.digest_id == "b"
            assert tx.versions("", "").digest == ("b", newest.version, NOW.date())
            assert tx.versions("", "nope").digest is None

    def test_pages_of_digests(self, store: Store) -> None:
        """Pages go by latest date, ties by id, and start after the given one."""
        add_papers(store, 2)
        day = dt.timedelta(days=1)
        with store.write() as tx:
            for digest_id, age, papers in (("b", 0, ("p0", "p1")), ("a", 0, ()), ("c", 1, ("p0",))):
                tx.digests.save(Digest(digest_id, NOW.date() - age * day, paper_ids=papers), NOW)

            first = tx.digests.page(after=None, limit=2)
            assert [(d.digest_id, count) for d, count in first] == [("a", 0), ("b", 2)]
            rest = tx.digests.page(after=(NOW.date(), "b"), limit=2)
            assert [(d.digest_id, d.paper_ids, count) for d, count in rest] == [("c", (), 1)]


class TestSlates:
    def test_a_slate_comes_back(self, store: Store) -> None:
        """A slate is read as it was written, bit for bit; its features are read only on request."""
        with store.write() as tx:
            assert tx.slates.add(slate())

            assert tx.slates.find("s1", with_features=True) == slate()
            plain = tx.slates.find("s1")
            assert plain is not None
            assert plain.features == b""
            assert plain.items == slate().items
            assert tx.slates.find("s9") is None

    def test_a_slate_of_a_known_user(self, store: Store) -> None:
        """A slate of a known user is stored only while the user exists."""
        add_papers(store, 1)
        record(store, event(user_id="ada"))
        with store.write() as tx:
            assert tx.slates.add(slate("s1", "ada"), of_known_user=True)
            assert not tx.slates.add(slate("s2", "bob"), of_known_user=True)

            assert tx.slates.find("s1", with_features=True) == slate("s1", "ada")
            assert tx.slates.find("s2") is None

    def test_slates_of_a_user(self, store: Store) -> None:
        """The slates of a user are returned oldest first."""
        with store.write() as tx:
            for i in (2, 0, 1):
                tx.slates.add(slate(f"s{i}", created_at=NOW + i * HOUR))
            tx.slates.add(slate("other", "bob"))

            found = list(tx.slates.of_user("ada"))
        assert [one.slate_id for one in found] == ["s0", "s1", "s2"]
        assert all(len(one.items) == 2 for one in found)
