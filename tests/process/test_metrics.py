"""Ports for metrics and probes of programs as people start them."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.running import ROOT, command, eventually, running, settings
from tests.telemetry.conftest import Page, fetch

pytestmark = pytest.mark.slow


def free_ports(count: int) -> int:
    """Return the first of so many free ports in a row."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            try:
                for port in range(first + 1, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return int(first)


def page(port: int) -> Page | None:
    try:
        return fetch(port)
    except OSError:
        return None


def test_each_worker_has_a_port(tmp_path: Path) -> None:
    """Two processes on one port have metrics on two ports in a row; only the first one counts the papers."""
    port = free_ports(2)
    with running(tmp_path, f"sqlite:///{tmp_path / 'db'}", workers=2, metrics_port=port):
        pages = [fetch(port), fetch(port + 1)]

    assert [each.total("target_info", paperfeed_worker=str(number)) for number, each in enumerate(pages, 1)] == [1, 1]
    assert ["paperfeed_papers " in each.text for each in pages] == [True, False]


@contextlib.contextmanager
def mail_pages(folder: Path, port: int) -> Iterator[None]:
    """Run the web pages of the mailer with metrics on the port."""
    environment = settings(mail_db=f"sqlite:///{folder / 'mail.db'}", mail_port=0, mail_metrics_port=port)
    process = subprocess.Popen(
        command("mail", "serve"), env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_the_mailer_has_a_port(tmp_path: Path) -> None:
    """The web pages of the mailer have metrics and probes on a port of their own."""
    port = free_ports(1)
    with mail_pages(tmp_path, port):
        assert eventually(lambda: page(port) is not None)
        assert eventually(lambda: fetch(port, "/readyz").status == 200)
        assert fetch(port, "/livez").status == 200
        assert fetch(port).total("paperfeed_mail_outbox") == 0


def test_a_job_can_print_its_trace(tmp_path: Path) -> None:
    """A standard variable makes a command print its span and the statements of the database."""
    environment = settings(db=f"sqlite:///{tmp_path / 'db'}") | {"OTEL_TRACES_EXPORTER": "console"}
    upgraded = subprocess.run(command("db", "upgrade"), env=environment, cwd=ROOT, capture_output=True, check=True)

    done = subprocess.run(command("db", "prune"), env=environment, cwd=ROOT, capture_output=True, text=True, check=True)

    assert b"db prune" not in upgraded.stdout
    assert '"name": "db prune"' in done.stdout
    assert '"name": "DELETE"' in done.stdout
