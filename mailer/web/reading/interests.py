"""What a user does to an interest: rename it, change its weight, pause it, merge another one into it, or delete it."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailer.domain.feed import Interest
from mailer.errors import InvalidField
from mailer.service import FeedService
from mailer.web import forms
from mailer.web.forms import Form
from mailer.web.reading.users import PageUser

STEP = 1.5
"""Factor between the present weight of an interest, and the weights that its buttons set."""
MIN_WEIGHT = 0.02
MAX_WEIGHT = 0.9
"""Least and greatest weight that the page sets, so that no other interest loses all of its weight."""
ACTIONS = ("name", "weight", "paused", "merged", "delete")


@dataclass(frozen=True)
class InterestActions:
    """Handler of POST requests for one interest."""

    service: FeedService

    def change(self, user: PageUser, _request: Request, form: Form) -> Response:
        """Do the one thing that the form names, and lead back to the interests. A repeat changes nothing more.

        Raises:
            InvalidField: The form names nothing or several things to do, or the service refuses the value.
            NotFound: The interest is unknown.
        """
        interest_id = forms.text(form, "interest")
        named = [name for name in ACTIONS if name in form]
        value = forms.text(form, named[0]) if len(named) == 1 else ""
        if not interest_id or not value:
            raise InvalidField("interest", f"give one interest, and a value of one of {', '.join(ACTIONS)}")
        match named[0]:
            case "name":
                self.service.update_interest(user.user_id, Interest(value, 0, 0.0, (), interest_id), "name")
            case "weight":
                self.service.update_interest(user.user_id, Interest("", 0, _share(value), (), interest_id), "weight")
            case "paused":
                is_paused = value == "yes"
                changed = Interest("", 0, 0.0, (), interest_id, is_paused)
                self.service.update_interest(user.user_id, changed, "paused")
            case "merged":
                self.service.merge_interests(user.user_id, interest_id, value)
            case _:
                self.service.delete_interest(user.user_id, interest_id)
        return RedirectResponse("/interests", status_code=303)


def next_weights(weight: float) -> tuple[float, float]:
    """Return the weights that the buttons Less and More set; each is the present weight if it cannot change."""
    less, more = (min(MAX_WEIGHT, max(MIN_WEIGHT, each)) for each in (weight / STEP, weight * STEP))
    return min(less, weight), max(more, weight)


def _share(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise InvalidField("weight", f"must be {MIN_WEIGHT} to {MAX_WEIGHT}")
    return weight
