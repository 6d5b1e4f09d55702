"""The pages that explain and change what shapes the feed, without JavaScript."""

import re
from html import unescape

from paperfeed.v1 import profile_pb2
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
    assert "It is not among the papers that this list is made from." in why
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


def interests(visitor: Visitor) -> dict[str, str]:
    """Return {name of the interest: its id}, in the order of the page."""
    page = visitor.get("/interests").text
    sections = re.findall(r'<section class="interest" aria-labelledby="i\d+">(.*?)</section>', page, re.DOTALL)
    pattern = r'<h2 id="i\d+" dir="auto">([^<]+)</h2>.*?name="interest" value="([^"]+)"'
    found = [re.findall(pattern, each, re.DOTALL)[0] for each in sections]
    return {unescape(name): unescape(interest_id) for name, interest_id in found}


def weights(visitor: Visitor) -> list[int]:
    """Return the weights of the interests on the page, in percent."""
    return [int(each) for each in re.findall(r"</meter><span>(\d+) %</span>", visitor.get("/interests").text)]


def create_interests(visitor: Visitor) -> None:
    """Give the user the interests Graphs and Proteins, and no others."""
    found = list(interests(visitor).values())
    with visitor.feeds.client() as client:
        for name, paper in (("Graphs", "a0"), ("Proteins", "a6")):
            interest = profile_pb2.Interest(
                name=name, origin=profile_pb2.INTEREST_ORIGIN_LIST, paper_ids=[visitor.feeds.paper_id(paper)]
            )
            client.profiles.CreateInterest(
                profile_pb2.CreateInterestRequest(user_id=visitor.user_id, interest=interest)
            )
    for interest_id in found:
        assert visitor.post("/interests", {"interest": interest_id, "delete": "yes"}).status == 303
    assert list(interests(visitor)) == ["Graphs", "Proteins"]


def test_interests_are_changed(me: Visitor) -> None:
    """Interests are renamed, weighted, paused, merged and deleted by the page's forms."""
    create_interests(me)
    graphs, proteins = interests(me).values()
    assert weights(me) == [50, 50]
    more = re.findall(r'name="weight" value="([^"]+)">More', me.get("/interests").text)[0]
    for _ in range(2):
        # To send the form again changes nothing more.
        done = me.post("/interests", {"interest": graphs, "weight": more})
    assert done.headers["Location"] == "/interests"
    assert weights(me) == [75, 25]
    less = re.findall(r'name="weight" value="([^"]+)">Less', me.get("/interests").text)[0]
    me.post("/interests", {"interest": graphs, "weight": less})
    assert weights(me) == [50, 50]

    me.post("/interests", {"interest": graphs, "name": "<Graphs> & more"})
    assert list(interests(me)) == ["<Graphs> & more", "Proteins"]
    me.post("/interests", {"interest": proteins, "paused": "yes"})
    assert me.get("/interests").text.count("<strong>Paused</strong>") == 1
    me.post("/interests", {"interest": proteins, "paused": "no"})
    assert "<strong>Paused</strong>" not in me.get("/interests").text

    me.post("/interests", {"interest": graphs, "merged": proteins})
    assert interests(me) == {"<Graphs> & more": graphs}
    assert weights(me) == [100]
    page = me.get("/interests").text
    assert me.feeds.paper_id("a6") in page
    assert 'name="weight"' not in page
    me.post("/interests", {"interest": graphs, "delete": "yes"})
    assert interests(me) == {}
    assert "2 likes" in me.get("/interests").text


