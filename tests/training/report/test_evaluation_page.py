from tests.training.report.reading import check_self_contained, words_of
from tests.training.report.results import result
from training.report import evaluation_page


def test_self_contained_and_escaped() -> None:
    """The page loads and runs nothing, and shows names as text."""
    found = result()
    found["settings"]["data"]["name"] = "<script>alert(1)</script>"
    page = evaluation_page(found)
    check_self_contained(page)
    assert "<script>alert(1)</script>" in words_of(page)


def test_all_parts_are_on_the_page() -> None:
    """The page has verdict, figures, differences, slices, variants, skipped baselines and doubts as text."""
    words = words_of(evaluation_page(result()))
    for part in (
        "paperfeed beats every baseline (2) on every metric",
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
    """Without any baseline the page says so."""
    page = evaluation_page(result(paired={"paperfeed": {}}, slices={"library_size": []}))
    check_self_contained(page)
    assert "no baseline to compare the ranker with" in words_of(page)


def test_same_result_same_page() -> None:
    """The same result gives the same page."""
    assert evaluation_page(result()) == evaluation_page(result())
