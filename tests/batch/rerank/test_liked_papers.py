import contextlib
import resource
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from batch.rerank.liked_papers import PAPER_BYTES, LikedPapers
from batch.rerank.shelf import MOST_BYTES
from batch.rerank.source import PaperSource
from ranker.bundle.bundle import load_bundle
from ranker.spaces.spaces import PaperMatrix
from service.app.ports import Transaction, Vectors
from service.app.ranking.placing import place_papers
from service.app.ranking.serving import Serving
from service.domain.papers import Paper
from service.encoder import HashingEncoder
from service.storage import open_store
from testing.ranker import assert_close
from tests.batch.worlds import World


def assert_same(one: PaperMatrix, other: PaperMatrix) -> None:
    """Assert that two matrices are equal, up to rounding, in everything that profiles use."""
    assert one.columns.paper_ids == other.columns.paper_ids
    assert one.columns.categories == other.columns.categories
    for space in ("units", "whitened", "factors"):
        mine, theirs = getattr(one, space), getattr(other, space)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert_close(mine, theirs)
    assert (one.tfidf is None) == (other.tfidf is None)
    assert one.tfidf is None or (one.tfidf.matrix != other.tfidf.matrix).nnz == 0  # type: ignore[union-attr]


class Counting:
    """A source that counts how often each paper is read."""

    def __init__(self, papers: PaperSource) -> None:
        self._papers = papers
        self.asked: Counter[str] = Counter()

    def find_many(self, paper_ids: Sequence[str]) -> Mapping[str, Paper]:
        self.asked.update(paper_ids)
        return self._papers.find_many(paper_ids)

    def vectors(self, paper_ids: Sequence[str], encoder: str) -> Mapping[str, Vectors]:
        return self._papers.vectors(paper_ids, encoder)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Keep the files of this process from growing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WANTED = (
    ["l0003", "l0001"],
    ["l0005", "l0001", "gone"],
    [f"l{i:04d}" for i in range(20)],
    ["l0002"],
    ["l0003", "l0030", "l0019", "l0005"],
    [f"l{i:04d}" for i in range(15, 31)],
    ["gone"],
)


@pytest.mark.parametrize("room", [8, 1_000])
@pytest.mark.parametrize(
    ("disk", "file_bytes"),
    [(contextlib.nullcontext, MOST_BYTES), (full_disk, MOST_BYTES), (contextlib.nullcontext, 0)],
)
@pytest.mark.parametrize("with_bundle", [True, False])
def test_rows_do_not_depend_on_what_was_read_before(
    world: World,
    bundle: Path,
    tmp_path: Path,
    room: int,
    disk: Callable[[], contextlib.AbstractContextManager[None]],
    file_bytes: int,
    *,
    with_bundle: bool,
) -> None:
    """Papers have the same rows as if placed alone, in any order, from memory, from the file, and on a full disk."""
    found = load_bundle(bundle, encoder=None) if with_bundle else None
    serving = Serving(HashingEncoder.name, found, "", 0)
    store = open_store(world.url)
    with store.read() as tx, disk():
        source = Counting(tx.papers)
        liked = LikedPapers(serving, room * PAPER_BYTES, tmp_path, file_bytes)
        for wanted in WANTED:
            liked.fetch(source, wanted)
            papers = [liked.papers[paper_id] for paper_id in wanted if paper_id in liked.papers]
            alone = place_papers(serving, papers_of(tx, wanted), tx.papers.vectors(wanted, serving.encoder))

            assert [paper.paper_id for paper in papers] == [each for each in wanted if each != "gone"]
            assert [paper.title for paper in papers] == list(alone.columns.titles)
            assert_same(liked.place(papers), alone)
            assert len(liked.papers) <= max(room, len(wanted))
    assert not list(tmp_path.iterdir())
    most = max(count for paper_id, count in source.asked.items() if paper_id != "gone")
    assert most == 1 or (room == 8 and (disk is full_disk or not file_bytes))
    store.dispose()


def papers_of(tx: Transaction, wanted: Sequence[str]) -> list[Paper]:
    """Return the papers that exist, in that order."""
    found = tx.papers.find_many(wanted)
    return [found[paper_id] for paper_id in wanted if paper_id in found]
