"""The protocols on the public data sets give the queries that docs/ranking.md speaks of."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from datasets.interchange import read_dataset
from tests.process.running import ROOT
from tests.requirements import require
from training.data.snapshot import Dataset
from training.evaluation.plan import TEST_YEAR
from training.evaluation.protocols import cold_items, weekly_digest

pytestmark = pytest.mark.data


def public(name: str) -> Dataset:
    """A public data set, with vectors that say nothing."""
    folder = Path(os.environ.get("PAPERFEED_DATA", ROOT.parent / "shared" / "data")) / name
    require("data", folder.exists(), "needs the public data sets: set PAPERFEED_DATA")
    with gzip.open(folder / "papers.jsonl.gz", "rt", encoding="utf-8") as stream:
        ids = [json.loads(line)["paper_id"] for line in stream]
    vectors = dict.fromkeys(ids, np.ones(2, dtype=np.float32))
    return read_dataset(name, folder / "papers.jsonl.gz", folder / "interactions.csv.gz", vectors)


def test_weeks_of_2018() -> None:
    """53 weeks begin in 2018, with some 2,325 queries that have about 121 candidates each."""
    rounds = list(weekly_digest(public("arxiv-2016-2018"), *TEST_YEAR, seed=1))
    assert len(rounds) == 53
    assert sum(len(this.queries) for this in rounds) == pytest.approx(2325, abs=3)
    sizes = [len(query.candidates) for this in rounds for query in this.queries]
    assert np.mean(sizes) == pytest.approx(121, abs=3)


def test_cold_fifth() -> None:
    """A fifth of CiteULike's papers is 3,396 candidates; nearly every reader can be asked."""
    this = cold_items(public("citeulike-a"), 1)
    assert len(this.candidates) == 3_396
    assert len(this.queries) > 5_000
