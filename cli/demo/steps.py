"""The steps of the demo in order, printed as they happen."""

import datetime as dt
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.columns import Columns
from rich.panel import Panel
from rich.text import Text

from cli.demo.mailing import press_like, send_issues
from cli.demo.preview import write_preview
from cli.demo.samples import DemoDigest, SampleUser, sample_users
from cli.demo.servers import DemoFailed, Postbox, running, running_mail_server
from cli.output import console, one_line, progress_bar
from cli.queries.reasons import all_in_words, fallback_in_words
from paperfeed.client import Client
from paperfeed.v1 import catalog_pb2 as pb
from paperfeed.v1.feed_pb2 import GetFeedRequest, Slate
from paperfeed.v1.profile_pb2 import EVENT_TYPE_LIKE, Event, GetProfileRequest, RecordEventsRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.api.convert import to_date, to_timestamp

FEED_SIZE = 5
"""Papers per user printed in the terminal."""
PREVIEW_SIZE = 10
"""Papers per user on the page."""
START_SECONDS = 60.0
LAPTOP = ("--host", "127.0.0.1", "--auth", "none", "--tls-cert", "", "--tls-key", "", "--client-ca", "")
"""Options of a server for this machine only, whatever the settings say."""
NO_TLS = ("--tls-ca", "", "--tls-cert", "", "--tls-key", "")
"""Options of a client of that server."""
say = partial(console.print, markup=False)


