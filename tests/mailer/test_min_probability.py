"""The setting that makes an issue as long as it is worth."""

from collections.abc import Iterator

import pytest

from mailer.config import MailSettings
from mailer.links import Purpose
from mailer.run import Summary
from mailer.service import FeedService
from mailer.storage import MailStore
from mailer.web.reading.users import COOKIE
from paperfeed.v1.catalog_pb2 import EMBEDDING_STATE_READY, BatchGetPapersRequest
from paperfeed.v1.feed_pb2 import GetFeedRequest
from ranker.bundle.calibration import Calibration
from service.encoder import HashingEncoder
from service.storage import schema
from testing.bundles import model_text, write_tiny_bundle
from testing.calls import wait_until
from testing.mailer.builders import FixedClock
from testing.mailer.smtp_server import Inbox
from testing.servers import Service, serving
from tests.mailer.builders import run, subscribe
from tests.mailer.feeds import OwnFeeds
from tests.mailer.site import running_site
from tests.mailer.web.pages.conftest import cookie_of, path_of


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A feed service whose bundle has a calibration."""
    folder = tmp_path_factory.mktemp("calibrated")
    url = f"sqlite:///{folder / 'service.db'}"
    schema.upgrade(url)
    calibration = Calibration((-20.0, 20.0), (0.0, 0.9))
    write_tiny_bundle(
        folder / "bundle", encoder_name=HashingEncoder.name, model_text=model_text(), calibration=calibration
    )
    with serving(url, bundle=str(folder / "bundle")) as service:
        yield service


@pytest.fixture
def own(calibrated: Service, feeds: OwnFeeds) -> OwnFeeds:
    """The test's own part of that service: a digest of ten papers of five topics, one of which user 1 likes."""
    found = OwnFeeds(calibrated.target, feeds.number)
    found.add_digest("first", "a", 10)
    found.like(1, "a0")

    def is_ready() -> bool:
        request = BatchGetPapersRequest(paper_ids=[found.paper_id(f"a{number}") for number in range(10)])
        papers = calibrated.client.catalog.BatchGetPapers(request).papers
        return all(paper.embedding_state == EMBEDDING_STATE_READY for paper in papers)

    wait_until(is_ready)
    return found


def test_an_issue_ends_at_the_limit(
    calibrated: Service, store: MailStore, own: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """The issue has the papers that the service finds probable enough, and no others."""
    subscribe(store, own, 1)
    request = GetFeedRequest(user_id=own.user_id(1), digest_id=own.digest_id("first"))
    probabilities = {
        own.name(item.paper.paper_id): item.probability for item in calibrated.client.feeds.GetFeed(request).slate.items
    }
    highest = sorted(set(probabilities.values()), reverse=True)
    limit = (highest[0] + highest[1]) / 2

    assert run(store, own, inbox, clock, min_probability=limit).outcomes == {"made": 1, "sent": 1}

    (sent,) = own.sent(store, 1)
    assert set(sent) == {name for name, probability in probabilities.items() if probability >= limit}
    assert len(sent) < len(probabilities)


def test_each_subscriber_has_a_limit_of_their_own(
    store: MailStore, own: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """A subscriber's own limit comes before the setting; 0 means none. The page says what mails leave out."""
    own.like(2, "a0", "a5")
    own.like(3, "a0", "a5")
    subscribe(store, own, 1)
    subscribe(store, own, 2, min_probability=0.0)
    subscribe(store, own, 3, min_probability=0.999)

    assert run(store, own, inbox, clock, min_probability=1.0).outcomes == {"made": 1, "sent": 1, "empty_feed": 2}
    (sent,) = own.sent(store, 2)
    assert len(sent) == 8

    settings = MailSettings.read({}, server=own.target, min_probability=1.0)
    with FeedService(own.target, timeout_seconds=20) as service, running_site(store, service, settings, clock) as site:

        def why(number: int) -> str:
            link = path_of(site.links.url(Purpose.OPEN, f"s{number:06d}"))
            cookie = cookie_of(site.ask(link, {}))
            return site.ask(f"/why/{own.paper_id('a1')}", Cookie=f"{COOKIE}={cookie}").text

        assert "Mails to you leave it out: their lowest probability is 100 %." in why(1)
        assert "You would like or save it with a probability of " in why(2)
        assert "Mails to you leave it out" not in why(2)
        assert "Mails to you leave it out: their lowest probability is 99.9 %." in why(3)


def test_nothing_today_sends_no_mail(store: MailStore, own: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """If no paper is probable enough, no mail is sent and the run succeeds; users without likes get their issue."""
    subscribe(store, own, 1, 2)

    assert run(store, own, inbox, clock, min_probability=1.0) == Summary(
        {"made": 1, "sent": 1, "empty_feed": 1}, (), is_ok=True
    )

    assert own.sent(store, 1) == []
    assert len(own.sent(store, 2)) == 1


def test_a_service_without_calibration_is_a_problem(
    store: MailStore, feeds: OwnFeeds, inbox: Inbox, clock: FixedClock
) -> None:
    """If the service has no calibrated bundle, the run fails and names the setting; nothing is sent."""
    subscribe(store, feeds, 1)

    found = run(store, feeds, inbox, clock, min_probability=0.4)

    assert not found.is_ok
    assert "PAPERFEED_MAIL_MIN_PROBABILITY" in found.problems[0]
    assert not inbox.messages
