"""arXiv identifiers in ids and addresses of papers."""

import re

# Of the new form since April 2007 and of the old one, such as hep-th/9901001; a version is left out.
_ID = r"(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?"
_OF_ID = re.compile(rf"arxiv:{_ID}", re.IGNORECASE)
_OF_URL = re.compile(rf"https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/{_ID}(?:\.pdf)?/?", re.IGNORECASE)


def arxiv_id(paper_id: str, url: str) -> str:
    """Return the arXiv identifier without version, such as 2401.00001; empty if neither argument contains one."""
    found = _OF_ID.fullmatch(paper_id) or _OF_URL.fullmatch(url)
    return found[1] if found else ""