def run_demo(digest: DemoDigest, out: Path) -> None:
    """Run the demo. Vectors are cached in the folder, so a second run embeds nothing; all other files are replaced."""
    (out / "mail").mkdir(parents=True, exist_ok=True)
    for pattern in ("demo.db*", "mailer.db*", "mail/*.eml", "mail/*.html"):
        for old in out.glob(pattern):
            old.unlink()
    users, preview, db = sample_users(), out / "preview.html", f"sqlite:///{out / 'demo.db'}"
    options = ("--db", db, "--embedding-cache", str(out / "embeddings.sqlite"), "--exploration", "0", *LAPTOP)
    with running(out / "server.log", "serve", "--port", "0", *options) as target, Client(target) as client:
        client.wait_until_ready(START_SECONDS)
        say(f"1. A server starts and receives {len(digest.papers)} papers: {digest.title}.")
        _import(client, digest)
        say("2. Three users (invented, like the papers) like some papers:")
        for user in users:
            say(f"   {user.name}: {user.reads}, {len(user.likes)} likes")
            _like(client, user.user_id, user.likes, digest.as_of)
        _wait_for_vectors(client)
        feeds = {user.user_id: _feed(client, user.user_id, digest) for user in users}
        say("3. The same digest, ranked for each user, with reasons:\n")
        width = max(36, console.width // len(users) - 1)
        say(Columns(Panel(_listing(feeds[user.user_id]), title=user.name, width=width) for user in users))
        _show_one_more_like(client, users[0], feeds[users[0].user_id], digest)
        say("5. An unknown user gets trending papers, and the answer says so:")
        say(_listing(_feed(client, "sample-stranger", digest)))
        write_preview(preview, digest, users, feeds)
        _mail(client, target, out, users, digest)
    say(f"The server has stopped. Open the feeds with their reasons in a browser: {preview}")


def _show_one_more_like(client: Client, user: SampleUser, before: Slate, digest: DemoDigest) -> None:
    say(f"4. {user.name} now also likes “{user.one_more_like.title}”:")
    _like(client, user.user_id, [user.one_more_like], digest.as_of + dt.timedelta(days=1))
    _wait_for_vectors(client)
    _say_changes(before, _feed(client, user.user_id, digest), user.one_more_like.title)


def _mail(client: Client, target: str, out: Path, users: Sequence[SampleUser], digest: DemoDigest) -> None:
    postbox, user, mail_db = Postbox(out / "mail"), users[1], f"sqlite:///{out / 'mailer.db'}"
    options = ("--server", target, "--mail-db", mail_db, *NO_TLS)
    with (
        running(out / "pages.log", "mail", "serve", "--port", "0", *options) as pages,
        running_mail_server(postbox) as port,
    ):
        say("6. The feeds are mailed, through an SMTP server that runs on this machine:")
        say(send_issues(mail_db, target, pages, port, users, digest.as_of))
        before, likes = _feed(client, user.user_id, digest), _like_count(client, user.user_id)
        liked = press_like(postbox.html[user.user_id], 4)
        _wait_for_like(client, user.user_id, likes + 1)
        after = _feed(client, user.user_id, digest)
    say(f"   The mails are in {out / 'mail'}.")
    say(f"   {user.name} follows the fifth paper's link and presses Like: “{liked}”.")
    say("   Mailed papers are not shown again. That like changes the next feed:")
    _say_changes(before, after, liked)


def _import(client: Client, digest: DemoDigest) -> None:
    stored = client.catalog.UpsertPapers(pb.UpsertPapersRequest(papers=digest.papers))
    message = pb.Digest(
        digest_id=digest.digest_id,
        date=to_date(digest.as_of.date()),
        title=digest.title,
        paper_ids=[result.paper_id for result in stored.results],
    )
    client.catalog.UpsertDigest(pb.UpsertDigestRequest(digest=message))


def _like(client: Client, user_id: str, papers: Sequence[pb.Paper], at: dt.datetime) -> None:
    client.catalog.UpsertPapers(pb.UpsertPapersRequest(papers=papers))
    when = to_timestamp(at - dt.timedelta(days=1))
    events = [
        Event(user_id=user_id, paper_id=paper.paper_id, event_type=EVENT_TYPE_LIKE, occurred_at=when)
        for paper in papers
    ]
    client.profiles.RecordEvents(RecordEventsRequest(events=events))


def _like_count(client: Client, user_id: str) -> int:
    return client.profiles.GetProfile(GetProfileRequest(user_id=user_id)).profile.like_count


def _wait_for_like(client: Client, user_id: str, count: int) -> None:
    end = time.monotonic() + 60
    while _like_count(client, user_id) < count:
        if time.monotonic() > end:
            raise DemoFailed("the like given on the page did not reach the server; see pages.log")
        time.sleep(0.05)


def _wait_for_vectors(client: Client) -> None:
    total, end = 0, time.monotonic() + 300
    with progress_bar("embedding") as bar:
        while time.monotonic() < end:
            queues = client.status.GetStatus(GetStatusRequest()).queues
            # The queue is missing while the database does not answer; papers may be waiting then.
            waiting = next((queue.length for queue in queues if queue.queue == "embedding"), max(total, 1))
            total = max(total, waiting)
            bar.reach(total - waiting, total)
            if waiting == 0:
                return
            time.sleep(0.1)
    raise DemoFailed("some papers have no vector after 5 minutes; see server.log")


def _feed(client: Client, user_id: str, digest: DemoDigest) -> Slate:
    request = GetFeedRequest(
        user_id=user_id,
        digest_id=digest.digest_id,
        page_size=PREVIEW_SIZE,
        view=pb.PAPER_VIEW_FULL,
        as_of=to_timestamp(digest.as_of),
        explain=True,
    )
    return client.feeds.GetFeed(request).slate


def _listing(feed: Slate) -> Text:
    text = Text()
    if note := fallback_in_words(feed):
        text.append(f"({note})\n", style="italic")
    for item in feed.items[:FEED_SIZE]:
        text.append(f"{item.rank}. {one_line(item.paper.title)}\n", style="bold")
        if why := all_in_words(item):
            text.append(f"   {why}\n", style="dim")
    return text


def _say_changes(before: Slate, after: Slate, liked: str) -> None:
    """Print the papers whose rank has changed, and say which of them resemble the paper just liked."""
    ranks = {item.paper.paper_id: item.rank for item in before.items}
    changed = [item for item in after.items if ranks.get(item.paper.paper_id) != item.rank]
    for item in changed:
        old = ranks.get(item.paper.paper_id)
        before_text = f"was {old}" if old else f"was below {len(before.items)}"
        say(f"   {item.rank:2d} ({before_text})  {one_line(item.paper.title)}")
        if any(reason.subject == liked for reason in item.reasons):
            say("      similar to the paper just liked", style="dim")
    if not changed:
        say(f"   the first {len(after.items)} papers have not changed")
    say()
