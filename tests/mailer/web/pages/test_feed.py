"""The feed in the browser, without JavaScript and with the requests of our script."""

import re
from html import unescape

import pytest

from paperfeed.v1 import feed_pb2
from tests.mailer.feeds import OwnFeeds
from tests.mailer.web.pages.conftest import Visitor


def test_the_feed_is_ranked_and_leaves_out_likes(me: Visitor) -> None:
    """The page shows the service's order of the newest digest, without the papers that the user likes."""
    page = me.get("/")

    assert page.status == 200
    assert set(me.papers()) == {f"a{n}" for n in range(10)} - {"a0", "a5"}
    with me.feeds.client() as client:
        request = feed_pb2.GetFeedRequest(user_id=me.user_id)
        items = client.feeds.GetFeed(request).slate.items
    assert me.papers() == [me.feeds.name(item.paper.paper_id) for item in items]
    assert re.findall(r'<span class="rank"><span class="hidden">Rank </span>(\d+)', page.text) == list("12345678")
    assert "Ada Lovelace" in page.text
    assert "<summary>Abstract</summary>" in page.text


@pytest.mark.parametrize("event", ["like", "save", "dislike"])
def test_a_reaction_without_scripts(me: Visitor, event: str) -> None:
    """A button leads back to the list without the paper, and to a button that undoes it. Both name the slate."""
    slate_id = me.slate_id()
    done = me.react("a1", event, slate=slate_id, back="/", rank="3")

    assert done.status == 303
    back = done.headers["Location"]
    assert back.startswith("/?did=")
    assert back.endswith("#p3")
    path = back.partition("#")[0]
    page = me.get(path).text
    assert "a1" not in me.papers()
    assert 'value="unlike">Undo</button>' in page
    assert unescape(re.findall(r'role="status">\s*<p><strong>.*?<span dir="auto">([^<]+)', page)[0]).endswith("a1")
    assert (event, "a1", slate_id) in me.events()
    assert ("impression", "a1", slate_id) in me.events()

    me.react("a1", "unlike", slate=slate_id, back="/")

    assert "a1" in me.papers()
    assert me.events()[-1] == ("unlike", "a1", slate_id)


def test_a_reaction_of_the_script(me: Visitor) -> None:
    """Our script gets the new buttons alone, with the pressed one and a way back."""
    slate_id = me.slate_id()
    form = {"paper": me.feeds.paper_id("a1"), "slate": slate_id}
    pressed = me.post("/react", {**form, "event": "save"}, X_Paperfeed_Fragment="1")
    again = me.post("/react", {**form, "event": "unlike"}, X_Paperfeed_Fragment="1")

    assert pressed.status == again.status == 200
    assert "<html" not in pressed.text
    assert 'data-held="save"' in pressed.text
    assert re.findall(r'value="(\w+)" data-key="save" aria-pressed="(\w+)"', pressed.text) == [("unlike", "true")]
    assert re.findall(r'value="(\w+)" data-key="save" aria-pressed="(\w+)"', again.text) == [("save", "false")]
    assert [kind for kind, _, slate in me.events() if slate == slate_id] == ["save", "unlike"]


def test_impressions(me: Visitor) -> None:
    """Papers that were in view are recorded as impressions of the slate; a page that was only opened records none."""
    slate_id = me.slate_id()
    assert not any(kind == "impression" for kind, _, _ in me.events())

    seen = [me.feeds.paper_id(name) for name in ("a1", "a2")]
    assert me.post("/seen", {"slate": slate_id, "paper": seen}).status == 204

    assert me.events()[-2:] == [("impression", "a1", slate_id), ("impression", "a2", slate_id)]
    assert me.post("/seen", {"paper": seen}).status == 400
    assert me.post("/seen", {"slate": slate_id, "paper": ["x"] * 3 + [f"y{n}" for n in range(101)]}).status == 400


def test_earlier_days(me: Visitor) -> None:
    """The list of digests leads to the feed of each of them."""
    me.feeds.add_digest("before", "b", 3, days=-1)
    page = me.get("/earlier").text
    day = me.feeds.digest_id("before")

    assert f'href="/?day={day}"' in page
    assert sorted(me.papers(f"/?day={day}")) == ["b0", "b1", "b2"]
    assert me.get("/?day=unknown").status == 404


def test_a_long_feed_has_pages(me: Visitor) -> None:
    """Later pages belong to the same slate and continue its ranks."""
    me.feeds.add_digest("long", "c", 45)
    first = me.get("/").text
    more = unescape(re.findall(r'class="button" href="([^"]+)"', first)[0])
    second = me.get(more).text

    assert re.findall(r'id="p(\d+)"', second)[0] == "21"
    assert re.findall(r' data-slate="([^"]+)"', first)[0] == re.findall(r' data-slate="([^"]+)"', second)[0]
    assert not set(re.findall(r'data-paper="([^"]+)"', first)) & set(re.findall(r'data-paper="([^"]+)"', second))
    assert me.get("/?more=forged").status == 200


