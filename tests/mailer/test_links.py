import itertools

import pytest

from mailer.errors import LinkRefused
from mailer.links import DAY_SECONDS, MAX_AGE_SECONDS, Claim, Links, Purpose

LINKS = Links(b"k" * 32, "https://mail.example.org/")


def token_of(url: str) -> str:
    """Return the token at the end of a link."""
    return url.rpartition("/")[2]


@pytest.mark.parametrize("purpose", Purpose)
def test_round_trip(purpose: Purpose) -> None:
    """Reading a link returns the claim it was made of; its path begins with the purpose."""
    url = LINKS.url(purpose, "s1", "i1", 7)

    assert url.startswith(f"https://mail.example.org/{purpose.value}/")
    assert LINKS.read(purpose, token_of(url)) == Claim(purpose, "s1", "i1", "7")


@pytest.mark.parametrize(("made", "asked"), list(itertools.permutations(Purpose, 2)))
def test_one_purpose_each(made: Purpose, asked: Purpose) -> None:
    """A token of one purpose is refused for every other."""
    with pytest.raises(LinkRefused, match="incomplete or was changed"):
        LINKS.read(asked, token_of(LINKS.url(made, "s1", "i1", 7)))


def test_altered_tokens() -> None:
    """A token with a changed, missing or additional character, or signed with another key, is refused."""
    token = LINKS.token(Claim(Purpose.LIKE, "s1", "i1", "7"))
    # Decoding ignores some bits in the last character of each part.
    altered = [
        token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        for at in range(len(token))
        if at + 1 < len(token) and token[at + 1] != "." and token[at] != "."
    ]
    for text in (*altered, token[:-1], token + "A", "", ".", "a.b.c", "\x00", "é" * 20, "x" * 5_000):
        with pytest.raises(LinkRefused):
            LINKS.read(Purpose.LIKE, text)
    with pytest.raises(LinkRefused):
        Links(b"j" * 32, "https://mail.example.org").read(Purpose.LIKE, token)


@pytest.mark.parametrize("purpose", Purpose)
def test_age(purpose: Purpose, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is valid until its maximum age; those to unsubscribe and those of Atom feeds never expire."""
    import time

    token, now, limit = LINKS.token(Claim(purpose, "s1")), time.time(), MAX_AGE_SECONDS[purpose]
    monkeypatch.setattr(time, "time", lambda: now + (limit or 30_000 * DAY_SECONDS) - 10)
    assert LINKS.read(purpose, token).subscriber_id == "s1"

    if limit is not None:
        monkeypatch.setattr(time, "time", lambda: now + limit + 10)
        with pytest.raises(LinkRefused, match="too old"):
            LINKS.read(purpose, token)
    assert limit is not None or purpose in {Purpose.UNSUBSCRIBE, Purpose.ATOM}


def test_age_of_a_derived_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token derived from another keeps its date, through any number of steps."""
    import time

    now = time.time()
    first = LINKS.read(Purpose.PREFERENCES, LINKS.token(Claim(Purpose.PREFERENCES, "s1")))
    monkeypatch.setattr(time, "time", lambda: now + 60 * DAY_SECONDS)
    second = LINKS.read(Purpose.ARCHIVE, token_of(LINKS.url(Purpose.ARCHIVE, "s1", parent=first)))
    third = token_of(LINKS.url(Purpose.VIEW, "s1", "i1", parent=second))
    assert LINKS.read(Purpose.VIEW, third).made_at == first.made_at

    monkeypatch.setattr(time, "time", lambda: now + 90 * DAY_SECONDS + 10)
    with pytest.raises(LinkRefused, match="too old"):
        LINKS.read(Purpose.VIEW, third)