def test_interests_are_made_and_split(me: Visitor) -> None:
    """A form makes an interest of pasted papers; another one divides it, once even if it is sent twice."""
    ids = [me.feeds.paper_id(f"a{number}") for number in range(1, 5)]
    done = me.post("/interests/new", {"name": "Mine & more", "papers": "\n".join([*ids, "No such paper"])})
    assert done.status == 303
    page = me.get(done.headers["Location"]).text
    assert '<strong>New interest: <span dir="auto">Mine &amp; more</span>.</strong> Not in this catalog:' in page
    assert '<li dir="auto">No such paper</li>' in page
    mine = interests(me)["Mine & more"]
    form = page.partition(f'value="{mine}"')[2]
    part = re.findall(r'name="split" value="([^"]+)"', form)[0]

    for _ in range(2):
        assert me.post("/interests", {"interest": mine, "split": part}).status == 303
        assert part in interests(me).values()
    with me.feeds.client() as client:
        request = profile_pb2.ListInterestsRequest(user_id=me.user_id)
        held = {each.interest_id: set(each.paper_ids) for each in client.profiles.ListInterests(request).interests}
    assert held[mine] | held[part] == set(ids)
    assert held[mine]
    assert held[part]
    assert not held[mine] & held[part]
    for form_of_none in ({"name": "", "papers": ids[0]}, {"name": "x", "papers": "No such paper"}):
        assert me.post("/interests/new", dict(form_of_none)).status == 400
    assert me.post("/interests/new", {"name": "x", "papers": ids[0]}, Origin="https://evil.example").status == 403


def without_tokens(page: str) -> str:
    """Return a page without signed addresses and new ids, which differ each time."""
    return re.sub(r'/atom/[^"]+|part-[0-9a-f]+', "", page)


def test_changes_of_interests_that_are_refused(me: Visitor) -> None:
    """Forms without an interest, with several changes, wrong values or of other sites change nothing."""
    create_interests(me)
    graphs = interests(me)["Graphs"]
    before = without_tokens(me.get("/interests").text)
    for form in (
        {"name": "x"},
        {"interest": graphs},
        {"interest": graphs, "name": "x", "delete": "yes"},
        {"interest": graphs, "name": "x" * 300},
        {"interest": graphs, "weight": "nan"},
        {"interest": graphs, "weight": "7"},
        {"interest": graphs, "merged": ""},
    ):
        assert me.post("/interests", form).status == 400, form
    assert me.post("/interests", {"interest": "unknown", "name": "x"}).status == 404
    assert me.post("/interests", {"interest": graphs, "delete": "yes"}, Origin="https://evil.example").status == 403
    assert without_tokens(me.get("/interests").text) == before


def test_the_feed_by_interest(me: Visitor) -> None:
    """The feed has a section for each interest that is not paused, on every page; forms lead back to the sections."""
    create_interests(me)
    assert 'href="/?sections=1">By interest</a>' in me.get("/").text
    assert "<section" not in me.get("/").text
    page = me.get("/?sections=1").text

    heading = r'<section aria-labelledby="(s\d)">\s*<h2 class="section" id="(s\d)" dir="auto">(\w+)<'
    assert re.findall(heading, page) == [("s1", "s1", "Graphs"), ("s2", "s2", "Proteins")]
    assert set(me.papers("/?sections=1")) == {f"a{n}" for n in range(10)} - {"a0", "a5"}
    first, second = (re.findall(r' id="p(\d+)"', each) for each in page.split('id="s2"'))
    assert sorted(first + second) == list("12345678")
    assert first == sorted(first)
    assert second == sorted(second)
    assert 'href="/">In one list</a>' in page
    done = me.react("a1", "like", back="/?sections=1", rank="1")
    assert done.headers["Location"].startswith("/?sections=1&did=like")

    me.feeds.add_digest("long", "c", 45)
    page = me.get("/?sections=1").text
    more = unescape(re.findall(r'class="button" href="([^"]+)"', page)[0])
    assert "sections=1" in more
    later = me.get(more).text
    assert "Proteins</h2>" in later
    assert not set(re.findall(r'data-paper="([^"]+)"', page)) & set(re.findall(r'data-paper="([^"]+)"', later))
    me.post("/interests", {"interest": interests(me)["Proteins"], "paused": "yes"})
    assert "Proteins</h2>" not in me.get("/?sections=1").text
