"""Output of ``paperfeed search``."""

import json
from pathlib import Path

from testing.calls import make_papers, upsert
from testing.servers import serving
from tests.cli.command import Run


def test_search(paperfeed: Run, tmp_path: Path) -> None:
    """The command prints titles, ids and links of matching papers, and says if there is none."""
    with serving(f"sqlite:///{tmp_path / 'search.db'}") as service:
        papers = make_papers(2, url="https://journal.example/1")
        papers[0].title, papers[1].title = "Graph networks", "Graph theory"
        upsert(service.client, papers)
        to = ("--server", service.target)
        found = paperfeed("search", "graph", *to, "--", "-theory")
        shown = paperfeed("search", "graph", "--json", *to)
        none = paperfeed("search", "graph auction", *to)
        refused = paperfeed("search", *to, "--", "-graph")

    assert found.out == f"Graph networks\n       {papers[0].paper_id}  https://journal.example/1\n"
    assert {each["paper_id"] for each in json.loads(shown.out)["papers"]} == {paper.paper_id for paper in papers}
    assert none.out == "no paper contains all of these words\n"
    assert (refused.code, "no word to find" in refused.err) == (1, True)
