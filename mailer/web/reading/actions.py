"""What a user does on the pages: react to a paper, see it, follow or mute, and add papers they like."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from mailer.clock import Clock
from mailer.domain.feed import Event, Preferences
from mailer.errors import InvalidField
from mailer.issues.rendering import render
from mailer.service import FeedService
from mailer.web import forms
from mailer.web.forms import Form
from mailer.web.reading.pages import DONE
from mailer.web.reading.users import PageUser
from mailer.web.starting_points import StartingPoints

MAX_SEEN = 100
FRAGMENT = "x-paperfeed-fragment"
"""Header of requests of our script, which wants the buttons alone instead of a whole page."""


class Actions:
    """Handlers of POST requests, each for an identified user."""

    def __init__(self, service: FeedService, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    def react(self, user: PageUser, request: Request, form: Form) -> Response:
        """Record a like, save, dislike or unlike. Answer with the new buttons, or lead back to the page.

        Without the script nothing tells when a paper was seen, but a paper that got a reaction was.

        Raises:
            InvalidField: The form is not one of our pages'.
            NotFound: The paper is unknown.
        """
        event_type, paper_id, slate_id = (forms.text(form, name) for name in ("event", "paper", "slate"))
        if event_type not in DONE:
            raise InvalidField("event", f"'{event_type[:20]}' is none of {', '.join(DONE)}")
        is_script = FRAGMENT in request.headers
        events = [self._event(user, paper_id, event_type, slate_id)]
        if slate_id and not is_script and event_type != "unlike":
            events.append(self._event(user, paper_id, "impression", slate_id))
        self._service.record(events)
        if is_script:
            held = "" if event_type == "unlike" else event_type
            return HTMLResponse(_buttons(form, held))
        told = {"did": event_type, "paper": paper_id, **({"slate": slate_id} if slate_id else {})}
        # In a feed, the next paper moves up to this rank.
        place = f"#p{rank}" if (rank := forms.text(form, "rank")).isdecimal() else ""
        return RedirectResponse(with_values(own_path(forms.text(form, "back")), told) + place, status_code=303)

    def see(self, user: PageUser, _request: Request, form: Form) -> Response:
        """Record impressions of papers that were in view for a second.

        Raises:
            InvalidField: The slate is missing, or there are too many papers.
        """
        paper_ids, slate_id = list(dict.fromkeys(form.get("paper", []))), forms.text(form, "slate")
        if not slate_id or not 1 <= len(paper_ids) <= MAX_SEEN:
            raise InvalidField("paper", f"give a slate and 1 to {MAX_SEEN} papers")
        self._service.record([self._event(user, paper_id, "impression", slate_id) for paper_id in paper_ids])
        return Response(status_code=204)

    def follow(self, user: PageUser, _request: Request, form: Form) -> Response:
        """Add an entry to one list of the preferences, or remove one.

        Raises:
            InvalidField: There is no such list, or the service refuses the entry.
        """
        name, added, removed = (forms.text(form, field) for field in ("list", "add", "remove"))
        if name not in Preferences.__dataclass_fields__:
            raise InvalidField("list", f"'{name[:40]}' is no list of topics, authors or words")
        preferences = self._service.preferences(user.user_id)
        kept: Sequence[str] = [each for each in getattr(preferences, name) if each != removed]
        changed: dict[str, Any] = {name: tuple(dict.fromkeys((*kept, *([added] if added else []))))}
        self._service.update_preferences(user.user_id, replace(preferences, **changed))
        return RedirectResponse(f"/interests#{name}", status_code=303)

    def add_likes(self, user: PageUser, _request: Request, form: Form) -> Response:
        """Like the papers whose ids, addresses or titles were pasted.

        Raises:
            InvalidField: There are too many lines.
        """
        result = StartingPoints(self._service, self._clock).like(user.user_id, forms.lines(form, "papers"))
        told = {"added": str(result.liked_count), **({"missing": "\n".join(result.missing)} if result.missing else {})}
        return RedirectResponse(f"/interests?{urlencode(told)}", status_code=303)

    def _event(self, user: PageUser, paper_id: str, event_type: str, slate_id: str) -> Event:
        return Event("", user.user_id, paper_id, event_type, self._clock.now(), slate_id)


def own_path(text: str) -> str:
    """Return the path and query if they lead to our own site, else the path of the feed."""
    parts = urlsplit(text)
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.netloc and text.isprintable()
    return text if is_own else "/"


def with_values(path: str, values: dict[str, str]) -> str:
    """Return the path with more parameters in its query."""
    return f"{path}{'&' if '?' in path else '?'}{urlencode(values)}"


def _buttons(form: Form, held: str) -> str:
    paper = {"paper_id": forms.text(form, "paper"), "slate_id": forms.text(form, "slate"), "held": held}
    back, rank = own_path(forms.text(form, "back")), forms.text(form, "rank")
    return render("reading/buttons.html", paper=paper, told=DONE.get(held, ""), back=back, rank=rank)
