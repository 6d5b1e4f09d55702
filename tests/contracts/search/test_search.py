"""The contract of the search in papers, on SQLite and PostgreSQL."""

import contextlib
import sqlite3
from dataclasses import replace

import pytest
from sqlalchemy import text

from service.app.ports import Store
from service.domain.papers import Paper
from service.domain.search import parse_query
from service.storage import open_store
from tests.contracts.samples import HOUR, NOW

PAPERS = (
    Paper("title", "Graph neural networks", "We study molecules."),
    Paper("abstract", "A survey of molecules", "Many use graph networks, and neural fields.", ("Émile Borel",)),
    Paper("names", "The cost of reading and/or writing", "It is not low: 50% of O'Reilly's time.", ("José Graph",)),
    Paper("other", "Auctions", "State-of-the-art bidding in the Schrödinger model."),
)


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with the papers above, each first seen an hour after the one before."""
    with store.write() as tx:
        tx.papers.upsert([replace(each, first_seen_at=NOW + i * HOUR) for i, each in enumerate(PAPERS)], NOW)
    return store


def found(store: Store, query: str, offset: int = 0, limit: int = 10) -> list[str]:
    """Return the ids of the papers that the query finds."""
    with store.read() as tx:
        return tx.papers.search(parse_query(query), offset=offset, limit=limit)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("graph", {"title", "abstract", "names"}),
        ("GRAPHS network", {"title", "abstract"}),
        ('"neural networks"', {"title"}),
        ("graph -neural", {"names"}),
        ('graph -"neural networks" -cost', {"abstract"}),
        ("the", {"names", "other"}),
        ("jose", {"names"}),
        ("Borel emile", {"abstract"}),
        ("schrodinger", {"other"}),
        ("SCHRÖDINGER", {"other"}),
        ("state-of-the-art", {"other"}),
        ("art-of-state", set()),
        ("writing or", {"names"}),
        ("O'Reilly", {"names"}),
        ("50%", {"names"}),
        ("absent graph", set()),
    ],
)
def test_words_and_phrases(filled: Store, query: str, expected: set[str]) -> None:
    """Both engines find the same papers: all words, phrases, none of the excluded words."""
    assert set(found(filled, query)) == expected


@pytest.mark.parametrize(
    "query",
    ["' OR 1=1 --", 'a" OR title:*', "title : graph", "NEAR(graph neural, 5)", "graph*", "^graph", "a\\'b",
     "{title}: x", "graph & | ! <-> networks", "🙂graph", "x" * 500, "') NOT (", "%s :query $1"],
)  # fmt: skip
def test_no_character_is_syntax(filled: Store, query: str) -> None:
    """Characters that mean something to an engine raise no error and find nothing that the words do not find."""
    assert set(found(filled, query)) <= {"title", "abstract", "names"}


def test_the_best_match_comes_first(filled: Store) -> None:
    """A match in the title ranks above one in the authors' names, and that one above one in the abstract."""
    assert found(filled, "graph") == ["title", "names", "abstract"]
    assert found(filled, "graph", offset=1, limit=1) == ["names"]


def test_equal_matches_come_newest_first(store: Store) -> None:
    """Papers that match equally well are in order of their age, then of their ids."""
    papers = [Paper(f"p{i}", f"Same words {i}", "", first_seen_at=NOW + i % 2 * HOUR) for i in range(4)]
    with store.write() as tx:
        tx.papers.upsert(papers, NOW)

    assert found(store, "same words") == ["p1", "p3", "p0", "p2"]


def test_the_index_follows_every_change(filled: Store) -> None:
    """A changed text is found by its new words only, and a deleted paper not at all. Upvotes change nothing."""
    with filled.write() as tx:
        tx.papers.upsert([Paper("title", "Quantum walks", upvotes=3)], NOW)
        tx.papers.upsert([Paper("names", PAPERS[2].title, upvotes=5)], NOW)
        tx.papers.delete("abstract")

    assert found(filled, "graph") == ["names"]
    assert found(filled, "quantum") == ["title"]
    assert found(filled, "molecules") == ["title"]
    with filled.write() as tx:
        tx.papers.upsert([Paper("title", "Quantum walks")], NOW, ["abstract"])
    assert found(filled, "molecules") == []


def test_a_change_that_is_rolled_back(filled: Store) -> None:
    """A transaction that fails leaves the index as it was."""
    with contextlib.suppress(RuntimeError), filled.write() as tx:
        tx.papers.upsert([Paper("title", "Quantum walks")], NOW)
        raise RuntimeError

    assert found(filled, "quantum") == []
    assert "title" in found(filled, "graph")


def test_a_vacuum_keeps_the_index(sqlite_url: str) -> None:
    """After a VACUUM, which may number SQLite's rows anew, the index still leads to the right papers."""
    sql_store = open_store(sqlite_url)
    with sql_store.write() as tx:
        tx.papers.upsert([Paper(f"p{i}", f"Number {i}x") for i in range(9)], NOW)
        for i in range(0, 9, 2):
            tx.papers.delete(f"p{i}")
    sql_store.dispose()
    path = str(sql_store._engines.writer.url.database)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("VACUUM")

    assert found(sql_store, "5x") == ["p5"]
    with sql_store.write() as tx:
        tx.papers.upsert([Paper("p7", "Number none")], NOW)
    assert found(sql_store, "7x") == []
    with sql_store.connection() as writing:
        # Compares the index with the texts, and raises if they differ.
        writing.execute(text("INSERT INTO paper_texts (paper_texts, rank) VALUES ('integrity-check', 1)"))
    sql_store.dispose()
