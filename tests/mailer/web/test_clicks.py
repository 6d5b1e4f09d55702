"""The click redirect: a subscriber's click counts once an hour, a machine's click never, in any order."""

import pytest

from mailer.links import Purpose
from mailer.storage import MailStore
from testing.mailer.builders import FixedClock
from tests.mailer.site import RunningSite
from tests.mailer.web.reading import events, url


def test_clicks(site: RunningSite, store: MailStore, clock: FixedClock) -> None:
    """A click redirects to the paper and counts once an hour; HEAD, prefetching and programs do not count."""
    link = url(site, Purpose.CLICK, 2)
    assert site.ask(link, method="HEAD").status == 303
    assert events(store) == []
    for _ in range(2):
        answer = site.ask(link)
        assert (answer.status, answer.headers["Location"]) == (303, "http://example.org/p2?a=b")
    clock.advance(hours=1)
    site.ask(link)
    site.ask(url(site, Purpose.CLICK, 1), Sec_Purpose="prefetch")
    site.ask(url(site, Purpose.CLICK, 4), User_Agent="SomeBot/1.0")

    assert events(store) == [("click", "p2", 0), ("click", "p2", 0), ("click", "p1", 1), ("click", "p4", 1)]
    assert site.ask(url(site, Purpose.CLICK, 3)).status == 403


def test_a_click_beside_a_scanner(site: RunningSite, store: MailStore) -> None:
    """If a program clicks before and after the subscriber in the same hour, the subscriber's click counts once."""
    link = url(site, Purpose.CLICK, 2)
    site.ask(link, User_Agent="SomeBot/1.0")
    for _ in range(3):
        site.ask(link)
    site.ask(link, User_Agent="SomeBot/1.0")

    assert events(store) == [("click", "p2", 1), ("click", "p2", 0)]


def test_a_click_after_a_prefetch(site: RunningSite, store: MailStore) -> None:
    """A link prefetched by a mail client does not replace the click that follows."""
    link = url(site, Purpose.CLICK, 2)
    site.ask(link, Sec_Purpose="prefetch")
    site.ask(link)

    assert events(store) == [("click", "p2", 1), ("click", "p2", 0)]


@pytest.mark.parametrize("wait_minutes", [1, 40])
def test_a_click_after_a_disguised_scanner(
    site: RunningSite, store: MailStore, clock: FixedClock, wait_minutes: float
) -> None:
    """Following all links at once marks a scanner, whatever its user agent; the subscriber's later click counts."""
    for number in (1, 2, 4, 5, 6):
        site.ask(url(site, Purpose.CLICK, number))
    assert all(is_scanner for _, _, is_scanner in events(store))
    clock.advance(minutes=wait_minutes)

    for _ in range(2):
        site.ask(url(site, Purpose.CLICK, 4))

    assert [paper for _, paper, is_scanner in events(store) if not is_scanner] == ["p4"]
    assert len(events(store)) == 5


def test_a_click_just_after_a_program(site: RunningSite, store: MailStore) -> None:
    """A program that names itself does not turn the subscriber's click in the same seconds into a scanner's."""
    for number in (1, 2, 4, 5, 6):
        site.ask(url(site, Purpose.CLICK, number), User_Agent="SomeBot/1.0")
    site.ask(url(site, Purpose.CLICK, 2))

    assert [paper for _, paper, is_scanner in events(store) if not is_scanner] == ["p2"]
