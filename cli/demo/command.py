"""``paperfeed demo``: its steps in order, printed as they happen."""

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.columns import Columns
from rich.panel import Panel
from rich.text import Text

from cli.destination import check_folder
from cli.output import console, progress_bar

if TYPE_CHECKING:
    from cli.demo.digest import DemoDigest
    from cli.demo.users import SampleUser
    from paperfeed.client import Client
    from paperfeed.v1 import catalog_pb2, feed_pb2

FEED_SIZE = 5
"""Papers per user printed in the terminal."""
PREVIEW_SIZE = 10
"""Papers per user on the page."""


def demo(
    digest: Annotated[
        Path | None, typer.Option(help="Your own digest, in place of the sample: any file that 'digest import' reads.")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="Day of your digest, YYYY-MM-DD. Required if the file does not name one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything the demo writes.")] = Path("out"),
) -> None:
    """Show everything on sample papers: start a server, import, rank for three users, send mail.

    The demo stops its server at the end. The feeds are also written to preview.html in the --out folder.
    """
    from cli.demo.digest import read_demo_digest
    from cli.demo.preview import write_preview
    from cli.demo.running import running_server
    from cli.demo.users import sample_users

    check_folder("out", out)
    prepared = read_demo_digest(digest, date)
    users, preview = sample_users(), out / "preview.html"
    with running_server(out) as (client, target):
        console.print(f"1. A server starts and receives {len(prepared.papers)} papers: {prepared.title}.", markup=False)
        _import(client, prepared)
        console.print("2. Three users (invented, like the papers) like some papers:", markup=False)
        for user in users:
            console.print(f"   {user.name}: {user.reads}, {len(user.likes)} likes", markup=False)
            _like(client, user.user_id, user.likes, prepared.as_of)
        _wait_for_vectors(client)
        feeds = {user.user_id: _feed(client, user.user_id, prepared) for user in users}
        console.print("3. The same digest, ranked for each user, with reasons:\n", markup=False)
        _print_side_by_side(users, feeds)
        _show_one_more_like(client, users[0], feeds[users[0].user_id], prepared)
        stranger = _feed(client, "sample-stranger", prepared)
        console.print("5. An unknown user gets trending papers, and the answer says so:", markup=False)
        console.print(_listing(stranger, FEED_SIZE))
        write_preview(preview, prepared, users, feeds)
        _mail(client, target, out, users, prepared)
    console.print(f"The server has stopped. Open the feeds with their reasons in a browser: {preview}", markup=False)


def _mail(client: "Client", target: str, out: Path, users: "list[SampleUser]", digest: "DemoDigest") -> None:
    from cli.demo.mailing import Postbox, press_like, running_mail_server, running_pages, send_issues

    for old in out.glob("mailer.db*"):
        old.unlink()
    postbox, user = Postbox(out / "mail"), users[1]
    with running_pages(out, target) as pages, running_mail_server(postbox) as port:
        console.print("6. The feeds are mailed, through an SMTP server that runs on this machine:", markup=False)
        console.print(send_issues(out, target, pages, port, users, digest.as_of), markup=False)
        before = _feed(client, user.user_id, digest)
        likes = _like_count(client, user.user_id)
        liked = press_like(postbox.html[user.user_id], 4)
        _wait_for_like(client, user.user_id, likes + 1)
        after = _feed(client, user.user_id, digest)
    console.print(f"   The mails are in {out / 'mail'}.", markup=False)
    console.print(f"   {user.name} follows the fifth paper's link and presses Like: “{liked}”.", markup=False)
    console.print("   Mailed papers are not shown again. That like changes the next feed:", markup=False)
    _print_changes(before, after, liked)
    console.print()


def _like_count(client: "Client", user_id: str) -> int:
    from paperfeed.v1.profile_pb2 import GetProfileRequest

    return client.profiles.GetProfile(GetProfileRequest(user_id=user_id)).profile.like_count


def _wait_for_like(client: "Client", user_id: str, count: int) -> None:
    from service.domain.errors import StorageUnavailable

    end = time.monotonic() + 60
    while _like_count(client, user_id) < count:
        if time.monotonic() > end:
            raise StorageUnavailable("the like given on the page did not reach the server; see out/pages.log")
        time.sleep(0.05)


def _import(client: "Client", digest: "DemoDigest") -> None:
    from paperfeed.v1 import catalog_pb2 as pb

    stored = client.catalog.UpsertPapers(pb.UpsertPapersRequest(papers=digest.papers))
    client.catalog.CreateDigest(
        pb.CreateDigestRequest(
            digest=pb.Digest(digest_id=digest.digest_id, date=digest.as_of.date().isoformat(), title=digest.title),
            paper_ids=[result.paper_id for result in stored.results],
        )
    )


