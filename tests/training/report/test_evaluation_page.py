from tests.training.report.reading import check_self_contained, words_of
from tests.training.report.results import result
from training.report import evaluation_page


def test_self_contained_and_escaped() -> None:
    """The page fetches nothing, runs nothing, and shows names as text."""
    found = result()
    found["settings"]["data"]["name"] = "<script>alert(1)</script>"
    page = evaluation_page(found)
    check_self_contained(page)
    assert "<script>alert(1)</script>" in words_of(page)


def test_says_what_counts() -> None:
    """Verdict, figures, differences, slices, variants, what was left out and the doubts are all on it, in words."""
    words = words_of(evaluation_page(result()))
    for part in (
        "paperfeed beats every baseline (2) on every figure",
        "0.500 (0.450 to 0.550)",
        "blend *",
        "+0.100 (+0.050 to +0.150) ✓",
        "51 or more: 3 queries",
        "paperfeed-without-text minus each baseline",
        "popularity is left out: no candidate has a like",
        "Doubt: the bundle may know too much",
        "weeks that begin from 2018-01-01 to 2018-12-31",
        "f" * 64,
    ):
        assert part in words


def test_nothing_to_compare_with() -> None:
    """Without any baseline there is a page all the same, and it says so."""
    page = evaluation_page(result(paired={"paperfeed": {}}, slices={"library_size": []}))
    check_self_contained(page)
    assert "no baseline to hold the ranker against" in words_of(page)


def test_same_result_same_page() -> None:
    """Nothing of time or chance is in it."""
    assert evaluation_page(result()) == evaluation_page(result())
