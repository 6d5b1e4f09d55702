"""Runs a real server in its own process while a ``with`` block lasts."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paperfeed.client import Client
from service.domain.errors import StorageUnavailable

START_SECONDS = 60.0


@contextmanager
def running_server(folder: Path) -> Iterator[tuple[Client, str]]:
    """Start a server on a free port with a new database in ``folder``; yield a client and the server's address.

    Vectors are cached in ``folder``, so a second run embeds nothing.

    Raises:
        StorageUnavailable: The server did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("demo.db*"):
        old.unlink()
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--db", f"sqlite:///{folder / 'demo.db'}"]
    command += ["--embedding-cache", str(folder / "embeddings.sqlite"), "--exploration", "0"]
    log_path = folder / "server.log"
    with (
        log_path.open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,  # noqa: S603 (our own)
    ):
        try:
            assert process.stdout is not None  # noqa: S101 (PIPE was asked for)
            first = process.stdout.readline()
            if not first.startswith("listening on "):
                raise StorageUnavailable(f"the server did not start; see {log_path}")
            target = first.removeprefix("listening on ").strip()
            with Client(target) as client:
                client.wait_until_ready(START_SECONDS)
                yield client, target
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
