from dataclasses import replace

import numpy as np

from tests.training.evaluation.builders import cold_round, dated, week_round
from training.data.snapshot import Likes
from training.evaluation.baselines.counts import Popularity, Recency


def test_recency() -> None:
    """Recency ranks the newest first; without dates it returns the reason."""
    view, this = week_round(dated())
    score = Recency().open(view, this)
    assert not isinstance(score, str)
    assert (score(this.queries[0]) == dated().papers.published_at[this.candidates]).all()
    assert Recency().open(*cold_round()) == "no candidate has a date"


def test_popularity() -> None:
    """Popularity counts visible likes; if candidates have none, it returns the reason."""
    view, this = cold_round()
    assert "no candidate has a like" in str(Popularity().open(view, this))
    likes = Likes.of([0, 1, 2], [int(this.candidates[4])] * 2 + [int(this.candidates[0])], [np.nan] * 3)
    score = Popularity().open(view, replace(this, likes=likes))
    assert not isinstance(score, str)
    assert score(this.queries[0])[:5].tolist() == [1, 0, 0, 0, 2]
