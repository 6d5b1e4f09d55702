"""The pages that explain and change what shapes the feed, without JavaScript."""

import re
from html import unescape

from tests.mailer.web.pages.conftest import Visitor


def undo(visitor: Visitor, path: str) -> str:
    """Press the first Undo on a page, and return the page that it leads to."""
    page = visitor.get(path).text
    signal = unescape(re.findall(r'name="signal" value="([^"]+)"', page)[0])
    back = unescape(re.findall(r'action="/signals/undo"><input type="hidden" name="back" value="([^"]+)"', page)[0])
    done = visitor.post("/signals/undo", {"signal": signal, "back": back})
    assert done.status == 303
    return visitor.get(done.headers["Location"]).text


def test_why_a_paper_is_shown(me: Visitor) -> None:
    """Each paper of the feed leads to its rank, score, reasons and nearest likes in the slate as served."""
    page = me.get("/").text
    link = unescape(re.findall(r'href="(/why/[^"]+)"', page)[0])
    slate_id = re.findall(r' data-slate="([^"]+)"', page)[0]
    assert link.endswith(f"?slate={slate_id}")
    why = me.get(link).text

    assert "<h1>Why you see this paper</h1>" in why
    assert "It was at rank 1 of 8." in why
    assert re.search(r'<h2 id="score">Score: -?\d+\.\d\d</h2>', why)
    near = why.partition('id="near"')[2].partition("</section>")[0]
    assert set(re.findall(r'href="/paper/([^"]+)"', near)) == {me.feeds.paper_id(name) for name in ("a0", "a5")}
    assert "papers are ordered by similarity alone." in why
    assert "keeps it out" not in why


def test_why_without_likes(subscribed: Visitor) -> None:
    """A user without likes reads what orders the papers instead, and what is followed."""
    subscribed.post("/signals/reset", {"confirmed": "yes"})
    subscribed.post("/follow", {"list": "followed_authors", "add": "Ada Lovelace"})
    why = subscribed.get(f"/why/{subscribed.feeds.paper_id('a1')}").text

    assert "You have no likes yet" in why
    assert "By Ada Lovelace, whom you follow." in why
    assert re.search(r"It is at rank \d+ of 10 if ranked now\.", why)
    assert 'id="near"' not in why


def test_why_a_paper_is_not_shown(me: Visitor) -> None:
    """Reactions and muted words that keep a paper out are named, and a reaction can be undone there."""
    paper_id = me.feeds.paper_id("a1")
    me.react("a1", "dislike")
    me.post("/follow", {"list": "muted_keywords", "add": paper_id})
    path = f"/why/{paper_id}"
    why = me.get(path).text

    assert "<h1>Why you do not see this paper</h1>" in why
    assert "You said it is not for you" in why
    assert f'<a href="/interests#muted_keywords" dir="auto">{paper_id}</a>' in why
    assert re.search(r"Without that, it would be at rank \d+ of \d+\.", why)
    why = undo(me, path)
    assert "You said it is not for you" not in why
    assert "You muted something that the paper matches." in why
    me.post("/follow", {"list": "muted_keywords", "remove": paper_id})
    assert "Why you see this paper" in me.get(path).text


def test_why_in_another_digest(me: Visitor) -> None:
    """A digest can be named; unknown papers, digests and slates of other users are not found."""
    me.feeds.add_digest("before", "b", 3, days=-1)
    day = me.feeds.digest_id("before")
    assert "if ranked now" in me.get(f"/why/{me.feeds.paper_id('b1')}?digest={day}").text
    why = me.get(f"/why/{me.feeds.paper_id('a1')}?digest={day}").text
    assert "The papers of that day do not include it." in why
    for path in ("unknown", f"{me.feeds.paper_id('a1')}?digest=unknown", f"{me.feeds.paper_id('a1')}?slate=unknown"):
        assert me.get(f"/why/{path}").status == 404


def test_signals_and_undo(me: Visitor) -> None:
    """The list has the newest signal first, without impressions; an undone like is a candidate again."""
    me.react("a1", "save", slate=me.slate_id())
    me.post("/follow", {"list": "muted_topics", "add": "<cs.XX>"})
    page = me.get("/signals").text
    entries = re.findall(r'<p dir="auto"><a href="/paper/([^"]+)"', page)

    assert entries[0] == me.feeds.paper_id("a1")
    assert sorted(entries) == [me.feeds.paper_id(name) for name in ("a0", "a1", "a5")]
    assert "You saved it" in page
    assert "Effect: similar papers rank higher" in page
    assert "&lt;cs.XX&gt;" in page
    assert "a1" not in me.papers()

    assert "It shapes your feed no longer." in undo(me, "/signals")
    assert "a1" in me.papers()
    assert [kind for kind, name, _ in me.events() if name == "a1"] == ["impression"]
    assert me.post("/signals/undo", {}).status == 400
    assert me.get("/signals?more=forged").status == 200


def test_signals_of_others_stay(me: Visitor, subscribed: Visitor) -> None:
    """Nobody can delete an event of another user."""
    me.react("a1", "like")
    signal = unescape(re.findall(r'name="signal" value="([^"]+)"', me.get("/signals").text)[0])
    done = subscribed.post("/signals/undo", {"signal": signal, "back": "/signals"})

    assert "It had been deleted before." in subscribed.get(done.headers["Location"]).text
    assert ("like", "a1", "") in me.events()


def test_reset(me: Visitor) -> None:
    """Everything is deleted only after the box is ticked, and then the user is as one without likes."""
    me.post("/follow", {"list": "followed_topics", "add": "graphs"})
    assert 'action="/signals/reset"' in me.get("/signals/reset").text
    assert me.post("/signals/reset", {}).status == 400
    assert me.post("/signals/reset", {"confirmed": "yes"}, Origin="https://evil.example").status == 403
    assert len(me.events()) == 2

    done = me.post("/signals/reset", {"confirmed": "yes"})
    page = me.get(done.headers["Location"]).text
    assert "Everything was deleted." in page
    assert "Nothing is recorded yet." in page
    assert "What you follow and mute" not in page
    assert set(me.papers()) == {f"a{n}" for n in range(10)}
