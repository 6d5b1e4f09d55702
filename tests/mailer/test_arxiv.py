"""arXiv identifiers are found in ids and addresses of papers, and nowhere else."""

import pytest

from mailer.domain.feed import FeedPaper


@pytest.mark.parametrize(
    ("paper_id", "url", "expected"),
    [
        ("arxiv:2401.00001", "", "2401.00001"),
        ("arxiv:2401.00001v3", "https://huggingface.co/papers/2401.00001", "2401.00001"),
        ("p1", "https://arxiv.org/abs/2401.00001v2", "2401.00001"),
        ("p1", "http://www.arxiv.org/pdf/2401.00001.pdf", "2401.00001"),
        ("arxiv:hep-th/9901001", "", "hep-th/9901001"),
        ("p1", "https://arxiv.org/abs/math.GT/0309136", "math.GT/0309136"),
        ("p1", "https://example.org/arxiv.org/abs/2401.00001", ""),
        ("p1", "https://arxiv.org/abs/2401.00001?x=<script>", ""),
        ("doi:10.1000/arxiv.1", "", ""),
    ],
)
def test_arxiv_ids(paper_id: str, url: str, expected: str) -> None:
    """Versions are left out; only arXiv's own addresses count."""
    paper = FeedPaper(1, paper_id, "Title", url=url)

    assert paper.arxiv_id == expected
    assert paper.pdf_url == (f"https://arxiv.org/pdf/{expected}" if expected else "")


def test_web_addresses() -> None:
    """A paper without an http address leads to arXiv, if it is there."""
    assert (
        FeedPaper(1, "arxiv:2401.00001", "T", url="javascript:alert(1)").web_url == "https://arxiv.org/abs/2401.00001"
    )
    assert FeedPaper(1, "p", "T", url="ftp://example.org/p").web_url == ""
    assert FeedPaper(1, "p", "T", url="https://example.org/p").web_url == "https://example.org/p"
