"""The confirmation of a subscription asks where to begin, and stores it only then."""

import re

import grpc
import pytest

from mailer.domain.subscription import SubscriptionState
from mailer.links import Purpose
from mailer.storage import MailStore, subscribers
from paperfeed.v1.profile_pb2 import ExportUserRequest
from tests.mailer.feeds import OwnFeeds
from tests.mailer.site import RunningSite
from tests.mailer.web.pages.conftest import Visitor, cookie_of, path_of


def confirm(site: RunningSite, store: MailStore, address: str, form: dict[str, str]) -> tuple[str, str]:
    """Subscribe an address, and return (user id, page after the confirmation)."""
    assert site.ask("/subscribe", {"address": address, "weekdays": "1"}).status == 200
    with store.read() as connection:
        found = subscribers.find_by_address(connection, address)
    assert found is not None
    link = path_of(site.links.url(Purpose.CONFIRM, found.subscriber_id, detail=found.confirm_nonce))
    page = site.ask(link).text
    assert 'list="topic-list"' in page
    assert '<option value="cs.LG" label="cs.LG Machine learning">' in page
    done = site.ask(link, dict(form))
    assert done.status == 200
    with store.read() as connection:
        confirmed = subscribers.find(connection, found.subscriber_id)
    assert confirmed is not None
    assert confirmed.state is SubscriptionState.ACTIVE
    return found.user_id, done.text


def test_topics_authors_and_papers(open_site: RunningSite, store: MailStore, feeds: OwnFeeds) -> None:
    """Topics and authors are followed, pasted papers are liked, and the page says what is not in the catalog."""
    form = {
        "topics": "protein folding",
        "authors": "Ada Lovelace\n\n Emmy Noether ",
        "papers": f"{feeds.paper_id('a1')}\nhttps://arxiv.org/abs/2401.99999",
    }
    user_id, page = confirm(open_site, store, "new@example.org", form)

    assert "Papers added to your likes: 1." in page
    assert "Not in the catalog: https://arxiv.org/abs/2401.99999" in page
    link = path_of(re.findall(r'href="([^"]+/open/[^"]+)"', page)[0])
    user = Visitor(open_site, feeds, user_id, cookie_of(open_site.ask(link, {})))
    assert user.papers("/saved?all=1") == ["a1"]
    interests = user.get("/interests").text
    for entry in ("protein folding", "Ada Lovelace", "Emmy Noether"):
        assert f'<span dir="auto">{entry}</span>' in interests


def test_an_invalid_start_does_not_undo_the_confirmation(open_site: RunningSite, store: MailStore) -> None:
    """An entry that the service refuses is named; the subscription is confirmed all the same."""
    _, page = confirm(open_site, store, "new@example.org", {"topics": "x" * 300})

    assert "Not all of your topics and papers were stored" in page


def test_nothing_to_begin_with(open_site: RunningSite, store: MailStore, feeds: OwnFeeds) -> None:
    """An empty form confirms alone, and the service does not learn of the user."""
    user_id, page = confirm(open_site, store, "new@example.org", {})

    assert "You are subscribed" in page
    with feeds.client() as client:
        answers = client.profiles.ExportUser(ExportUserRequest(user_id=user_id))
        with pytest.raises(grpc.RpcError, match="no user"):
            list(answers)
