"""The pages over HTTP: GET changes nothing, each token opens one page, and strangers learn nothing."""

import re
from html import unescape
from typing import Any

import pytest

from mailer.domain.subscription import SubscriptionState, SuppressionReason
from mailer.links import ACTIONS, Claim, Links, Purpose
from mailer.storage import MailStore, subscribers
from testing.mailer.builders import NOW
from tests.mailer.site import Answer, RunningSite
from tests.mailer.web.reading import TITLE, all_urls, dump, events, state_of, url


def test_every_answer_is_guarded(site: RunningSite) -> None:
    """Pages and errors have a strict policy, send other sites no referrer, set no cookie and load nothing from them."""
    for path in ("/", *all_urls(site), "/none", "/like/forged", "/static/style.css"):
        answer = site.ask(path)
        headers = answer.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Set-Cookie"] is None
        assert set(re.findall("<script[^>]*>", answer.text)) <= {'<script type="module" src="/static/zone.js">'}
        assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1)', answer.text)


def test_titles_are_escaped(site: RunningSite) -> None:
    """HTML in a title is shown as text on every page."""
    for purpose in (Purpose.VIEW, *ACTIONS):
        page = site.ask(url(site, purpose, 1)).text
        assert TITLE not in page
        assert TITLE in unescape(page)


def test_a_crawler_changes_nothing_but_clicks(site: RunningSite, store: MailStore) -> None:
    """Following every link of every page twice stores nothing but clicks marked as a scanner's."""
    before = dump(store)
    for _ in range(2):
        todo, seen = [site.base_url + "/", *all_urls(site)], set()
        while todo:
            link = todo.pop()
            if link in seen or not link.startswith(site.base_url):
                continue
            seen.add(link)
            page = site.ask(link).text
            todo += [unescape(found) for found in re.findall(r'(?:href|action)="([^"#]+)"', page)]
        assert len(seen) > 30

    after = dump(store)

    clicks = after.pop("mail_reactions")
    before.pop("mail_reactions")
    assert after == before
    assert {kind for kind, _, _ in events(store)} == {"click"}
    assert len(clicks) == 7
    assert all(is_scanner for _, _, is_scanner in events(store))


@pytest.mark.parametrize("purpose", ACTIONS)
def test_an_action_needs_its_button(site: RunningSite, store: MailStore, purpose: Purpose) -> None:
    """A link shows a button, and pressing it several times counts once."""
    link = url(site, purpose, 2)
    page = site.ask(link)
    assert page.status == 200
    assert '<form method="post">' in page.text
    assert events(store) == []

    for _ in range(3):
        assert site.ask(link, {}).status == 200

    assert events(store) == [(purpose.value, "p2", 0)]


def test_changing_ones_mind(site: RunningSite, store: MailStore) -> None:
    """Each change of a reaction is stored once and in order, and the page of the issue shows the last one."""
    like, dislike = url(site, Purpose.LIKE, 2), url(site, Purpose.DISLIKE, 2)
    for link, form in ((like, {}), (like, {"undo": "1"}), (like, {"undo": "1"}), (like, {}), (dislike, {})):
        assert site.ask(link, form).status == 200

    assert [kind for kind, _, _ in events(store)] == ["like", "unlike", "like", "dislike"]
    page = site.ask(url(site, Purpose.VIEW)).text
    assert len(re.findall(r'aria-pressed="true">Not for me', page)) == 1


def test_forged_and_exchanged_tokens(site: RunningSite, store: MailStore) -> None:
    """A token is valid for its own page alone; forged and foreign tokens are refused, and nothing is stored."""
    stranger = Links(b"x" * 32, site.base_url)
    crossed = site.links.token(Claim(Purpose.LIKE, "s000001", "i2", "1"))
    for purpose in Purpose:
        for other in Purpose:
            if other is not purpose:
                token = url(site, purpose, 1).rpartition("/")[2]
                assert site.ask(f"/{other.value}/{token}").status == 403
        assert site.ask(stranger.url(purpose, "s000001", "i1", 1)).status == 403
        assert site.ask(f"/{purpose.value}/{'a' * 3000}").status in {403, 404, 414}
    for token in (crossed, site.links.token(Claim(Purpose.LIKE, "s000001", "i1", "99"))):
        assert site.ask(f"/like/{token}", {}).status == 403
    assert site.ask(site.links.url(Purpose.LIKE, "s000001", "gone", 1), {}).status == 404
    assert events(store) == []


