"""Prepares the papers of an issue for its web page."""

from collections.abc import Mapping, Sequence
from typing import Any

from mailer.domain.feed import FeedPaper
from mailer.domain.issue import IssuePaper
from mailer.issues.reasons import in_words
from mailer.issues.text import readable
from mailer.links import ACTIONS, Claim, Links, Purpose

ACTION_WORDS = {
    Purpose.LIKE: ("like", "Like", "Liked"),
    Purpose.SAVE: ("save", "Save", "Saved"),
    Purpose.DISLIKE: ("dislike", "Not for me", "Noted: not for you"),
}
"""(event type, label of the button, message after the action) by purpose."""


def shown_papers(
    links: Links,
    claim: Claim,
    papers: Sequence[IssuePaper],
    more: Mapping[int, FeedPaper],
    held: Mapping[str, str],
    *,
    track_clicks: bool,
) -> list[dict[str, Any]]:
    """Return the template's values of each paper, in order of position.

    Args:
        claim: Content of the token that opened the page; its links keep the token's date.
        more: Papers with abstract, authors and reasons, by position; the page omits these of other papers.
        held: Event type of the last deliberate reaction, by paper_id.
        track_clicks: Let the titles lead over the mailer, which records the click.
    """

    def url(purpose: Purpose, position: int) -> str:
        return links.url(purpose, claim.subscriber_id, claim.issue_id, position, parent=claim)

    shown = []
    for paper in papers:
        known = more.get(paper.position)
        shown.append(
            {
                "title": paper.title,
                "url": url(Purpose.CLICK, paper.position) if track_clicks and paper.url else paper.url,
                "facts": readable(known.facts) if known else "",
                "pdf_url": known.pdf_url if known else "",
                "why": in_words(known.reasons) if known else "",
                "authors": known.authors if known else (),
                "abstract": known.abstract if known else "",
                "held": held.get(paper.paper_id, ""),
                "actions": [(url(each, paper.position), *ACTION_WORDS[each][:2]) for each in ACTIONS],
            }
        )
    return shown
