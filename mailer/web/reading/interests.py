"""What a user does to interests: make one, rename, weigh, pause, split or delete it, or merge another one into it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailer.domain.feed import Interest
from mailer.errors import InvalidField
from mailer.service import FeedService
from mailer.web import forms
from mailer.web.forms import Form
from mailer.web.reading.users import PageUser
from mailer.web.starting_points import find_papers

STEP = 1.5
"""Factor between the present weight of an interest, and the weights that its buttons set."""
MIN_WEIGHT = 0.02
MAX_WEIGHT = 0.9
"""Least and greatest weight that the page sets, so that no other interest loses all of its weight."""
ACTIONS = ("name", "weight", "paused", "merged", "split", "delete")


@dataclass(frozen=True)
class InterestActions:
    """Handlers of POST requests for one interest."""

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
            case "split":
                # The value is the id of the part, so that a repeated form does not split again.
                self.service.split_interest(user.user_id, interest_id, value)
            case _:
                self.service.delete_interest(user.user_id, interest_id)
        return RedirectResponse("/interests", status_code=303)

    def create(self, user: PageUser, _request: Request, form: Form) -> Response:
        """Make an interest of the papers whose ids, addresses or titles were pasted, and lead back to the interests.

        Raises:
            InvalidField: The name is missing, no line names a paper of the catalog, or the service refuses the values.
        """
        name = forms.text(form, "name")
        paper_ids, missing = find_papers(self.service, forms.lines(form, "papers"))
        if not name or not paper_ids:
            raise InvalidField("papers", "give a name, and at least one paper of this catalog")
        self.service.create_interest(user.user_id, name, paper_ids)
        told = {"created": name, **({"missing": "\n".join(missing)} if missing else {})}
        return RedirectResponse(f"/interests?{urlencode(told)}", status_code=303)


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
