"""A person's folder for the tests of init, up and doctor, and sources that answer as the real ones do."""

import datetime as dt
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.demo.samples import read_demo_digest
from tests.process.running import ROOT
from tests.service.fetch.arxiv_pages import page, page_of
from tests.service.fetch.web_server import WebServer, web_server

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


def use_local(folder: Path, source: WebServer, *, encoder: str = "hashing") -> None:
    """Let the folder's paperfeed use a local source, this encoder (by default the quick one) and free ports."""
    change(
        folder,
        service__encoder=encoder,
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
def arxiv(answer: bytes = page(range(12), 12)) -> Iterator[WebServer]:
    """Run a server that answers arXiv's search and announcements with the same papers."""
    with web_server() as server:
        server.answer = lambda request: request.reply(answer)
        yield server


class Up:
    """A running ``paperfeed up``, and the lines that it has printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []

    def line(self, start: str) -> str:
        """Wait for a line that starts so, and return the rest of it."""
        while not (self.lines and self.lines[-1].startswith(start)):
            assert self.process.stdout is not None
            self.lines.append(self.process.stdout.readline())
            assert self.lines[-1], f"it ended by itself: {self.lines}"
        return self.lines[-1].removeprefix(start).strip()


@contextmanager
def up(folder: Path) -> Iterator[Up]:
    """Run ``paperfeed up`` in the folder; its errors go to the file errors."""
    with (
        (folder / "errors").open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up"],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield Up(process)
        finally:
            process.kill()


def sample_page() -> bytes:
    """Return an answer of arXiv's search with the papers of the demo, published yesterday."""
    return page_of(read_demo_digest(None, None).papers, dt.datetime.now(dt.UTC) - dt.timedelta(days=1))


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port
