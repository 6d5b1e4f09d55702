"""``paperfeed profile``, against a running server."""

import json
from pathlib import Path

from testing.calls import fresh, make_papers, record, upsert_ready
from testing.servers import serving
from tests.cli.command import Run


def test_shows_interests_and_preferences(paperfeed: Run, tmp_path: Path) -> None:
    """Interests are printed with share and likes, as JSON with every field; an unknown user is a failure."""
    from paperfeed.v1.profile_pb2 import Preferences, UpdatePreferencesRequest

    user = fresh("user")
    with serving(f"sqlite:///{tmp_path / 'paperfeed.db'}") as server:
        record(server.client, user, "like", *upsert_ready(server.client, make_papers(3, "audio")))
        preferences = UpdatePreferencesRequest(user_id=user, preferences=Preferences(followed_topics=["cs.SD"]))
        server.client.profiles.UpdatePreferences(preferences)
        text = paperfeed("profile", user, "--server", server.target)
        done = paperfeed("profile", user, "--server", server.target, "--json")
        unknown = paperfeed("profile", fresh("nobody"), "--server", server.target)
    assert text.code == done.code == 0
    found = json.loads(done.out)
    (interest,) = found["interests"]
    assert (found["like_count"], interest["like_count"], interest["weight"]) == (3, 3, 1.0)
    assert f"100%  {interest['name']}  (3)" in text.out
    assert "followed topics: cs.SD" in text.out
    assert unknown.code == 1
