import pytest

from tests.training.report.results import difference, one_slice, result
from training.report.verdict import verdict_of, words_of


@pytest.mark.parametrize(
    ("blend", "recency", "kind", "headline"),
    [
        (0.1, 0.4, "good", "beats every baseline (2) on every figure"),
        (0.01, 0.4, "open", "is not shown to beat blend on every figure; it beats 1 of 2 baselines"),
        (-0.1, 0.4, "bad", "is worse than blend on some figure; it beats 1 of 2 baselines"),
        (-0.1, -0.4, "bad", "is worse than blend and recency on some figure; it beats 0 of 2 baselines"),
        (0.01, -0.4, "bad", "is worse than recency on some figure and is not shown to beat blend on every figure"),
    ],
)
def test_headline(blend: float, recency: float, kind: str, headline: str) -> None:
    """An interval that holds zero is no victory and no defeat."""
    found = verdict_of(result(blend, recency))
    assert (found.kind, headline in found.headline) == (kind, True)


def test_says_by_how_much_against_the_best() -> None:
    """Each figure is held against its best baseline."""
    points = verdict_of(result()).points
    assert (
        points[0] == "mrr: 0.500 against 0.400 of blend, the best baseline; +0.100 (+0.050 to +0.150): clearly better"
    )


def test_names_the_slices_that_fail() -> None:
    """Slices that lose and slices that show nothing stand apart; one reader alone counts for nothing."""
    slices = {
        "library_size": [one_slice(-0.1), one_slice(0.01, low=11, high=20)],
        "candidate_count": [one_slice(0.2, low=51, high=None), one_slice(-0.9, low=1, high=50, half=None)],
    }
    points = verdict_of(result(slices=slices)).points
    assert "Clearly worse than the best baseline of the slice: 5 to 10 likes in the profile (mrr; 3 queries)" in points
    assert "Not shown to beat the best baseline of the slice: 11 to 20 likes in the profile (mrr; 3 queries)" in points
    assert not any("candidates" in point for point in points if "slice" in point)


def test_all_slices_won() -> None:
    """Said in one line."""
    assert any("On each of 2 slices it clearly beats" in point for point in verdict_of(result()).points)


def test_words_of_a_difference() -> None:
    """Signs are shown, but not of what is nothing; no interval is no interval."""
    assert words_of(difference(-0.0001, 0.01)) == "+0.000 (-0.010 to +0.010)"
    assert words_of(difference(0.25, None)) == "+0.250"
