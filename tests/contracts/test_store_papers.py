"""The contract of stores for papers and their vectors, on SQLite and PostgreSQL."""

import datetime as dt

import numpy as np
from sqlalchemy import update

from service.app.ports import Store
from service.domain.papers import Digest, EmbeddingState, Paper
from service.storage import SqlStore, open_store
from service.storage.tables import embeddings
from tests.contracts.samples import (
    CREATED,
    HOUR,
    NOW,
    UNCHANGED,
    UPDATED,
    add_papers,
    embed,
    event,
    in_threads,
    paper,
    record,
    slate,
)


class TestUpsert:
    def test_all_fields_come_back(self, store: Store) -> None:
        """A paper is read as it was written, with times in UTC."""
        zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
        given_paper = paper(
            1,
            abstract="Text — with ünïcode",
            authors=("Ada Lovelace", "Öystein"),
            categories=("cs.IR",),
            url="https://arxiv.org/abs/2401.00001v2",
            published_at=NOW.astimezone(zone),
            first_seen_at=NOW - HOUR,
            upvotes=0,
        )
        with store.write() as tx:
            assert tx.papers.upsert([given_paper], NOW) == [("p1", CREATED)]

        with store.read() as tx:
            stored = tx.papers.find_many(["p1", "unknown"])["p1"]
        assert stored == given_paper
        assert stored.published_at is not None
        assert stored.published_at.tzinfo is dt.UTC

    def test_the_same_again_changes_nothing(self, store: Store) -> None:
        """A repeated write is UNCHANGED and does not change the digest's version."""
        add_papers(store, 2)
        with store.write() as tx:
            d1, _ = tx.digests.save(Digest("d1", NOW.date(), paper_ids=("p0",)), NOW)

            assert tx.papers.upsert([paper(0), paper(1)], NOW + HOUR) == [("p0", UNCHANGED), ("p1", UNCHANGED)]
            assert tx.versions("", "d1").digest == ("d1", d1.version, NOW.date())

    def test_aliases_lead_to_the_first_id(self, store: Store) -> None:
        """Other sources' ids of a stored paper are merged into it, in every later call too."""
        url = "https://arxiv.org/abs/2401.00001v2"
        with store.write() as tx:
            outcomes = tx.papers.upsert(
                [
                    paper(1, url=url),
                    paper(2, paper_id="arxiv:2401.00001", title="Title of paper number 1", abstract="New"),
                    paper(3, paper_id="hf-7", title="TITLE of paper: number 1!"),
                ],
                NOW,
            )
            assert outcomes == [("p1", CREATED), ("p1", UPDATED), ("p1", UPDATED)]
            assert tx.papers.count() == 1

        names = ["p1", "hf-7", "arXiv:2401.00001v9", "https://arxiv.org/pdf/2401.00001.pdf", "hf-8"]
        with store.read() as tx:
            assert tx.papers.resolve(names) == dict.fromkeys(names[:4], "p1")
            assert tx.papers.find_many(["p1"])["p1"].abstract == "New"

    def test_one_title_of_two_papers(self, store: Store) -> None:
        """Papers with different arXiv ids, or different DOIs and authors, are not merged by their common title."""
        title = "Robust influence maximization"
        chen = paper(1, paper_id="arxiv:1601.06551", title=title, authors=("Wei Chen", "Tian Lin"))
        he = paper(2, paper_id="1602.05240v2", title=title, authors=("Xinran He",))
        lowalekar = paper(3, paper_id="k", title=title, url="https://doi.org/10.1000/a", authors=("Meghna Lowalekar",))
        other = paper(4, paper_id="m", title=title, url="https://doi.org/10.1000/b", authors=("Somebody Else",))
        with store.write() as tx:
            assert tx.papers.upsert([chen, he], NOW) == [("arxiv:1601.06551", CREATED), ("1602.05240v2", CREATED)]
        with store.write() as tx:
            assert tx.papers.upsert([he, chen], NOW) == [("1602.05240v2", UNCHANGED), ("arxiv:1601.06551", UNCHANGED)]
            # A title alone matches the first paper; so does a DOI if the paper had none.
            assert [paper_id for paper_id, _ in tx.papers.upsert([lowalekar], NOW)] == ["arxiv:1601.06551"]
            assert tx.papers.upsert([other], NOW) == [("m", CREATED)]

    def test_two_dois_of_one_paper(self, store: Store) -> None:
        """A preprint and its article with a common author, in any spelling, are one paper."""
        preprint = paper(
            1, url="https://doi.org/10.1101/2020.01.01", title="A title of both", authors=("Ada Lovelace",)
        )
        article = paper(2, url="https://doi.org/10.1038/s1", title="A Title of Both", authors=("A. Lovelace", "Bob"))
        unknown = paper(3, url="https://doi.org/10.1038/s2", title="A Title of Both")
        with store.write() as tx:
            found = tx.papers.upsert([preprint, article, unknown], NOW)
            assert [paper_id for paper_id, _ in found] == ["p1", "p1", "p1"]

    def test_a_renamed_paper_keeps_its_old_names(self, store: Store) -> None:
        """After a change of title, both titles match the paper."""
        with store.write() as tx:
            tx.papers.upsert([paper(1)], NOW)
            tx.papers.upsert([paper(1, title="A wholly other name")], NOW)

            old, new = paper(8, title=paper(1).title), paper(9, title="A wholly other name")
            assert [paper_id for paper_id, _ in tx.papers.upsert([old, new], NOW)] == ["p1", "p1"]

    def test_a_changed_text_loses_its_vectors(self, store: Store) -> None:
        """A new text is PENDING without vectors, even if it later changes back."""
        add_papers(store, 1)
        embed(store, ["p0"])
        with store.write() as tx:
            assert tx.papers.find_many(["p0"])["p0"].embedding_state is EmbeddingState.READY
            tx.papers.upsert([paper(0, abstract="more")], NOW)
            assert tx.papers.vectors(["p0"], "mini") == {}
            tx.papers.upsert([paper(0, title="Something else now")], NOW)

            assert tx.papers.find_many(["p0"])["p0"].embedding_state is EmbeddingState.PENDING
            assert tx.papers.pending_count("mini") == 1
            assert tx.papers.all_vectors("mini")[0] == []

    def test_other_changes_keep_vectors(self, store: Store) -> None:
        """Changes of upvotes and authors keep the vectors."""
        add_papers(store, 1)
        embed(store, ["p0"])
        with store.write() as tx:
            assert tx.papers.upsert([paper(0, upvotes=3)], NOW) == [("p0", UPDATED)]

            assert tx.papers.find_many(["p0"])["p0"].embedding_state is EmbeddingState.READY
            assert tx.papers.pending_count("mini") == 0

    def test_digests_of_changed_papers_get_a_version(self, store: Store) -> None:
        """A changed paper gives a new version to the digests that hold it, and to no others."""
        add_papers(store, 2)
        with store.write() as tx:
            d0, _ = tx.digests.save(Digest("d0", NOW.date(), paper_ids=("p0",)), NOW)
            d1, _ = tx.digests.save(Digest("d1", NOW.date(), paper_ids=("p1",)), NOW)
            tx.papers.upsert([paper(0, upvotes=1)], NOW)

            assert tx.versions("", "d0").digest == ("d0", d0.version + 1, NOW.date())
            assert tx.versions("", "d1").digest == ("d1", d1.version, NOW.date())

    def test_two_writers_of_the_same_papers(self, store: Store, store_url: str) -> None:
        """Concurrent writers store one row per paper without an error, in any order."""
        other = open_store(store_url)
        batch = [paper(i) for i in range(40)]

        def write(target: Store, papers: list[Paper]) -> None:
            for _ in range(3):
                with target.write() as tx:
                    tx.papers.upsert(papers, NOW)

        in_threads(
            lambda: write(store, batch),
            lambda: write(other, batch[::-1]),
            lambda: write(store, [paper(i + 100, title=f"Title of paper number {i}") for i in range(40)]),
        )

        with store.read() as tx:
            assert tx.papers.count() == 40
        other.dispose()

    def test_more_papers_than_one_statement_takes(self, store: Store) -> None:
        """Long lists are split into statements that each engine accepts."""
        ids = add_papers(store, 2_100)

        with store.read() as tx:
            assert len(tx.papers.find_many(ids)) == len(tx.papers.resolve(ids)) == 2_100