def test_search(me: Visitor) -> None:
    """The search finds words and phrases, marks likes, and says if a query is no query."""
    number = me.feeds.number
    assert me.papers(f'/search?q="part+t{number}-a0"') == ["a0"]
    assert set(me.papers(f"/search?q=t{number}+protein+-a6")) == {"a1"}
    liked = me.get(f'/search?q="part+t{number}-a0"').text
    assert 'data-key="like" aria-pressed="true"' in liked
    assert "No paper fits this search." in me.get("/search?q=nosuchword").text
    assert "has no word to find" in me.get("/search?q=-excluded").text
    assert "<b>bold" not in me.get("/search?q=%3Cb%3Ebold").text
    assert 'href="/"' in me.get("/search").text


def test_one_paper_and_similar_ones(me: Visitor) -> None:
    """The page of a paper has its abstract, its buttons with the slate, and similar papers."""
    page = me.get(f"/paper/{me.feeds.paper_id('a1')}?slate=s1")

    assert page.status == 200
    assert "We study protein folding in depth." in page.text
    assert 'name="slate" value="s1"' in page.text
    assert len(me.papers(f"/paper/{me.feeds.paper_id('a1')}")) >= 1
    assert me.get("/paper/unknown").status == 404
    assert me.get("/paper/doi:10.1000/unknown").status == 404


def test_saved_papers(me: Visitor) -> None:
    """Saved papers stand apart from likes, and can be taken back there."""
    assert me.papers("/saved") == []
    assert "Nothing here yet" in me.get("/saved").text
    me.react("a3", "save")

    assert me.papers("/saved") == ["a3"]
    assert set(me.papers("/saved?all=1")) == {"a0", "a3", "a5"}
    me.react("a3", "unlike")
    assert me.papers("/saved") == []


def test_interests_and_preferences(me: Visitor) -> None:
    """Topics, authors and words are added and removed one by one; other lists stay as they are."""
    page = me.get("/interests").text
    assert "2 likes" in page
    assert '<option value="cs.IR" label="cs.IR Information retrieval">' in page
    for name, value in (("followed_topics", "cs.IR"), ("followed_topics", "graphs"), ("muted_keywords", "<survey>")):
        assert me.post("/follow", {"list": name, "add": value}).headers["Location"] == f"/interests#{name}"
    assert me.post("/follow", {"list": "followed_topics", "remove": "cs.IR"}).status == 303

    page = me.get("/interests").text
    assert '<span dir="auto">graphs</span>' in page
    assert '<span dir="auto">cs.IR</span>' not in page
    assert '<span dir="auto">&lt;survey&gt;</span>' in page
    assert me.post("/follow", {"list": "nothing", "add": "x"}).status == 400
    assert me.post("/follow", {"list": "followed_topics", "add": "x" * 300}).status == 400


def test_pasted_papers_become_likes(me: Visitor) -> None:
    """Ids, addresses and titles are found; lines without a paper are named."""
    title = f"Graph Networks, {me.feeds.title('a0')}".replace("a0", "a5")
    pasted = "\n".join((me.feeds.paper_id("a7"), f"  {title.upper()} ", "2401.99999", "", "No such title <i>"))
    done = me.post("/likes", {"papers": pasted})

    page = me.get(done.headers["Location"]).text
    assert "2 papers added to your likes" in page
    assert "No such title &lt;i&gt;" in page
    assert "2401.99999" in page
    assert {name for kind, name, _ in me.events() if kind == "like"} == {"a0", "a5", "a7"}
    assert me.post("/likes", {"papers": "x\n" * 60}).status == 303
    assert me.post("/likes", {"papers": "\n".join(f"x{n}" for n in range(51))}).status == 400


def test_forms_that_are_refused(me: Visitor) -> None:
    """Forms of other sites, unknown events and unknown papers record nothing; nothing leads to another site."""
    before = me.events()
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "same-site"}):
        for path in (
            "/react",
            "/seen",
            "/follow",
            "/likes",
            "/signals/undo",
            "/signals/reset",
            "/sign-out",
            "/sign-in",
        ):
            assert me.post(path, {"paper": me.feeds.paper_id("a1"), "event": "like"}, **headers).status == 403
    assert me.react("a1", "sent").status == 400
    assert me.react("a1", "").status == 400
    assert me.react("none", "like").status == 404
    assert me.events() == before
    for back in ("https://evil.example", "//evil.example/x", "/\\evil.example", "javascript:alert(1)", "/\n//x", ""):
        assert me.react("a1", "like", back=back).headers["Location"].startswith("/?did=like")


def test_every_page_is_guarded(me: Visitor, feeds: OwnFeeds) -> None:
    """Every page has a strict policy, one heading of the first level, our own script alone, and sets no cookie."""
    own = ("/", "/earlier", "/search?q=part", "/saved", "/interests", "/signals", "/signals/reset")
    for path in (*own, *(f"/{name}/{feeds.paper_id('a1')}" for name in ("paper", "why"))):
        answer = me.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert answer.status == 200
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Set-Cookie"] is None
        assert set(re.findall("<script[^>]*>", answer.text)) == {'<script type="module" src="/static/reading.js">'}
        assert not re.findall(r' style="| on\w+="', answer.text)
        assert len(re.findall(r"<h1[ >]", answer.text)) == 1
