"""``paperfeed up --once``: one day's work, for cron and for automatic runs."""

from pathlib import Path

from cli.demo.preview import write_feed
from cli.demo.servers import running
from cli.home.plan import Home
from cli.imports.personal import USER
from cli.output import show_text
from cli.steps import Steps
from paperfeed.client import Client
from paperfeed.v1 import catalog_pb2
from paperfeed.v1.feed_pb2 import GetFeedRequest, Slate

PAGE_SIZE = 30
"""Papers on the page."""
START_SECONDS = 60.0


def run_once(home: Home, page: Path, *, has_digest: bool) -> int:
    """Sync the library, fetch, write the page, and mail if an address is set; return the highest exit code.

    A step that fails does not stop the others.
    """
    steps = Steps()
    codes = [steps.run(step).code for step in home.library_steps]
    if home.has_sources:
        codes.append(steps.run(home.fetch_step(is_first=not has_digest)).code)
    log = home.path.parent / "server.log"
    with running(log, "serve", "--port", "0") as target, Client(target) as client:
        client.wait_until_ready(START_SECONDS)
        # The page is written first: papers that were mailed do not come again.
        feed = _feed(client)
        if feed.items:
            write_feed(page, feed)
            show_text(f"{page}: {len(feed.items)} papers of {', '.join(feed.digest_ids)}")
        else:
            show_text("nothing for you today: the feed is empty")
        if home.schedule.mail_to:
            codes.append(steps.run(f"mail send --everybody --server {target}").code)
    return min(max(codes, default=0), 1)


def _feed(client: Client) -> Slate:
    request = GetFeedRequest(user_id=USER, page_size=PAGE_SIZE, explain=True, view=catalog_pb2.PAPER_VIEW_FULL)
    return client.feeds.GetFeed(request).slate
