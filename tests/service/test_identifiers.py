"""Identifiers of papers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.identifiers import aliases_of, arxiv_id, derived_paper_id, doi, lookup_keys, title_alias


@pytest.mark.parametrize(
    "text",
    [
        "arxiv:2401.12345",
        "arXiv:2401.12345v3",
        "2401.12345",
        "2401.12345v2",
        "https://arxiv.org/abs/2401.12345v1",
        "http://arxiv.org/pdf/2401.12345v2.pdf",
        "https://huggingface.co/papers/2401.12345",
        "10.48550/arXiv.2401.12345",
        "https://doi.org/10.48550/arxiv.2401.12345",
    ],
)
def test_every_form_of_an_arxiv_id_is_the_same(text: str) -> None:
    """An arXiv id with prefix or version, the address and the DOI of a paper give the same id."""
    assert arxiv_id(text) == "2401.12345"


def test_old_arxiv_ids_are_known() -> None:
    """Ids from before 2007 keep their archive."""
    assert arxiv_id("http://arxiv.org/abs/cs/0309040v1") == "cs/0309040"


@pytest.mark.parametrize("text", ["", "sample:1234.5678x", "cul:2401", "https://example.org/2401.12345678"])
def test_other_ids_are_no_arxiv_ids(text: str) -> None:
    """A text that only resembles an arXiv id is none."""
    assert arxiv_id(text) is None


@pytest.mark.parametrize(
    "text", ["10.1145/3292500.330672", "doi:10.1145/3292500.330672", "https://doi.org/10.1145/3292500.330672."]
)
def test_every_form_of_a_doi_is_the_same(text: str) -> None:
    """Prefix, resolver and a trailing full stop do not matter."""
    assert doi(text) == "10.1145/3292500.330672"


def test_titles_agree_without_case_and_punctuation() -> None:
    """Different spellings of a title give the same id; a title of fewer than three words gives none."""
    assert title_alias("Attention Is All You Need!") == title_alias("attention is all  you need")
    assert title_alias("Introduction") is None
    assert title_alias("Einführung in die Physik") != title_alias("Einfuhrung in die Physik")


def test_aliases_begin_with_the_papers_own_id() -> None:
    """The id comes first, then the arXiv id of the address, then the title."""
    names = aliases_of("hf:1", "A title of words", "https://arxiv.org/abs/2401.12345")

    assert names[:2] == ("hf:1", "arxiv:2401.12345")
    assert names[2].startswith("title:")


def test_an_id_is_derived_from_the_best_name() -> None:
    """The arXiv id is used before the DOI, and the DOI before the title."""
    assert derived_paper_id("T", "https://arxiv.org/abs/2401.12345v2") == "arxiv:2401.12345"
    assert derived_paper_id("T", "https://doi.org/10.1000/X") == "doi:10.1000/x"
    assert derived_paper_id("T").startswith("title:")


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_the_names(title: str, url: str) -> None:
    """Any title and address give an id that is among its own lookup keys."""
    paper_id = derived_paper_id(title, url)

    assert paper_id in lookup_keys(paper_id)
    assert aliases_of(paper_id, title, url)[0] == paper_id
