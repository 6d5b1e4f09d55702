"""The client distribution, installed in an environment without the rest of the project."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.running import ROOT, running, settings
from tests.requirements import require

NO_NETWORK = (
    "no matching distribution",
    "could not find a version",
    "failed to establish a new connection",
    "connection error",
    "temporary failure in name resolution",
    "max retries exceeded",
)
PROGRAM = """
import importlib.util, json, sys
import paperfeed.client
from paperfeed.v1 import catalog_pb2, feed_pb2

papers = [catalog_pb2.Paper(paper_id=f"p{i}", title=title) for i, title in enumerate(
    ["graph neural networks on proteins", "protein folding with graph networks", "monetary policy and inflation"])]
with paperfeed.client.Client(sys.argv[1]) as client:
    client.wait_until_ready(20)
    stored = client.catalog.UpsertPapers(catalog_pb2.UpsertPapersRequest(papers=papers))
    ranked = client.feeds.RankPapers(feed_pb2.RankPapersRequest(
        liked_papers=feed_pb2.InlinePapers(papers=[papers[0]]),
        candidate_papers=feed_pb2.InlinePapers(papers=[papers[2], papers[1]])))
print(json.dumps({
    "file": paperfeed.client.__file__,
    "stored": [result.paper_id for result in stored.results],
    "ranked": [item.paper_id for item in ranked.items],
    "installed": [name for name in ("torch", "numpy", "sqlalchemy", "service", "ranker", "cli")
                  if importlib.util.find_spec(name)],
}))
"""


def pip(python: Path) -> list[str]:
    """Return the command line of this environment's pip for another environment, which has none of its own."""
    return [sys.executable, "-m", "pip", "--python", str(python)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a new environment with the client distribution and its dependencies."""
    folder = tmp_path_factory.mktemp("client")
    # A build in the working tree would leave files in it.
    source = folder / "source"
    shutil.copytree(ROOT / "proto", source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, capture_output=True
    )
    python = folder / "venv" / "bin" / "python"
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-compile")
    done = subprocess.run(
        [*pip(python), "install", *quiet, str(source)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0 and any(sign in done.stderr.lower() for sign in NO_NETWORK):
        require("network", False, "needs a package index that pip can reach")
    assert done.returncode == 0, done.stderr[-2000:]
    return python


@pytest.mark.slow
def test_works_alone(python: Path, tmp_path: Path) -> None:
    """A program can store and rank papers after `pip install ./proto`, without numpy, torch or the server's code."""
    with running(tmp_path, f"sqlite:///{tmp_path / 'paperfeed.db'}") as server:
        done = subprocess.run(
            [str(python), "-I", "-c", PROGRAM, server.address],
            cwd=tmp_path,
            env=settings(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["stored"] == ["p0", "p1", "p2"]
    assert result["ranked"] == ["p1", "p2"]
    assert result["installed"] == []
    assert Path(result["file"]).is_relative_to(python.parent.parent)


@pytest.mark.slow
def test_requirements_agree(python: Path) -> None:
    """The installed packages satisfy every requirement of the distribution."""
    done = subprocess.run([*pip(python), "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