def _like(client: "Client", user_id: str, papers: "list[catalog_pb2.Paper]", at: dt.datetime) -> None:
    from paperfeed.v1 import catalog_pb2, profile_pb2
    from service.api.convert import to_timestamp

    client.catalog.UpsertPapers(catalog_pb2.UpsertPapersRequest(papers=papers))
    events = [
        profile_pb2.Event(
            user_id=user_id,
            paper_id=paper.paper_id,
            event_type=profile_pb2.EVENT_TYPE_LIKE,
            occurred_at=to_timestamp(at - dt.timedelta(days=1)),
        )
        for paper in papers
    ]
    client.profiles.RecordEvents(profile_pb2.RecordEventsRequest(events=events))


def _wait_for_vectors(client: "Client") -> None:
    from paperfeed.v1.status_pb2 import GetStatusRequest
    from service.domain.errors import EncoderUnavailable

    end = time.monotonic() + 300
    with progress_bar("embedding") as bar:
        total = 0
        while time.monotonic() < end:
            answer = client.status.GetStatus(GetStatusRequest())
            # The queue is missing while the database does not answer; papers may be waiting then.
            lengths = {queue.queue: queue.length for queue in answer.queues}
            waiting = lengths.get("embedding", max(total, 1))
            total = max(total, waiting)
            bar.reach(total - waiting, total)
            if waiting == 0:
                return
            time.sleep(0.1)
    raise EncoderUnavailable("some papers have no vector after 5 minutes; see the server's log")


def _feed(client: "Client", user_id: str, digest: "DemoDigest") -> "feed_pb2.GetFeedResponse":
    from paperfeed.v1 import catalog_pb2
    from paperfeed.v1.feed_pb2 import GetFeedRequest
    from service.api.convert import to_timestamp

    request = GetFeedRequest(
        user_id=user_id,
        digest_id=digest.digest_id,
        page_size=PREVIEW_SIZE,
        view=catalog_pb2.PAPER_VIEW_FULL,
        as_of=to_timestamp(digest.as_of),
        explain=True,
    )
    return client.feeds.GetFeed(request)


def _listing(feed: "feed_pb2.GetFeedResponse", size: int) -> Text:
    from cli.queries.reasons import all_in_words, fallback_in_words

    text = Text()
    if note := fallback_in_words(feed.fallback_reason):
        text.append(f"({note})\n", style="italic")
    for item in feed.items[:size]:
        text.append(f"{item.rank}. {item.paper.title}\n", style="bold")
        if why := all_in_words(item):
            text.append(f"   {why}\n", style="dim")
    return text


def _print_side_by_side(users: "list[SampleUser]", feeds: "dict[str, feed_pb2.GetFeedResponse]") -> None:
    width = max(36, console.width // len(users) - 1)
    panels = [Panel(_listing(feeds[user.user_id], FEED_SIZE), title=user.name, width=width) for user in users]
    console.print(Columns(panels))


def _show_one_more_like(
    client: "Client", user: "SampleUser", before: "feed_pb2.GetFeedResponse", digest: "DemoDigest"
) -> None:
    if user.one_more_like is None:
        return
    console.print(f"4. {user.name} now also likes “{user.one_more_like.title}”:", markup=False)
    _like(client, user.user_id, [user.one_more_like], digest.as_of + dt.timedelta(days=1))
    _wait_for_vectors(client)
    after = _feed(client, user.user_id, digest)
    _print_changes(before, after, user.one_more_like.title)
    console.print()


def _print_changes(before: "feed_pb2.GetFeedResponse", after: "feed_pb2.GetFeedResponse", liked: str) -> None:
    """Print the papers whose rank has changed, and say which of them resemble the paper just liked."""
    ranks = {item.paper.paper_id: item.rank for item in before.items}
    changed = [item for item in after.items if ranks.get(item.paper.paper_id) != item.rank]
    for item in changed:
        old = ranks.get(item.paper.paper_id)
        came = f"was {old}" if old else f"was below {len(before.items)}"
        console.print(f"   {item.rank:2d} ({came})  {item.paper.title}", markup=False)
        if any(reason.subject == liked for reason in item.reasons):
            console.print("      similar to the paper just liked", markup=False, style="dim")
    if not changed:
        console.print(f"   the first {len(after.items)} papers have not changed", markup=False)
