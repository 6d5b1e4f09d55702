"""Output of ``paperfeed status``."""

from pathlib import Path

from testing.servers import lose_database, serving
from tests.cli.command import Run


def test_a_lost_database_is_told(paperfeed: Run, tmp_path: Path) -> None:
    """If a server's database is broken, its counters are still shown, and a line says what is wrong."""
    with serving(f"sqlite:///{tmp_path / 'lost.db'}") as service:
        before = paperfeed("status", "--server", service.target)
        lose_database(service)
        done = paperfeed("status", "--server", service.target)

    assert "papers   0" in before.out.splitlines()
    assert "papers   unknown: the database is not available: its file is not a database" in done.out.splitlines()
    assert "call     StatusService/GetStatus OK: 1" in done.out.splitlines()
    assert (done.code, done.err) == (0, "")
