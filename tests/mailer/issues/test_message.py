import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.config import MailSettings
from mailer.domain.feed import Feed
from mailer.domain.issue import Issue
from mailer.domain.subscription import Schedule, Subscriber
from mailer.errors import InvalidField
from mailer.issues.message import Draft, compose, compose_confirmation
from mailer.links import Links, Purpose
from testing.mailer.builders import NOW, feed, subscriber
from tests.mailer.checker import parts, problems, text_of_html

BASE = "https://mail.example.org"
SETTINGS = MailSettings.read(
    {},
    base_url=BASE,
    sender_name="Papers of the day",
    sender_address="digest@example.org",
    postal_address="Example Society, 1 Way, 1010 Vienna",
)
LINKS = Links(b"k" * 32, BASE)
DAY = dt.date(2026, 3, 11)


def issue(
    shown: Feed, to: Subscriber | None = None, settings: MailSettings = SETTINGS, days: tuple[dt.date, ...] = (DAY,)
) -> Issue:
    """Return an issue of the feed."""
    draft = Draft("i" * 24, days, shown)
    return compose(draft, to or subscriber(), settings, Links(b"k" * 32, settings.base_url), NOW)


def test_a_good_message() -> None:
    """An issue passes the checker, and both parts contain every title, reason, author and link."""
    made = issue(feed(count=10))

    assert problems(made.content, BASE) == []
    message, text, html = parts(made.content)
    assert message["From"] == "Papers of the day <digest@example.org>"
    assert message["To"] == "subscriber1@example.org"
    assert made.message_id == f"<{'i' * 24}@example.org>" == message["Message-ID"]
    for part in (text, text_of_html(made.content)):
        for words in ("Paper 7", "Because you liked “A paper you liked”; new this week", "Ada Lovelace", "1010 Vienna"):
            assert words in part
    assert html.count(f"{BASE}/like/") == html.count(f"{BASE}/dislike/") == 10
    assert [paper.paper_id for paper in made.papers] == [f"p{n}" for n in range(1, 11)]


def test_sections() -> None:
    """Each section has a heading with its papers below, in both parts; positions and reactions stay those served."""
    papers = feed(count=4).papers
    sections = (("a", "Graph <networks>"), ("b", "Enzymes"), ("c", "Empty"))
    mixed = tuple(replace(paper, interest_id="ba"[number % 2]) for number, paper in enumerate(papers))
    made = issue(replace(feed(), papers=mixed, sections=sections).first(3))

    assert problems(made.content, BASE) == []
    _, text, html = parts(made.content)
    for part in (text, text_of_html(made.content)):
        body = part[part.index("Graph <networks>") :]
        places = [
            body.index(word)
            for word in ("Graph <networks>", "Paper 2", "Enzymes", "Paper 1", "Paper 3", "Change your preferences")
        ]
        assert places == sorted(places)
        assert "Empty" not in part
        assert "Paper 4" not in part
    assert "1. " in text
    assert "3. " in text
    assert html.count("<h3") == 3
    assert [(paper.position, paper.paper_id) for paper in made.papers] == [(2, "p2"), (1, "p1"), (3, "p3")]


@pytest.mark.parametrize(
    "name",
    [
        "Back\\slash",
        "a\\",
        'Quote " and \\ both',
        "Noll, Ida \\ Wall",
        "\\c{c} $5",
        "Ümlaut \\ x",
        "x\\" * 30,
        "w\\ord " * 20 + "end",
    ],
)
def test_names_in_headers_stay_as_they_are(name: str) -> None:
    """A backslash, a quote or a dollar in the name of the sender or a subscriber is no LaTeX, and arrives."""
    made = issue(feed(), replace(subscriber(), name=name), replace(SETTINGS, sender_name=name))

    message, _, _ = parts(made.content)
    for header in ("From", "To"):
        assert [address.display_name for address in message[header].addresses] == [name]


def test_the_first_issue_says_what_it_is() -> None:
    """The first mail to a subscriber says what it is and how to end it; later ones do not."""
    to = replace(subscriber(), schedule=Schedule((1, 3)))
    made = [compose(Draft("i" * 24, (DAY,), feed(), is_first), to, SETTINGS, LINKS, NOW) for is_first in (True, False)]
    for content, expected in zip([each.content for each in made], (True, False), strict=True):
        for text in (" ".join(parts(content)[1].split()), text_of_html(content)):
            assert ("Welcome to Papers of the day: new research papers" in text) == expected
            assert ("You get this mail on Mon, Wed, because subscriber1@example.org was subscribed" in text) == expected
    assert problems(made[0].content, BASE) == []


