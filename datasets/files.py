"""Data sets in the interchange formats with their vectors, for the commands that train and evaluate."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.output import progress_bar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from service.encoder import OpenedEncoder
    from training.data.snapshot import Dataset

_SLICE = 512


def load_dataset(
    name: str, papers: Path, interactions: Path, encoder: "OpenedEncoder", *, with_titles: bool
) -> "Dataset":
    """A data set with a vector for each paper.

    Args:
        with_titles: Also embeds the titles alone where there are abstracts; training asks for them.
    """
    import numpy as np

    from datasets.interchange import read_dataset
    from service.domain.papers import embedding_text
    from service.ingest.jsonl import iter_papers

    found = list(iter_papers(papers))
    texts = [embedding_text(paper.title, paper.abstract) for paper in found]
    vectors = _encode(encoder, texts, f"embedding {name}")
    by_id = {paper.paper_id: vector for paper, vector in zip(found, vectors, strict=True)}
    dataset = read_dataset(name, papers, interactions, by_id)
    if not with_titles or not any(paper.abstract for paper in found):
        return dataset
    titles = _encode(encoder, [paper.title for paper in found], f"embedding the titles of {name}")
    title_of = {paper.paper_id: vector for paper, vector in zip(found, titles, strict=True)}
    return replace(dataset, title_embeddings=np.stack([title_of[each] for each in dataset.papers.paper_ids]))


def count_events(papers: Path, interactions: Path) -> tuple[int, int]:
    """All events, and those on papers that there are not; both files are checked on the way.

    Raises:
        InvalidFile: The papers cannot be read.
        SnapshotError: The events cannot, or none is on one of the papers.
    """
    from datasets.interchange import count_events as counted
    from service.ingest.jsonl import iter_papers

    return counted(interactions, frozenset(paper.paper_id for paper in iter_papers(papers)))


def _encode(encoder: "OpenedEncoder", texts: list[str], what: str) -> "npt.NDArray[np.float32]":
    import numpy as np

    parts = []
    with progress_bar(what, len(texts)) as bar:
        for start in range(0, len(texts), _SLICE):
            parts.append(encoder.encode_in_background(texts[start : start + _SLICE]))
            bar.advance(len(parts[-1]))
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
