"""The sign-in: a form that takes an address, a link that is mailed to it, and a button that sets a cookie."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailer.clock import Clock
from mailer.domain.address import address_hash, parse_address
from mailer.domain.subscription import SubscriptionState
from mailer.links import Links, Purpose
from mailer.storage import MailStore, confirmations, subscribers
from mailer.web import forms
from mailer.web.forms import Form
from mailer.web.guards import RateLimit
from mailer.web.reading.users import PageUsers

SENT = (
    "If mail of ours goes to this address, we have sent it a link to sign in. The link works for 15 minutes. "
    "Nothing came? Check the address, or subscribe first."
)
Page = Callable[..., Response]


class SignIn:
    """The handlers of the sign-in.

    Args:
        page: Renders a template with values.
        wake: Called after a link was requested, to have it sent at once.
    """

    def __init__(
        self, store: MailStore, users: PageUsers, links: Links, clock: Clock, page: Page, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._users = users
        self._links = links
        self._clock = clock
        self._page = page
        self._wake = wake
        self._client_rate = RateLimit("10/hour")
        self._address_rate = RateLimit("3/hour")

    def form(self, _request: Request, _form: Form) -> Response:
        """Show the form."""
        return self._page("reading/sign_in.html")

    def request(self, request: Request, form: Form) -> Response:
        """Have a link sent to an address with an active subscription. The answer is the same for all addresses.

        Raises:
            InvalidField: The text is no address.
        """
        if not self._client_rate.allows(request):
            return self._message("Too many requests", "Please try again in an hour.", 429)
        address = parse_address(forms.text(form, "address"))
        if self._address_rate.allows_key(address_hash(address)):
            with self._store.write() as connection:
                found = subscribers.find_by_address(connection, address)
                if found is not None and found.state is SubscriptionState.ACTIVE:
                    confirmations.add(connection, found.subscriber_id, self._clock.now())
            self._wake()
        return self._message("Please check your inbox", SENT)

    def button(self, purpose: Purpose, request: Request, _form: Form) -> Response:
        """Show the button that signs in, because mail scanners open every link."""
        user = self._users.of_claim(self._links.read(purpose, request.path_params["token"]))
        who = user.subscriber.address if user.subscriber else user.user_id
        return self._page("web/button.html", title="Open your page?", text=f"You sign in as {who}.", button="Sign in")

    def enter(self, purpose: Purpose, request: Request, _form: Form) -> Response:
        """Set the cookie and lead to the feed."""
        claim = self._links.read(purpose, request.path_params["token"])
        self._users.of_claim(claim)
        response = RedirectResponse("/", status_code=303)
        self._users.sign_in(response, claim)
        return response

    def leave(self, _request: Request, _form: Form) -> Response:
        """Remove the cookie."""
        response = RedirectResponse("/", status_code=303)
        self._users.sign_out(response)
        return response

    def _message(self, title: str, text: str, status: int = 200) -> Response:
        facts: dict[str, Any] = {"title": title, "text": text}
        return self._page("web/message.html", status, **facts)
