"""The preferences page checks the whole form before it stores anything, here or in the service."""

import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from mailer.config import MailSettings
from mailer.domain.feed import Preferences
from mailer.links import ACTIONS, DAY_SECONDS, Claim, Purpose
from mailer.service import FeedService
from mailer.storage import MailStore, subscribers
from testing.mailer.builders import FixedClock
from tests.mailer.builders import subscribe
from tests.mailer.feeds import OwnFeeds
from tests.mailer.site import RunningSite, running_site
from tests.mailer.web.reading import dump, url

FORM = {"weekdays": ["2"], "local_time": "06:30", "time_zone": "Asia/Tokyo", "paper_count": "20", "name": "Ada"}


@pytest.fixture
def with_service(store: MailStore, feeds: OwnFeeds) -> Iterator[tuple[RunningSite, FeedService]]:
    """The pages for one subscriber, with the feed service."""
    subscribe(store, feeds, 1)
    with FeedService(feeds.target, timeout_seconds=10) as service:
        settings = MailSettings.read({}, server=feeds.target)
        with running_site(store, service, settings, FixedClock()) as site:
            yield site, service


def test_changing_days_while_the_service_is_away(site: RunningSite, store: MailStore) -> None:
    """Without the service, schedule and name can be changed; topics are neither shown nor lost."""
    link = url(site, Purpose.PREFERENCES)
    page = site.ask(link).text
    assert "Topics are not available at the moment" in page
    assert site.ask(link, FORM).status == 200
    with store.read() as connection:
        found = subscribers.find(connection, "s000001")
    assert found is not None
    assert (found.schedule.weekdays, found.schedule.time_zone, found.paper_count, found.name) == (
        (2,),
        "Asia/Tokyo",
        20,
        "Ada",
    )
    assert site.ask(link, {**FORM, "followed_topics": "cs.LG"}).status == 503
    assert site.ask(link, {**FORM, "name": "A\r\nBcc: x@example.org"}).status == 400


def test_all_or_nothing(with_service: tuple[RunningSite, FeedService], store: MailStore, feeds: OwnFeeds) -> None:
    """If any field is invalid, neither topics nor days are stored; otherwise both are."""
    site, service = with_service
    link = url(site, Purpose.PREFERENCES)
    topics = {"followed_topics": "protein folding\n\nprotein folding\ngraphs", "muted_keywords": "survey"}
    wrong: list[tuple[str, Any]] = [
        ("weekdays", ["9"]),
        ("weekdays", []),
        ("weekdays", ["x"]),
        ("local_time", "25:00"),
        ("time_zone", "Mars/Base"),
        ("paper_count", "0"),
        ("paper_count", "x"),
        ("name", "A\r\nBcc: x@example.org"),
        ("muted_topics", "x" * 5_000),
    ]
    before = dump(store)
    for field, value in wrong:
        answer = site.ask(link, {**FORM, **topics, field: value})
        assert answer.status == 400, field
        assert field in answer.text
        assert service.preferences(feeds.user_id(1)) == Preferences(), field
        assert dump(store) == before

    assert site.ask(link, {**FORM, **topics}).status == 200

    stored = Preferences(followed_topics=("protein folding", "graphs"), muted_keywords=("survey",))
    assert service.preferences(feeds.user_id(1)) == stored
    assert dump(store) != before


def test_sections(site: RunningSite, store: MailStore) -> None:
    """A ticked box asks for sections, and the page shows it ticked; without the tick they end."""
    link = url(site, Purpose.PREFERENCES)
    for value, is_wanted in (({"has_sections": "1"}, True), ({}, False)):
        assert site.ask(link, {**FORM, **value}).status == 200
        with store.read() as connection:
            found = subscribers.find(connection, "s000001")
        assert found is not None
        assert found.has_sections is is_wanted
        assert ('name="has_sections" value="1" checked' in site.ask(link).text) is is_wanted


def test_no_day_selected(site: RunningSite, store: MailStore) -> None:
    """A form without a day is an error."""
    before = dump(store)
    form = {name: value for name, value in FORM.items() if name != "weekdays"}
    answer = site.ask(url(site, Purpose.PREFERENCES), form)

    assert answer.status == 400
    assert "select at least one day" in answer.text
    assert dump(store) == before


def test_links_are_as_old_as_the_mail(site: RunningSite) -> None:
    """The links from the preferences to the archive, an issue and its buttons keep the date of the first link."""
    made_at = int(time.time()) - 80 * DAY_SECONDS
    link = f"/preferences/{site.links.token(Claim(Purpose.PREFERENCES, 's000001', made_at=made_at))}"
    for purpose in (Purpose.UNSUBSCRIBE, Purpose.ARCHIVE, Purpose.VIEW, Purpose.CLICK, *ACTIONS):
        page = site.ask(link)
        assert page.status == 200
        found = unescape(re.findall(rf'(?:href|action)="([^"]+/{purpose.value}/[^"]+)"', page.text)[0])
        assert site.links.read(purpose, found.rpartition("/")[2]).made_at == made_at
        if purpose in {Purpose.ARCHIVE, Purpose.VIEW}:
            link = found

    expired = site.links.token(Claim(Purpose.PREFERENCES, "s000001", made_at=made_at - 11 * DAY_SECONDS))
    assert site.ask(f"/preferences/{expired}").status == 403


def test_the_link_after_a_like_keeps_its_date(site: RunningSite) -> None:
    """The link back to the issue after a like keeps the date of the like's link."""
    made_at = int(time.time()) - 80 * DAY_SECONDS
    like = f"/like/{site.links.token(Claim(Purpose.LIKE, 's000001', 'i1', '1', made_at))}"
    back = unescape(re.findall(r'href="[^"]+/view/([^"]+)"', site.ask(like, {}).text)[0])
    assert site.links.read(Purpose.VIEW, back).made_at == made_at
