"""The protocols on the public data sets give the queries described in docs/train.md."""

import os
from pathlib import Path

import numpy as np
import pytest

from data_sets.files import public_files, read_files
from tests.process.running import ROOT
from tests.requirements import require
from training.data.snapshot import Dataset
from training.evaluation.plan import TEST_YEAR
from training.evaluation.protocols import cold_items, weekly_digest

pytestmark = [pytest.mark.data, pytest.mark.slow]


def public(name: str) -> Dataset:
    """Read a public data set, with equal vectors for all papers."""
    papers, interactions = public_files(Path(os.environ.get("PAPERFEED_DATA", ROOT.parent / "shared" / "data")), name)
    require("data", papers.exists(), "needs the public data sets: set PAPERFEED_DATA")
    data = read_files(name, papers, interactions)
    return data.dataset(np.ones((len(data.papers), 2), dtype=np.float32))


def test_weeks_of_2018() -> None:
    """53 weeks begin in 2018, with about 2,325 queries of about 121 candidates."""
    rounds = list(weekly_digest(public("arxiv-2016-2018"), *TEST_YEAR, seed=1))
    assert len(rounds) == 53
    assert sum(len(this.queries) for this in rounds) == pytest.approx(2325, abs=3)
    sizes = [len(query.candidates) for this in rounds for query in this.queries]
    assert np.mean(sizes) == pytest.approx(121, abs=3)


def test_cold_fifth() -> None:
    """A fifth of CiteULike's papers is 3,396 candidates, and nearly every user has a query."""
    this = cold_items(public("citeulike-a"), 1)
    assert len(this.candidates) == 3_396
    assert len(this.queries) > 5_000
