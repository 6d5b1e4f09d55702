"""``paperfeed profile``, against a running server."""

import json
from pathlib import Path

from testing.calls import fresh, make_papers, record, upsert_ready
from tests.cli.conftest import Run
from tests.process.running import running


def test_shows_interests_and_preferences(paperfeed: Run, tmp_path: Path) -> None:
    """The interests stand with their share and likes, and as JSON with every field; an unknown user is a failure."""
    from paperfeed.v1.profile_pb2 import Preferences, UpdatePreferencesRequest

    user = fresh("user")
    with running(tmp_path, f"sqlite:///{tmp_path / 'paperfeed.db'}") as server:
        with server.client() as client:
            record(client, user, "like", *upsert_ready(client, make_papers(3, "audio")))
            wishes = UpdatePreferencesRequest(user_id=user, preferences=Preferences(followed_topics=["cs.SD"]))
            client.profiles.UpdatePreferences(wishes)
        text = paperfeed("profile", user, "--server", server.address)
        done = paperfeed("profile", user, "--server", server.address, "--json")
        unknown = paperfeed("profile", fresh("nobody"), "--server", server.address)
    assert text.code == done.code == 0
    found = json.loads(done.out)
    (interest,) = found["interests"]
    assert (found["like_count"], interest["like_count"], interest["weight"]) == (3, 3, 1.0)
    assert f"100%  {interest['name']}  (3)" in text.out
    assert "followed topics: cs.SD" in text.out
    assert unknown.code == 1
