import time

import pytest

from service.ingest.digests.notices import described

ABSTRACT = "Moss keeps time on walls. It is published online ahead of print, in volume 3."
NOTICES = [
    "Imaginary Ecology, EarlyView.",
    "Imaginary Ecology, Accepted Article.",
    "Journal of Imaginary Matter, Ahead of Print.",
    "Journal of Imaginary Matter, Online First.",
    "Volume 12, Issue 3",
    "Volume 201",
    "Volume 12, Issue 3, March 2026, Page 1-12<br/>. ",
    "Wall, Volume 391, Issue 6789, Page 123-128, March 2026. <br/>",
    "Proceedings of the Imaginary Society on Moss &amp; Walls, Volume 10, Issue CSCW2, Page 1\u201330, April 2026.",
    "Imaginary Science and Engineering: A, Volume 60, Issue 5, 1 March 2026, Pages 10-20",
    '<p>Wall, Published online: 09 March 2026; <a href="https://doi.org/10.9999/w.1">doi:10.9999/w.1</a></p>',
    "<p>Published online 9 March 2026</p>",
    "<p>First published: 2026-03-09</p>",
    "<p>Publication date: March 2026</p><p><b>Source:</b> Imaginary Letters, Volume 201</p>",
    "<p>Publication date: Available online 9 March 2026</p><p><b>Source:</b> Imaginary Letters</p>",
    "<b>Walls, Vol. 26, Pages 1234: Moss clocks</b>",
    "<p>Walls <a href='https://doi.org/10.9999/W.1'>doi: 10.9999/w.1</a></p>",
    "<p>J Moss. 2026 Mar 9. doi: 10.9999/w.1. Online ahead of print.</p>",
    "<p>Received: 3 January 2026 / Accepted: 9 March 2026</p>",
    "<i><b>Chem. Moss.</b></i>, 2026, Advance Article",
    "https://doi.org/10.9999/w.1",
    "Moss clocks",
]


@pytest.mark.parametrize("notice", NOTICES)
def test_a_notice_is_no_abstract(notice: str) -> None:
    """A notice alone gives no abstract; before an abstract it is removed, and the abstract stays whole."""
    assert described([notice], title="Moss clocks", doi="10.9999/w.1").abstract == ""
    assert (
        described([f"<div>{notice}</div><p>{ABSTRACT}</p>"], title="Moss clocks", doi="10.9999/w.1").abstract
        == ABSTRACT
    )


@pytest.mark.parametrize(
    "text",
    [
        "Imaginary Ecology, EarlyView. {}",
        "Wall, Volume 391, Issue 6789, March 2026. {}",
        "ABSTRACT {}",
        "Abstract: {}",
        "Abstract{}",
        "<h2>Abstract</h2>{}",
        "<title>Abstract</title><p>{}</p>",
        "<p>{}</p><p>[Imag. Rev. 136, 101801] Published Mon Mar 09, 2026</p>",
        "<p>{}</p><p>PMID:<a href='x'>12345</a> | DOI:<a href='y'>10.9999/w.1</a></p>",
        "{}<p>The post <a href='x'>Moss clocks</a> appeared first on <a href='y'>Wall</a>.</p>",
        "{}<br/>To cite this article before page numbers are assigned, use the DOI form of citation above.",
        "{}<br/>The content of this RSS Feed (c) The Imaginary Society",
    ],
)
def test_what_stands_around_an_abstract_is_removed(text: str) -> None:
    """Notices in the same paragraph, headings and advertisements are cut off."""
    assert described([text.format(ABSTRACT)], title="Moss clocks", doi="10.9999/w.1").abstract == ABSTRACT


@pytest.mark.parametrize(
    "text",
    [
        ABSTRACT,
        "We study papers that were published online in 2020. They differ.",
        "Volume 3 of the series is about moss.",
        "In press and on walls, moss is rare.",
        "Moss, published in 1900, is a classic.",
        "Abstract interpretation is a method.",
        "Highlights of the wall are moss and lichen, and we read more of them.",
        "By now, moss is known.",
    ],
)
def test_a_text_about_publishing_stays(text: str) -> None:
    """An abstract that only speaks of volumes and publication is kept whole."""
    assert described([text], title="Moss clocks", doi="").abstract == text


def test_the_best_text_is_the_abstract() -> None:
    """A text of notices gives way to the next, and one that is cut off to one that goes on."""
    notice, whole = "Imaginary Ecology, EarlyView.", f"<h2>ABSTRACT</h2><p>{ABSTRACT}</p>"
    assert described([notice, whole], title="", doi="").abstract == ABSTRACT
    cut = f"{ABSTRACT[:50]} [\u2026]"
    assert described([cut, whole], title="", doi="").abstract == ABSTRACT
    assert described([cut, "Another text."], title="", doi="").abstract == cut
    assert described(["Teaser.", whole], title="", doi="").abstract == "Teaser."


@pytest.mark.parametrize(
    "lead",
    ["<p>Author(s): Ida Noll and Ben Orr</p>", "<p>Authors: Ida Noll and Ben Orr</p>", "<p>by Ida Noll, Ben Orr</p>"],
)
def test_authors_in_the_text_are_found(lead: str) -> None:
    """Names before the abstract are returned apart from it."""
    found = described([f"{lead}<p>{ABSTRACT}</p>"], title="", doi="")
    assert (found.abstract, "Ida Noll" in found.authors) == (ABSTRACT, True)


def test_arxiv_announcements_are_read() -> None:
    """The prefix of arXiv's feeds is cut off, and its type is returned."""
    found = described(["arXiv:2403.1v1 Announce Type: replace-cross \nAbstract: We rank."], title="", doi="")
    assert (found.abstract, found.announced_as) == ("We rank.", "replace-cross")


@pytest.mark.parametrize("piece", ["Aa ", "A, ", "Volume 1, ", "Published online: ", "; ", "10.1/", "by A", "1 March "])
def test_hostile_notices_take_linear_time(piece: str) -> None:
    """A text of 200,000 characters takes a second or so, whatever it consists of."""
    began = time.perf_counter()
    described([piece * (200_000 // len(piece)), f"<p>{piece}</p>" * 10_000], title="x", doi="10.1/x")
    assert time.perf_counter() - began < 5
