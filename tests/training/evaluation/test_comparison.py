import numpy as np
import pytest

from training.evaluation.comparison import Comparison, slices
from training.evaluation.scoring import Answers

COUNT = 120
RNG = np.random.default_rng(0)
WEAK = RNG.uniform(0, 0.5, COUNT)
LIKES = np.repeat([7, 30], COUNT // 2)


def answers(**figures: np.ndarray) -> Answers:
    """Return answers with one metric of some systems."""
    zeros = np.zeros(COUNT, dtype=np.intp)
    columns = {name.replace("_", "-"): values[:, None] for name, values in figures.items()}
    return Answers(("mrr",), np.arange(COUNT), zeros, zeros, LIKES, zeros + 77, columns, {}, {}, ())


def test_best_is_marked() -> None:
    """The strongest baseline is marked, and ``beats`` holds for certain improvements only."""
    found = Comparison.of(answers(paperfeed=WEAK + 0.1, low=WEAK, high=WEAK + 0.2), ("paperfeed",))
    assert found.best_baseline("mrr") == "high"
    paired = found.paired()["paperfeed"]
    assert (paired["low"]["mrr"]["beats"], paired["low"]["mrr"]["best"]) == (True, False)
    assert (paired["high"]["mrr"]["beats"], paired["high"]["mrr"]["best"]) == (False, True)
    assert paired["high"]["mrr"]["mean"] == pytest.approx(-0.1)
    assert set(found.systems()) == {"paperfeed", "low", "high"}


def test_slices_have_their_own_best() -> None:
    """Each slice is compared with its own strongest baseline, and the slices add up to all queries."""
    few = np.where(LIKES < 10, WEAK + 0.3, WEAK)
    many = np.where(LIKES < 10, WEAK, WEAK + 0.3)
    found = slices(answers(paperfeed=WEAK + 0.2, few=few, many=many), ("paperfeed",))
    assert [(part["from"], part["to"], part["queries"]) for part in found["library_size"]] == [
        (5, 10, 60),
        (21, 50, 60),
    ]
    assert [part["systems"]["paperfeed"]["mrr"]["best_baseline"] for part in found["library_size"]] == ["few", "many"]
    assert [(part["from"], part["to"]) for part in found["candidate_count"]] == [(51, 100)]


def test_without_baselines() -> None:
    """Without baselines there is no comparison and no error."""
    found = Comparison.of(answers(paperfeed=WEAK), ("paperfeed", "paperfeed-without-text"))
    assert found.best_baseline("mrr") is None
    assert found.paired() == {"paperfeed": {}}
    assert found.against_best()["paperfeed"]["mrr"]["best_baseline"] is None