HOSTILE = [
    "<script>alert(1)</script> & <b>bold</b>",
    "Subject\r\nBcc: victim@example.org",
    "x" * 300,
    "ווי נוצרים מאמרים על רשתות עצביות",
    "تعلم الآلة: دراسة",
    "\u202eevil txt.exe",
    "🧪 Emoji 👩\u200d🔬 in a title 🇦🇹",
    r"On the $\alpha$-divergence of $\mathbb{R}^n$",
    "Costs $5 or more",
    "深層学習による文書分類",
    "a\x00b\x1bc\u2028d",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_strange_titles(title: str) -> None:
    """Whatever a title contains, the message stays valid and both parts show its words."""
    made = issue(feed(title=title.replace("{", "{{").replace("}", "}}")))

    assert problems(made.content, BASE) == []
    message, text, _ = parts(made.content)
    assert message.keys().count("Bcc") == 0
    flat = " ".join(text.replace("\u2068", "").replace("\u2069", "").split())
    shown = made.papers[0].title
    assert shown in " ".join(text_of_html(made.content).split())
    assert shown in flat
    assert not set("\u202e\x00\x1b\u2028\r\n") & set(shown)


def test_formulas_become_readable() -> None:
    """LaTeX in titles becomes plain text; a single dollar sign stays a currency sign."""
    assert (
        issue(feed(title=r"On $\alpha$-divergence in $\mathbb{{R}}^n$ {n}"))
        .papers[0]
        .title.startswith("On α-divergence in ℝ^n")
    )
    assert issue(feed(title="Under $5 {n}")).papers[0].title == "Under $5 1"


@given(title=st.text(min_size=1, max_size=200).filter(str.strip), name=st.text(max_size=60).filter(str.isprintable))
def test_any_text(title: str, name: str) -> None:
    """No title and no name makes a message invalid."""
    papers = tuple(replace(paper, title=title, abstract=title * 3, authors=(title,)) for paper in feed(count=2).papers)
    shown = replace(feed(), papers=papers)
    made = issue(shown, replace(subscriber(), name=name))
    assert problems(made.content, BASE) == []


def test_the_worst_case_is_not_clipped() -> None:
    """Fifty papers with long titles in three-octet characters stay below the size that Gmail truncates."""
    papers = tuple(
        replace(paper, title="深" * 300, abstract="層" * 2_000, authors=("学" * 80,) * 9)
        for paper in feed(count=50).papers
    )
    made = issue(replace(feed(), papers=papers))

    assert len(made.content) < 100_000
    assert problems(made.content, BASE) == []
    assert len(made.papers) == 50
    assert "more in the browser" in text_of_html(made.content)
    plain = issue(feed(count=50))
    assert "Paper 50" in text_of_html(plain.content)


def test_without_https_there_is_no_one_click() -> None:
    """Without https there is no one-click header (RFC 8058), but the links to unsubscribe stay."""
    made = issue(feed(), settings=replace(SETTINGS, base_url="http://localhost:8025"))
    assert problems(made.content, "http://localhost:8025") == []
    assert b"List-Unsubscribe-Post" not in made.content


def test_links_lead_straight_to_papers() -> None:
    """Titles link to the paper itself and to its PDF on arXiv; the setting lets them lead over the mailer."""
    papers = tuple(replace(paper, categories=("cs.IR", "cs.LG")) for paper in feed(count=1).papers)
    direct = parts(issue(replace(feed(), papers=papers)).content)
    tracked = parts(issue(replace(feed(), papers=papers), settings=replace(SETTINGS, track_clicks=True)).content)

    for text in direct[1:]:
        assert "https://arxiv.org/abs/2603.00001" in text
        assert f"{BASE}/click/" not in text
        assert f"{BASE}/open/" in text
    for text in (*direct[1:], *tracked[1:]):
        assert "https://arxiv.org/pdf/2603.00001" in text
        assert "cs.IR · cs.LG" in text
    assert "arXiv:2603.00001" in direct[2]
    assert all(f"{BASE}/click/" in text and "https://arxiv.org/abs/" not in text for text in tracked[1:])


def test_papers_without_a_web_address() -> None:
    """Only http and https addresses become links."""
    papers = tuple(
        replace(paper, url=url)
        for paper, url in zip(feed().papers, ("javascript:alert(1)", "", "ftp://x.org/p"), strict=True)
    )
    made = issue(replace(feed(), papers=papers), settings=replace(SETTINGS, track_clicks=True))
    assert [paper.url for paper in made.papers] == ["", "", ""]
    assert f"{BASE}/click/".encode() not in made.content


def test_days_and_fallback() -> None:
    """An issue of several digests names its days, and a feed with a fallback explains it."""
    merged = issue(feed(count=1), days=(dt.date(2026, 3, 6), DAY))
    assert "1 paper for you: 6 March to 11 March 2026" in text_of_html(merged.content)
    stranger = parts(issue(replace(feed(), fallback="new_user", is_stale=True)).content)[1]
    assert "We do not know your interests yet" in stranger
    assert "There is no newer digest" in stranger


def test_the_same_bytes() -> None:
    """Two issues of the same draft differ only in the boundary between their parts."""
    first, second = (parts(issue(feed()).content) for _ in range(2))
    assert first[1:] == second[1:]
    assert first[0].items()[:-1] == second[0].items()[:-1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sender_address": "no address"}, "SENDER_ADDRESS"),
        ({"reply_to": "a@b@c"}, "REPLY_TO"),
        ({"list_id": "bad\r\nBcc: x@example.org"}, "LIST_ID"),
        ({"base_url": "https://münchen.example"}, "BASE_URL"),
    ],
)
def test_settings_that_a_header_cannot_hold(change: dict[str, str], field: str) -> None:
    """A setting that a header cannot hold is refused by name."""
    with pytest.raises(InvalidField) as caught:
        issue(feed(), settings=replace(SETTINGS, **change))
    assert field in caught.value.field


def test_confirmation() -> None:
    """The confirmation message contains one link, with the nonce, and has no headers of bulk mail."""
    pending = replace(subscriber(), confirm_nonce="n0nce", name="Ада")
    content = compose_confirmation(pending, SETTINGS, LINKS, NOW)

    assert problems(content, BASE, bulk=False) == []
    _, text, html = parts(content)
    url = next(word for word in text.split() if word.startswith(BASE))
    assert url in html
    claim = LINKS.read(Purpose.CONFIRM, url.rpartition("/")[2])
    assert (claim.subscriber_id, claim.detail) == ("s000001", "n0nce")