class TestPapers:
    def test_pages_go_by_code_point(self, store: Store) -> None:
        """Ids have the same order on both engines, capitals before small letters."""
        ids = ["b", "a", "B", "é", "arxiv:1", "_"]
        with store.write() as tx:
            tx.papers.upsert([Paper(paper_id, "x") for paper_id in ids], NOW)

            assert [p.paper_id for p in tx.papers.page(after="", limit=10)] == sorted(ids)
            assert [p.paper_id for p in tx.papers.page(after="_", limit=2)] == ["a", "arxiv:1"]

    def test_first_seen_between(self, store: Store) -> None:
        """The window includes its start but not its end; papers are newest first, ties by id."""
        with store.write() as tx:
            tx.papers.upsert([paper(i, first_seen_at=NOW + i // 2 * HOUR) for i in range(6)], NOW)

            assert tx.papers.first_seen_between(NOW, NOW + 2 * HOUR, limit=9) == ["p2", "p3", "p0", "p1"]
            assert tx.papers.first_seen_between(NOW, NOW + 2 * HOUR, limit=1) == ["p2"]

    def test_a_deleted_paper_takes_its_traces_along(self, store: Store) -> None:
        """Deleting a paper deletes its aliases, vectors, events and places in digests, and keeps slates."""
        add_papers(store, 2)
        embed(store, ["p0", "p1"])
        record(store, event(), event(paper_id="p1", user_id="bob"))
        with store.write() as tx:
            d1, _ = tx.digests.save(Digest("d1", NOW.date(), paper_ids=("p0", "p1")), NOW)
            tx.slates.add(slate())

        with store.write() as tx:
            assert tx.papers.delete("p0")
            assert not tx.papers.delete("p0")

        with store.read() as tx:
            assert tx.papers.resolve(["p0", "p1"]) == {"p1": "p1"}
            assert tx.papers.encoders() == {"mini": 1}
            assert (tx.users.version("ada"), tx.users.version("bob")) == (2, 1)
            assert list(tx.users.events("ada")) == []
            assert tx.versions("", "d1").digest == ("d1", d1.version + 1, NOW.date())
            digest, stored_slate = tx.digests.find("d1"), tx.slates.find("s1")
        assert digest is not None
        assert digest.paper_ids == ("p1",)
        assert stored_slate is not None
        assert [item.paper_id for item in stored_slate.items] == ["p0", "p1"]


class TestVectors:
    def test_vectors_come_back_bit_for_bit(self, store: Store) -> None:
        """Vectors keep their bits, their type and the order of ids."""
        add_papers(store, 3)
        rng = np.random.default_rng(1)
        matrix = rng.standard_normal((3, 8)).astype(np.float32)
        with store.write() as tx:
            papers = tx.papers.find_many(["p0", "p1", "p2"])
            by_id = {f"p{i}": (papers[f"p{i}"].text_hash, matrix[i]) for i in (2, 0, 1)}
            assert tx.papers.store_vectors("mini", by_id) == 3

        with store.read() as tx:
            ids, vectors = tx.papers.all_vectors("mini")
            one = tx.papers.vectors(["p1", "unknown"], "mini")
            assert tx.papers.encoders() == {"mini": 3}
            assert tx.papers.all_vectors("other")[0] == []
            assert tx.papers.vectors(["p1"], "other") == {}
        assert ids == ["p0", "p1", "p2"]
        assert vectors.dtype == np.float32
        assert np.array_equal(vectors, matrix)
        assert list(one) == ["p1"]
        assert np.array_equal(one["p1"], matrix[1])

    def test_vectors_of_gone_texts_are_dropped(self, store: Store) -> None:
        """A vector of a changed or deleted text is not stored, and digests keep their version."""
        add_papers(store, 2)
        with store.write() as tx:
            d1, _ = tx.digests.save(Digest("d1", NOW.date(), paper_ids=("p0",)), NOW)
            vector = np.zeros(4, np.float32)

            assert tx.papers.store_vectors("mini", {"p0": ("old", vector), "gone": ("x", vector)}) == 0
            assert tx.versions("", "d1").digest == ("d1", d1.version, NOW.date())
        assert embed(store, ["p0"]) == 1
        with store.read() as tx:
            assert tx.versions("", "d1").digest == ("d1", d1.version + 1, NOW.date())

    def test_oldest_papers_are_claimed_first(self, store: Store) -> None:
        """Texts are claimed oldest first, and again after the lease has ended."""
        with store.write() as tx:
            tx.papers.upsert([paper(i, first_seen_at=NOW - i * HOUR, abstract="a") for i in range(3)], NOW)
            first = tx.papers.claim_pending("mini", limit=2, now=NOW, lease=HOUR)
            second = tx.papers.claim_pending("mini", limit=2, now=NOW, lease=3 * HOUR)
            third = tx.papers.claim_pending("mini", limit=9, now=NOW + HOUR, lease=HOUR)

            assert [text.paper_id for text in first] == ["p2", "p1"]
            assert first[0].text == "Title of paper number 2\na"
            assert [text.paper_id for text in second] == ["p0"]
            assert [text.paper_id for text in third] == ["p2", "p1"]
            assert tx.papers.pending_count("mini") == 3

    def test_leases_are_extended_and_given_back(self, store: Store) -> None:
        """An extended lease holds longer; a text that was given back is claimed again at once, a failed one is not."""
        add_papers(store, 3)
        with store.write() as tx:
            texts = tx.papers.claim_pending("mini", limit=9, now=NOW, lease=HOUR)
            tx.papers.extend_leases("mini", texts[:2], until=NOW + 3 * HOUR)
            tx.papers.mark_failed("mini", ["p1"])

            later = tx.papers.claim_pending("mini", limit=9, now=NOW + HOUR, lease=HOUR)
            tx.papers.end_leases("mini", texts[:2])
            again = tx.papers.claim_pending("mini", limit=9, now=NOW + HOUR, lease=HOUR)

            assert [[text.paper_id for text in found] for found in (later, again)] == [["p2"], ["p0"]]
            assert tx.papers.find_many(["p1"])["p1"].embedding_state is EmbeddingState.FAILED

    def test_vectors_of_a_wrong_length(self, sql_store: SqlStore) -> None:
        """Readers of all vectors leave them out. When they are forgotten, their papers, digests and users change."""
        add_papers(sql_store, 6)
        embed(sql_store, [f"p{i}" for i in range(6)])
        record(sql_store, event(paper_id="p1"))
        with sql_store.connection() as connection:
            for name, size in (("p1", 12), ("p2", 20), ("p3", 15), ("p4", 0)):
                chosen = update(embeddings).where(embeddings.c.paper_id == name)
                connection.execute(chosen.values(vector=b"\x01" * size))

        with sql_store.write() as tx:
            tx.digests.save(Digest("d1", NOW.date(), paper_ids=("p1",)), NOW)
            before = tx.versions("ada", "d1")
            assert {
                key: len(vector) for key, vector in tx.papers.vectors([f"p{i}" for i in range(6)], "mini").items()
            } == {
                "p0": 4,
                "p1": 3,
                "p2": 5,
                "p4": 0,
                "p5": 4,
            }
            assert tx.papers.all_vectors("mini")[0] == ["p0", "p5"]
            assert sorted(tx.papers.odd_vectors("mini", 4)) == ["p1", "p2", "p3", "p4"]
            version = tx.papers.vector_version("mini")
            tx.papers.forget_vectors("mini", ["p1", "p2", "p3", "p4"])

            assert tx.papers.odd_vectors("mini", 4) == []
            assert tx.papers.pending_count("mini") == 4
            assert sorted(tx.papers.vectors_changed_since("mini", version)) == ["p1", "p2", "p3", "p4"]
            assert tx.papers.find_many(["p1"])["p1"].embedding_state is EmbeddingState.PENDING
            after = tx.versions("ada", "d1")
            assert (after.user, after.digest) != (before.user, before.digest)
            assert len(tx.papers.claim_pending("mini", limit=9, now=NOW, lease=HOUR)) == 4

    def test_a_changed_text_ends_the_lease(self, store: Store) -> None:
        """A lease of the old text does not block the new text."""
        add_papers(store, 1)
        with store.write() as tx:
            tx.papers.claim_pending("mini", limit=1, now=NOW, lease=HOUR)
            tx.papers.upsert([paper(0, abstract="new")], NOW)
            tx.papers.mark_failed("mini", ["p0"])

            assert len(tx.papers.claim_pending("mini", limit=1, now=NOW, lease=HOUR)) == 1

    def test_two_claimers_share_nothing(self, store: Store, store_url: str) -> None:
        """Concurrent workers with their own connections claim every text once."""
        add_papers(store, 60)
        other = open_store(store_url)
        claimed: list[str] = []

        def claim(source: Store) -> None:
            for _ in range(6):
                with source.write() as tx:
                    texts = tx.papers.claim_pending("mini", limit=7, now=NOW, lease=HOUR)
                claimed.extend(text.paper_id for text in texts)

        in_threads(lambda: claim(store), lambda: claim(other))

        assert len(claimed) == len(set(claimed)) == 60
        other.dispose()

    def test_failed_texts_wait_for_a_new_text(self, store: Store) -> None:
        """A FAILED text is neither pending nor claimed by its encoder until it changes; another encoder may try it."""
        add_papers(store, 2)
        with store.write() as tx:
            tx.papers.mark_failed("mini", ["p0", "unknown"])
            assert tx.papers.find_many(["p0"])["p0"].embedding_state is EmbeddingState.FAILED
            assert tx.papers.pending_count("mini") == 1
            assert tx.papers.pending_count("maxi") == 2
            claimed = tx.papers.claim_pending("mini", limit=9, now=NOW, lease=HOUR)
            assert [text.paper_id for text in claimed] == ["p1"]

            tx.papers.upsert([paper(0, abstract="shorter")], NOW)
            assert tx.papers.find_many(["p0"])["p0"].embedding_state is EmbeddingState.PENDING
            assert tx.papers.pending_count("mini") == 2

    def test_a_new_encoder_finds_everything_pending(self, store: Store) -> None:
        """Old vectors stay while another encoder works through the same papers."""
        add_papers(store, 2)
        embed(store, ["p0", "p1"])

        with store.write() as tx:
            assert len(tx.papers.claim_pending("maxi", limit=9, now=NOW, lease=HOUR)) == 2
            assert tx.papers.claim_pending("mini", limit=9, now=NOW, lease=HOUR) == []
        embed(store, ["p1"], "maxi")
        with store.read() as tx:
            assert tx.papers.encoders() == {"mini": 2, "maxi": 1}

    def test_pending_texts_by_id(self, store: Store) -> None:
        """Pending texts are listed with their sizes and read by ranges of ids; embedded and failed texts are not."""
        add_papers(store, 5, abstract="about it")
        embed(store, ["p1"])
        embed(store, ["p2"], "maxi")
        with store.write() as tx:
            tx.papers.mark_failed("mini", ["p3"])
            tx.papers.claim_pending("mini", limit=9, now=NOW, lease=HOUR)

        with store.read() as tx:
            size = len("Title of paper number 0") + len("about it")
            assert list(tx.papers.pending_sizes("mini")) == [("p0", size), ("p2", size), ("p4", size)]
            found = tx.papers.pending_between("mini", after="p0", until="p4", limit=9)
            assert [text.paper_id for text in found] == ["p2", "p4"]
            assert found[0].text == "Title of paper number 2\nabout it"
            assert found[0].text_hash == paper(2, abstract="about it").text_hash
            assert tx.papers.pending_between("mini", after="p0", until="p4", limit=1) == found[:1]
            assert tx.papers.pending_between("mini", after="p2", until="p3", limit=9) == []
            assert len(list(tx.papers.pending_sizes("new"))) == 5
