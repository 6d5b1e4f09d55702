"""The setting that makes an issue as long as it is worth."""

from collections.abc import Iterator

import pytest

from mailer.run import Summary
from mailer.service import FeedService
from mailer.storage import MailStore
from paperfeed.v1.catalog_pb2 import EMBEDDING_STATE_READY, BatchGetPapersRequest
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

LIMIT = 0.4


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A feed service whose bundle has a calibration."""
    folder = tmp_path_factory.mktemp("calibrated")
    url = f"sqlite:///{folder / 'service.db'}"
    schema.upgrade(url)
    calibration = Calibration((-3.0, 3.0), (0.0, 1.0))
    write_tiny_bundle(
        folder / "bundle", encoder_name=HashingEncoder.name, model_text=model_text(), calibration=calibration
    )
    with serving(url, bundle=str(folder / "bundle")) as service:
        yield service


@pytest.fixture
def own(calibrated: Service, feeds: OwnFeeds) -> OwnFeeds:
    """The test's own part of that service: a digest of ten papers, two of which user 1 likes."""
    found = OwnFeeds(calibrated.target, feeds.number)
    found.add_digest("first", "a", 10)
    found.like(1, "a0", "a5")

    def is_ready() -> bool:
        request = BatchGetPapersRequest(paper_ids=[found.paper_id(f"a{number}") for number in range(10)])
        papers = calibrated.client.catalog.BatchGetPapers(request).papers
        return all(paper.embedding_state == EMBEDDING_STATE_READY for paper in papers)

    wait_until(is_ready)
    return found


def test_an_issue_ends_at_the_limit(store: MailStore, own: OwnFeeds, inbox: Inbox, clock: FixedClock) -> None:
    """The issue has the papers that the service finds probable enough, and no others."""
    subscribe(store, own, 1)
    with FeedService(own.target) as service:
        whole, cut = (
            next(iter(service.feeds([own.user_id(1)], [own.digest_id("first")], 10, limit))) for limit in (0.0, LIMIT)
        )

    assert run(store, own, inbox, clock, min_probability=LIMIT).outcomes == {"made": 1, "sent": 1}

    assert 0 < len(cut.papers) < len(whole.papers)
    assert own.sent(store, 1) == [[own.name(paper.paper_id) for paper in cut.papers]]


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

    found = run(store, feeds, inbox, clock, min_probability=LIMIT)

    assert not found.is_ok
    assert "PAPERFEED_MAIL_MIN_PROBABILITY" in found.problems[0]
    assert not inbox.messages
