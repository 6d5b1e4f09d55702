from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from batch.liked_papers import LikedPapers
from ranker.bundle import load_bundle
from ranker.spaces import PaperMatrix
from service.app.matrices import matrix_of
from service.app.serving import Serving
from service.encoder import HashingEncoder
from service.storage import open_store
from tests.batch.worlds import World


def assert_same(one: PaperMatrix, other: PaperMatrix) -> None:
    """Equal bit for bit, in all that features read."""
    assert one.columns.paper_ids == other.columns.paper_ids
    for field in fields(one):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            assert np.array_equal(mine, theirs, equal_nan=True)
    for name in ("word_density", "factor_density", "reader_factors"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
    assert one.tfidf is None or (one.tfidf.matrix != other.tfidf.matrix).nnz == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("room", [8, 1_000])
@pytest.mark.parametrize("with_bundle", [True, False])
def test_rows_do_not_depend_on_what_was_read_before(
    small_world: World, bundle: Path, room: int, *, with_bundle: bool
) -> None:
    """Papers come out as if they were placed alone, in any order, with room for all of them or for few."""
    found = load_bundle(bundle, encoder=None) if with_bundle else None
    serving = Serving(HashingEncoder.name, found, "", 0)
    store = open_store(small_world.url)
    with store.read() as tx:
        shown = [f"d{i:04d}" for i in range(20)]
        candidates = matrix_of(
            serving, list(tx.papers.find_many(shown).values()), tx.papers.vectors(shown, serving.encoder)
        )
        liked = LikedPapers(serving, 0, candidates)
        liked = LikedPapers(serving, room * liked.paper_bytes, candidates)
        for wanted in (["l0003", "l0001"], ["l0005", "l0001", "gone"], [f"l{i:04d}" for i in range(20)], ["l0002"]):
            liked.fetch(tx.papers, wanted)
            papers = [liked.papers[paper_id] for paper_id in wanted if paper_id in liked.papers]
            alone = matrix_of(serving, papers, tx.papers.vectors(wanted, serving.encoder))

            assert [paper.paper_id for paper in papers] == [each for each in wanted if each != "gone"]
            assert_same(liked.place(papers), alone)
            assert len(liked.papers) <= max(room, len(wanted))
    store.dispose()
