"""``paperfeed interests`` and feeds with sections, against a running server."""

import json
from pathlib import Path

from testing.calls import MONDAY, fresh, make_digest, make_papers, record, upsert_ready
from testing.servers import serving
from tests.cli.command import Run


def test_edit_interests(paperfeed: Run, tmp_path: Path) -> None:
    """Every command changes what ``list`` prints; interests are named by id or by name."""
    user = fresh("user")
    with serving(f"sqlite:///{tmp_path / 'paperfeed.db'}") as server:
        audio = upsert_ready(server.client, make_papers(6, "audio"))
        vision = upsert_ready(server.client, make_papers(2))
        record(server.client, user, "like", *audio, *vision, when=MONDAY)
        to = ("--server", server.target)

        def do(command: str, *words: str) -> str:
            done = paperfeed("interests", command, user, *words, *to)
            assert done.code == 0, done.err
            return done.out

        first = json.loads(do("list", "--json"))["interests"]
        assert [each["like_count"] for each in first] == [6, 2]
        assert {each["origin"] for each in first} == {"found"}
        assert do("rename", first[1]["interest_id"], "Seeing machines").startswith(" 25%  Seeing machines  (2)  found-")
        assert do("weight", "seeing MACHINES", "0.5").startswith(" 50%  Seeing machines")
        assert do("pause", "Seeing machines").endswith("paused\n")
        assert not do("pause", "Seeing machines", "--resume").endswith("paused\n")
        assert do("add", "To read", vision[0], "--collection").startswith(" 33%  To read  (1)  collection-")
        halves = do("split", first[0]["interest_id"], *audio[:3], "--name", "Half").splitlines()
        assert [line.split("  ")[-2] for line in halves] == ["(3)", "(3)"]
        assert "Half" in halves[1]
        assert "(6)" in do("merge", first[0]["interest_id"], "Half")
        assert do("delete", "To read").startswith("deleted: collection-")
        assert [line.split("  ")[1] for line in do("list").splitlines()] == [first[0]["name"], "Seeing machines"]
        unknown = paperfeed("interests", "rename", user, "no such", "x", *to)
    assert (unknown.code, unknown.err.count("no interest 'no such'")) == (1, 1)


def test_feed_with_sections(paperfeed: Run, tmp_path: Path) -> None:
    """--by-interest prints a heading for each interest with its papers, --interest one interest alone."""
    user = fresh("user")
    with serving(f"sqlite:///{tmp_path / 'paperfeed.db'}") as server:
        record(server.client, user, "like", *upsert_ready(server.client, make_papers(4, "audio")), when=MONDAY)
        record(server.client, user, "like", *upsert_ready(server.client, make_papers(4)), when=MONDAY)
        make_digest(server.client, upsert_ready(server.client, [*make_papers(3, "audio"), *make_papers(3)]))
        to = ("--server", server.target)
        found = json.loads(paperfeed("interests", "list", user, "--json", *to).out)["interests"]
        first, second = (each["interest_id"] for each in found)
        paperfeed("interests", "rename", user, first, "First", *to)
        paperfeed("interests", "rename", user, second, "Second", *to)
        sections = paperfeed("feed", user, "--by-interest", *to).out
        plain = paperfeed("feed", user, *to).out
        alone = paperfeed("feed", user, "--interest", first, *to).out
    _, one, other = sections.split("\n\n")
    assert one.startswith("First\n")
    assert other.startswith("Second\n")
    assert one.count("score") == other.count("score") == 3
    assert "\nFirst\n" not in plain
    assert "\nFirst\n" in alone
    assert alone.count("score") == 6
