"""What the page of an issue shows of each paper."""

from collections.abc import Mapping, Sequence
from typing import Any

from mailer.issues.feed import FeedPaper
from mailer.issues.issue import IssuePaper
from mailer.issues.reasons import in_words
from mailer.links import ACTIONS, Claim, Links, Purpose

ACTION_WORDS = {
    Purpose.LIKE: ("like", "Like", "Liked"),
    Purpose.SAVE: ("save", "Save", "Saved"),
    Purpose.DISLIKE: ("dislike", "Not for me", "Noted: not for you"),
}
"""Event type, the button's label and what is said once it is done."""


def shown_papers(
    links: Links,
    claim: Claim,
    papers: Sequence[IssuePaper],
    more: Mapping[int, FeedPaper],
    held: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The template's facts, in the papers' order.

    Args:
        claim: Of the page; its links are as old.
        more: What the service knows, by position; what it does not is left out.
        held: The last deliberate reaction, by paper_id.
    """

    def url(purpose: Purpose, position: int) -> str:
        return links.url(purpose, claim.subscriber_id, claim.issue_id, position, parent=claim)

    shown = []
    for paper in papers:
        known = more.get(paper.position)
        shown.append(
            {
                "title": paper.title,
                "url": url(Purpose.CLICK, paper.position) if paper.url else "",
                "why": in_words(known.reasons) if known else "",
                "authors": known.authors if known else (),
                "abstract": known.abstract if known else "",
                "held": held.get(paper.paper_id, ""),
                "actions": [(url(each, paper.position), *ACTION_WORDS[each][:2]) for each in ACTIONS],
            }
        )
    return shown
