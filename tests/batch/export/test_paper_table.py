import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from batch.export.paper_table import papers_of, signals_of, table_of, vectors_of
from ranker.signals import NO_SIGNALS, PaperSignals
from service.domain.papers import EmbeddingState, Paper

NOW = dt.datetime(2026, 3, 1, 12, 0, 0, 123457, tzinfo=dt.UTC)
PAPERS = [
    Paper("a", "Full", "Text", ("A B", "C"), ("cs.IR",), "https://x", NOW, NOW, 7, EmbeddingState.READY),
    Paper("b", "Bare", first_seen_at=NOW),
]


def test_all_bits_come_back(tmp_path: Path) -> None:
    """Papers, vectors and signals read from a file equal those written, to the last bit."""
    vector = np.random.default_rng(0).standard_normal(384).astype(np.float32)
    signals = PaperSignals.of([(NOW.timestamp(), 3.0)], [(NOW.timestamp() - 0.1, "like", -5), (1.5, "save", 2**62)])

    pq.write_table(table_of(PAPERS, {"a": vector}, {"b": signals}), tmp_path / "papers.parquet")

    table = pq.read_table(tmp_path / "papers.parquet")
    assert papers_of(table) == PAPERS
    assert set(vectors_of(table)) == {"a"}
    assert vectors_of(table)["a"].tobytes() == vector.tobytes()
    for found, expected in zip(signals_of(table), [NO_SIGNALS, signals], strict=True):
        for name, column in vars(expected).items():
            assert getattr(found, name).dtype == column.dtype
            assert np.array_equal(getattr(found, name), column)
