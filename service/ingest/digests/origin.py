"""Names of the sources of digests. They distinguish two digests of one day."""

import hashlib
import re
from urllib.parse import urlsplit

MAX_LENGTH = 70
"""Characters of a source's name, so that the id of its digest is readable."""


def digest_source(kind: str, origin: str) -> str:
    """Return ``KIND/ORIGIN``, e.g. ``feed/journal.example-letters``, or ``kind`` without an origin.

    Args:
        kind: ``feed``, ``arxiv``, ``papers`` or ``list``.
        origin: Address of a feed, names of categories, or the name of a file. A query, which may hold a key, and what
            is too long are replaced with a hash.
    """
    text = " ".join(origin.split())
    try:
        address = urlsplit(text)
    except ValueError:
        address = urlsplit("")
    is_address = address.scheme in {"http", "https"} and bool(address.netloc)
    shown = f"{address.netloc.rpartition('@')[2].lower()}{address.path}" if is_address else text
    # arXiv's daily feeds: https://rss.arxiv.org/rss/cs.LG
    shown = re.sub(r"^(?:www\.)?(?:export\.|rss\.)?arxiv\.org/(?:rss|atom)/", "", shown.removesuffix("/"))
    name = re.sub(r"[^\w.+]+", "-", shown).strip("-.")
    is_whole = len(name) <= MAX_LENGTH and not (is_address and (address.query or address.fragment))
    if not is_whole or (origin and not name):
        name = f"{name[: MAX_LENGTH - 9]}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}".lstrip("-")
    return f"{kind}/{name}" if name else kind
