"""Output of ``paperfeed feed`` if there is little to show."""

import json
from pathlib import Path

from testing.calls import make_digest, make_papers, record, upsert_ready
from testing.servers import serving
from tests.cli.command import Run


def test_before_the_first_digest(paperfeed: Run, tmp_path: Path) -> None:
    """Without any digest the command says how to import one; --json prints the answer as it is."""
    with serving(f"sqlite:///{tmp_path / 'empty.db'}") as service:
        done = paperfeed("feed", "ada", "--server", service.target)
        shown = paperfeed("feed", "ada", "--server", service.target, "--json")

    assert done.out == "there is no digest yet; import one with: paperfeed digest import\n"
    assert (done.code, done.err) == (shown.code, shown.err) == (0, "")
    assert json.loads(shown.out)["slate"]["fallback_reason"] == "FALLBACK_REASON_EMPTY_DIGEST"


def test_when_all_is_hidden(paperfeed: Run, tmp_path: Path) -> None:
    """If the user has seen every paper of a digest, the digest is named and no paper is shown."""
    with serving(f"sqlite:///{tmp_path / 'read.db'}") as service:
        paper_ids = upsert_ready(service.client, make_papers(1))
        digest = make_digest(service.client, paper_ids)
        record(service.client, "ada", "like", *paper_ids)
        done = paperfeed("feed", "ada", "--server", service.target)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{digest}  (")
    assert done.out.endswith("no paper is left to show; the newest digest is several days old\n")


def test_papers_have_ids_links_and_scores_and_can_be_liked(paperfeed: Run, tmp_path: Path) -> None:
    """The feed and similar papers name id and link; liked and dismissed papers leave the feed."""
    with serving(f"sqlite:///{tmp_path / 'likes.db'}") as service:
        papers = make_papers(4, url="https://journal.example/1")
        first, second, third, fourth = upsert_ready(service.client, papers)
        make_digest(service.client, [first, second, third, fourth])
        to = ("--server", service.target)
        before = paperfeed("feed", "ada", *to)
        near = paperfeed("similar", first, *to)
        said = [
            paperfeed(kind, "ada", paper, *to)
            for kind, paper in (("like", first), ("dislike", second), ("dismiss", third))
        ]
        after = paperfeed("feed", "ada", *to)
        unknown = paperfeed("like", "ada", "nothing", *to)

    for paper_id in (first, second, third, fourth):
        assert f"     {paper_id}  https://journal.example/1  score " in before.out
    assert f"       {second}  https://journal.example/1" in near.out
    assert [done.out for done in said] == [f"ada: 1 papers {what}\n" for what in ("liked", "disliked", "dismissed")]
    assert fourth in after.out
    assert not any(paper_id in after.out for paper_id in (first, second, third))
    assert (unknown.code, "NOT_FOUND" in unknown.err) == (1, True)


def test_version(paperfeed: Run) -> None:
    """``--version`` prints name and version."""
    assert paperfeed("--version").out.startswith("paperfeed ")
