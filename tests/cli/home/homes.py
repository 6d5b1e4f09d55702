"""A person's folder for the tests of init, up and doctor, and sources that answer as the real ones do."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process.running import ROOT
from tests.service.fetch.arxiv_pages import page
from tests.service.fetch.web_server import Request, WebServer, web_server

LIBRARY = """
@article{one, title = {Neural collaborative filtering for recommendation}, year = {2024}}
@article{two, title = {Dense retrieval and learned ranking for search}, year = {2024}}
@article{three, title = {Click models of web search engines}, year = {2025}}
"""


def environment() -> dict[str, str]:
    """Return the environment of a person: no settings, and the sources importable from any folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAPERFEED_")}
    return kept | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}"}


def run(folder: Path, *words: str, timeout: float = 300.0) -> "subprocess.CompletedProcess[str]":
    """Run ``paperfeed WORDS`` in the folder, without a terminal, and return its outcome."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def change(folder: Path, **values: object) -> None:
    """Set settings in the folder's paperfeed.toml, as a person does with an editor: ``service__port=1``."""
    path = folder / "paperfeed.toml"
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        table, _, key = name.partition("__")
        before, head, rest = text.partition(f"[{table}]\n")
        written = f'"{value}"' if isinstance(value, str) else str(value).lower()
        rest, count = re.subn(rf"^(# )?{key} = .*$", f"{key} = {written}", rest, count=1, flags=re.MULTILINE)
        assert count == 1, name
        text = before + head + rest
    path.write_text(text, encoding="utf-8")


def use_local(folder: Path, source: WebServer) -> None:
    """Let the folder's paperfeed use a local source, the quick encoder and free ports."""
    change(
        folder,
        service__encoder="hashing",
        service__embedding_cache="none",
        service__port=0,
        service__arxiv_feed_url=source.url,
        service__arxiv_api_url=source.url,
        service__fetch_pause_seconds=0,
        service__fetch_wait_seconds=0,
        service__fetch_tries=2,
        mail__port=0,
    )


@contextmanager
def arxiv(count: int = 12) -> Iterator[WebServer]:
    """Run a server that answers arXiv's search and announcements with the same papers."""

    def answer(request: Request) -> None:
        request.reply(page(range(count), count))

    with web_server() as server:
        server.answer = answer
        yield server


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port
