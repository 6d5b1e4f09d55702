"""The list of everything that shapes a user's feed, with undo and reset."""

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailer.errors import InvalidField
from mailer.service import FeedService
from mailer.web import forms
from mailer.web.forms import Form
from mailer.web.reading.actions import own_path, with_values
from mailer.web.reading.pages import LISTS
from mailer.web.reading.users import PageUser
from mailer.web.reading.why import EVENTS

EFFECTS = {
    "more_similar": "similar papers rank higher",
    "fewer_similar": "similar papers rank lower",
    "hides_paper": "your feed leaves it out",
    "takes_back": "earlier reactions to it do not count",
    "trend": "counts for the trend that others see",
}
"""What a signal does, by effect."""


class SignalPages:
    """Handlers of the pages of signals.

    Args:
        page: Returns a rendered template.
    """

    def __init__(self, service: FeedService, page: Callable[..., Response]) -> None:
        self._service = service
        self._page = page

    def show(self, user: PageUser, request: Request, _form: Form) -> Response:
        """Show one page of signals, newest first, and on the first page the preferences."""
        more = request.query_params.get("more", "")
        try:
            found = self._service.signals(user.user_id, more)
        except InvalidField:
            # The token belongs to another list: begin again.
            found, more = self._service.signals(user.user_id), ""
        entries = [
            (name, LISTS[name][0], getattr(found.preferences, name))
            for name in LISTS
            if found.preferences and getattr(found.preferences, name)
        ]
        return self._page(
            "reading/signals.html",
            user=user,
            here="interests",
            signals=[
                (
                    EVENTS.get(each.event_type, each.event_type),
                    each,
                    "; ".join(EFFECTS[effect] for effect in each.effects if effect in EFFECTS),
                )
                for each in found.signals
            ],
            lists=entries,
            is_later=bool(more),
            more_url=f"/signals?{urlencode({'more': found.next_token})}" if found.next_token else "",
            told=_told(request),
            back="/signals" + (f"?{urlencode({'more': more})}" if more else ""),
        )

    def undo(self, user: PageUser, _request: Request, form: Form) -> Response:
        """Delete one event, and lead back to the page.

        Raises:
            InvalidField: The form names no event.
        """
        event_id = forms.text(form, "signal")
        if not event_id:
            raise InvalidField("signal", "is missing")
        deleted_count = self._service.delete_events(user.user_id, [event_id])
        back = own_path(forms.text(form, "back"))
        return RedirectResponse(with_values(back, {"undone": str(deleted_count)}), status_code=303)

    def ask(self, user: PageUser, _request: Request, _form: Form) -> Response:
        """Ask whether to delete everything; this page deletes nothing."""
        return self._page("reading/reset.html", user=user, here="interests")

    def reset(self, user: PageUser, _request: Request, form: Form) -> Response:
        """Delete all events and preferences of the user.

        Raises:
            InvalidField: The box that confirms it is not ticked.
        """
        if forms.text(form, "confirmed") != "yes":
            raise InvalidField("confirmed", "tick the box to delete everything")
        deleted_count = self._service.reset_signals(user.user_id)
        return RedirectResponse(f"/signals?{urlencode({'reset': str(deleted_count)})}", status_code=303)


def _told(request: Request) -> str:
    """Return what the form before this page did; empty if there was none."""
    if "reset" in request.query_params:
        return "Everything was deleted. Your feed starts anew."
    if "undone" in request.query_params:
        is_done = request.query_params["undone"] not in ("", "0")
        return "Undone. It shapes your feed no longer." if is_done else "It had been deleted before."
    return ""
