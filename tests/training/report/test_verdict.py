import pytest

from tests.training.report.results import difference, one_slice, result
from training.report.verdict import verdict_of, words_of


@pytest.mark.parametrize(
    ("blend", "recency", "kind", "headline"),
    [
        (0.1, 0.4, "good", "beats every baseline (2) on every metric"),
        (0.01, 0.4, "open", "is not shown to beat blend on every metric; it beats 1 of 2 baselines"),
        (-0.1, 0.4, "bad", "is worse than blend on some metric; it beats 1 of 2 baselines"),
        (-0.1, -0.4, "bad", "is worse than blend and recency on some metric; it beats 0 of 2 baselines"),
        (0.01, -0.4, "bad", "is worse than recency on some metric and is not shown to beat blend on every metric"),
    ],
)
def test_headline(blend: float, recency: float, kind: str, headline: str) -> None:
    """An interval that contains zero counts neither as better nor as worse."""
    found = verdict_of(result(blend, recency))
    assert (found.kind, headline in found.headline) == (kind, True)


def test_compares_with_the_best_baseline() -> None:
    """Each metric is compared with its best baseline."""
    points = verdict_of(result()).points
    assert (
        points[0] == "mrr: 0.500 against 0.400 of blend, the best baseline; +0.100 (+0.050 to +0.150): clearly better"
    )


def test_names_the_slices_that_fail() -> None:
    """Lost and undecided slices are listed separately; slices with one user are left out."""
    slices = {
        "library_size": [one_slice(-0.1), one_slice(0.01, low=11, high=20)],
        "candidate_count": [one_slice(0.2, low=51, high=None), one_slice(-0.9, low=1, high=50, half=None)],
    }
    points = verdict_of(result(slices=slices)).points
    assert "Clearly worse than the best baseline of the slice: 5 to 10 likes in the profile (mrr; 3 queries)" in points
    assert "Not shown to beat the best baseline of the slice: 11 to 20 likes in the profile (mrr; 3 queries)" in points
    assert not any("candidates" in point for point in points if "slice" in point)


def test_all_slices_won() -> None:
    """If all slices are won, one line says so."""
    assert any("On each of 2 slices it clearly beats" in point for point in verdict_of(result()).points)


def test_words_of_a_difference() -> None:
    """A difference has its sign, zero has no minus, and a missing interval is left out."""
    assert words_of(difference(-0.0001, 0.01)) == "+0.000 (-0.010 to +0.010)"
    assert words_of(difference(0.25, None)) == "+0.250"
