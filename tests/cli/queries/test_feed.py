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
