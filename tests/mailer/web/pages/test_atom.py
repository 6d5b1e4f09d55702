"""The Atom feed, checked against the rules of RFC 4287."""

import datetime as dt
import re
from xml.etree.ElementTree import Element, fromstring

from mailer.links import Purpose
from mailer.storage import MailStore, subscribers
from paperfeed.v1 import catalog_pb2
from paperfeed.v1.feed_pb2 import GetSlateRequest
from testing.mailer.feed_service import add_digest
from tests.mailer.web.pages.conftest import Visitor, path_of

ATOM = "{http://www.w3.org/2005/Atom}"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def atom_path(visitor: Visitor) -> str:
    """Return the address of the feed that the page of interests names."""
    return path_of(re.findall(r'href="([^"]+/atom/[^"]+)"', visitor.get("/interests").text)[0])


def problems(feed: Element) -> list[str]:
    """Return what RFC 4287 requires and the document lacks (sections 4.1.1, 4.1.2, 4.2.6, 4.2.7, 3.3)."""
    found = [] if feed.tag == f"{ATOM}feed" else ["the root is no feed"]
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            texts = [each.text for each in element.findall(f"{ATOM}{name}")]
            if len(texts) != 1 or not texts[0]:
                found.append(f"not exactly one {name}")
        found += [f"no IRI: {each.text}" for each in element.findall(f"{ATOM}id") if ":" not in (each.text or "")]
        moments = [*element.findall(f"{ATOM}updated"), *element.findall(f"{ATOM}published")]
        found += [f"no time: {each.text}" for each in moments if not TIME.fullmatch(each.text or "")]
        alternates = [
            (each.get("type"), each.get("hreflang")) for each in element.findall(f"{ATOM}link")
            if each.get("rel", "alternate") == "alternate"
        ]  # fmt: skip
        if not alternates or len(set(alternates)) < len(alternates):
            found.append("no alternate link, or two of a type")
        found += ["a link without href" for each in element.findall(f"{ATOM}link") if not each.get("href")]
        found += ["a category without term" for each in element.findall(f"{ATOM}category") if not each.get("term")]
        found += [
            "an author without name" for each in element.findall(f"{ATOM}author") if not each.findtext(f"{ATOM}name")
        ]
        if element is not feed and len(element.findall(f"{ATOM}summary")) > 1:
            found.append("two summaries")
    if not feed.findall(f"{ATOM}author"):
        found.append("no author of the feed")
    if [each.get("rel") for each in feed.findall(f"{ATOM}link")].count("self") != 1:
        found.append("not exactly one link to itself")
    ids = [each.findtext(f"{ATOM}id") for each in feed.findall(f"{ATOM}entry")]
    return found + (["two entries with one id"] if len(set(ids)) < len(ids) else [])


def test_the_feed_is_valid_and_joins_the_log(me: Visitor) -> None:
    """Each entry leads to our page of the paper with the slate's id, where a reaction names the slate."""
    path = atom_path(me)
    answer = me.site.ask(path)
    feed = fromstring(answer.text)

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/atom+xml; charset=utf-8")
    assert problems(feed) == []
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 8
    link = next(each for each in entries[0].findall(f"{ATOM}link") if each.get("rel") == "alternate")
    page = me.get(path_of(link.get("href", ""))).text
    (slate_id,) = set(re.findall(r'name="slate" value="([^"]+)"', page.partition("Similar papers")[0]))
    me.react("a1", "like", slate=slate_id)
    with me.feeds.client() as client:
        slate = client.feeds.GetSlate(GetSlateRequest(slate_id=slate_id)).slate
    assert slate.user_id == me.user_id
    assert [me.feeds.name(each.paper.paper_id) for each in slate.items] == [
        (each.findtext(f"{ATOM}id") or "").rpartition(f"t{me.feeds.number}-")[2] for each in entries
    ]
    # Feed readers ask often: within the hour they get the same slate.
    assert me.site.ask(path).text == answer.text


def test_awkward_papers(me: Visitor) -> None:
    """Markup, control characters and papers without author, date or address leave the document valid."""
    papers = [
        catalog_pb2.Paper(paper_id=me.feeds.paper_id("x/1?&"), title="<b>Bold</b> & \u05d0 \u0007 ]]> $x^2$"),
        catalog_pb2.Paper(paper_id=f"arxiv:2611.{10000 + me.feeds.number}", title="Plain", authors=["A <a@b.c>", " "],
                          categories=["cs.LG", "<x>"]),
    ]  # fmt: skip
    papers[1].published_at.FromDatetime(dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    with me.feeds.client() as client:
        add_digest(client, me.feeds.digest_id("odd"), me.feeds.today.date() + dt.timedelta(days=1), papers)
    feed = fromstring(me.site.ask(atom_path(me)).text)

    assert problems(feed) == []
    entries = {each.findtext(f"{ATOM}title"): each for each in feed.findall(f"{ATOM}entry")}
    assert len(entries) == 2
    related = {each.get("title"): each.get("href") for each in entries["Plain"].findall(f"{ATOM}link")}
    assert related["PDF"] == f"https://arxiv.org/pdf/2611.{10000 + me.feeds.number}"


def test_whose_feed_it_is(subscribed: Visitor, me: Visitor, store: MailStore) -> None:
    """The address alone opens the feed; that of a removed subscriber and a forged one open none."""
    path = atom_path(subscribed)
    assert subscribed.site.ask(path).status == 200
    assert path != atom_path(me)
    assert me.site.ask(path[:-3] + "xyz").status == 403
    assert me.site.ask(path_of(me.site.links.url(Purpose.OPEN, "-")).replace("/open/", "/atom/")).status == 403
    with store.write() as connection:
        subscribers.remove(connection, "s000001")
    assert me.site.ask(path).status == 404