def test_subscribing_answers_alike_for_all_addresses(site: RunningSite, store: MailStore) -> None:
    """New, known and stopped addresses get the same answer; only the new one gets a confirmation."""
    with store.write() as connection:
        subscribers.suppress(connection, "stopped@example.org", SuppressionReason.BOUNCE, "", NOW)
    pages = {
        site.ask("/subscribe", {"address": address, "weekdays": ["1", "5"], "time_zone": "Europe/Vienna"}).text
        for address in ("new@example.org", "subscriber1@example.org", "stopped@example.org")
    }
    assert len(pages) == 1
    rows = dump(store)["mail_confirmations"]
    assert len(rows) == 1
    with store.read() as connection:
        new = subscribers.find_by_address(connection, "new@example.org")
    assert new is not None
    assert (new.schedule.weekdays, new.state) == ((1, 5), SubscriptionState.PENDING)
    confirm = site.links.url(Purpose.CONFIRM, new.subscriber_id, detail=new.confirm_nonce)
    assert "Yes, send me papers" in site.ask(confirm).text
    assert state_of(store, new.subscriber_id) is SubscriptionState.PENDING
    assert site.ask(confirm, {}).status == 200
    assert state_of(store, new.subscriber_id) is SubscriptionState.ACTIVE
    assert site.ask(confirm, {}).status == 403


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"address": "no address"}, "address"),
        ({"address": "a@example.org", "weekdays": []}, "weekdays"),
        ({"address": "a@example.org", "time_zone": "Mars/Base"}, "time_zone"),
        ({"address": "a@example.org", "paper_count": "1000"}, "paper_count"),
        ({"address": "a@example.org", "paper_count": "x"}, "paper_count"),
        ({"address": "a@example.org", "weekdays": ["9"]}, "weekdays"),
        ({"address": "a@example.org", "local_time": "25:00"}, "local_time"),
        ({}, "address"),
    ],
)
def test_an_invalid_form(site: RunningSite, store: MailStore, form: dict[str, Any], problem: str) -> None:
    """The page names the invalid field, and nothing is stored."""
    before = dump(store)
    answer = site.ask("/subscribe", {"weekdays": ["1"], **form})
    assert answer.status == 400
    assert problem in answer.text
    assert dump(store) == before


def test_other_sites_and_floods(site: RunningSite) -> None:
    """Forms of other sites, large bodies, other types of bodies and too many requests are refused."""
    form = {"address": "a@example.org", "weekdays": "1"}
    assert site.ask("/subscribe", form, Sec_Fetch_Site="cross-site").status == 403
    assert site.ask("/subscribe", form, Origin="https://evil.example").status == 403
    assert site.ask("/subscribe", {"address": "x" * 100_000}).status == 413
    assert site.ask("/subscribe", form, Content_Type="multipart/form-data; boundary=x").status == 415
    assert site.ask("/subscribe", method="PUT").status == 405
    statuses = [site.ask("/subscribe", form).status for _ in range(12)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_archive_and_issue(site: RunningSite) -> None:
    """The archive links to the issues, and an issue is shown even without the feed service."""
    archive = url(site, Purpose.ARCHIVE)
    link = re.findall(r'href="([^"]+/view/[^"]+)"', site.ask(archive).text)[0]
    page = site.ask(unescape(link))
    assert page.status == 200
    assert page.text.count("<article") == 8
    assert site.ask(site.links.url(Purpose.VIEW, "s000001", "i2")).status == 404


def test_healthz(site: RunningSite) -> None:
    """The health check answers ok."""
    answer: Answer = site.ask("/healthz")
    assert (answer.status, answer.text) == (200, "ok")
