"""Issues with a section for each interest, made from the feeds of a real service."""

from mailer.storage import MailStore, subscribers
from mailer.subscribers.subscriptions import Subscriptions
from paperfeed.v1.profile_pb2 import Interest, ListInterestsRequest
from testing.calls import wait_until
from testing.mailer.builders import FixedClock
from testing.mailer.smtp_server import Inbox
from tests.mailer.builders import run, subscribe
from tests.mailer.checker import parts
from tests.mailer.feeds import OwnFeeds


def interests(feeds: OwnFeeds, user: int) -> list[Interest]:
    with feeds.client() as client:
        return list(client.profiles.ListInterests(ListInterestsRequest(user_id=feeds.user_id(user))).interests)


def test_only_for_those_who_want_them(store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """An issue has the names of the interests as headings only if the subscriber has chosen sections."""
    for user in (2, 3):
        # Papers of two topics in turn; each topic is an interest once its papers have vectors.
        feeds.like(user, "a0", "a1", "a5", "a6")
        wait_until(lambda user=user: len(interests(feeds, user)) == 2)  # type: ignore[misc]
    names = [each.name for each in interests(feeds, 2)]
    subscribe(store, feeds, 2, has_sections=True)
    subscribe(store, feeds, 3)

    assert run(store, feeds, inbox, clock).outcomes["sent"] == 2

    texts = {address: parts(content)[1] for address, content in inbox.messages}
    with_sections, without = (texts[f"subscriber{number}@example.org"] for number in (2, 3))
    for name in names:
        heading = f"{name}\n{'-' * len(name)}\n"
        assert heading in with_sections.replace("\r\n", "\n")
        assert heading not in without.replace("\r\n", "\n")
    assert with_sections.count("   Like: ") == without.count("   Like: ") == 6


def test_the_wish_is_kept(store: MailStore, feeds: OwnFeeds, clock: FixedClock) -> None:
    """A change of other values leaves the wish for sections as it is."""
    subscribe(store, feeds, 1)
    subscriptions = Subscriptions(store, clock)
    with store.read() as connection:
        before = subscribers.find(connection, "s000001")
    assert before is not None
    assert not before.has_sections

    subscriptions.change("s000001", before.schedule, 5, "", has_sections=True)
    changed = subscriptions.change("s000001", before.schedule, 6, "")

    assert changed.has_sections
    with store.read() as connection:
        assert subscribers.find(connection, "s000001") == changed
