from pathlib import Path

import pytest

from testing.mailer.killing import CONNECTIONS, kill_often
from tests.databases import postgres_schema, require_postgres


@pytest.mark.slow
@pytest.mark.parametrize("mailers", [1, 2])
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_killed_in_the_middle(tmp_path: Path, engine: str, mailers: int) -> None:
    """Killing mailers loses no message and doubles at most one per connection, with the same Message-ID.

    ``benchmarks/jobs/mail.py`` does the same with 2,000 subscribers and twenty kills.
    """
    count, kills = 150, 2
    if engine == "sqlite":
        found = kill_often(tmp_path, f"sqlite:///{tmp_path / 'mail.db'}", count, kills, mailers, seed=mailers)
    else:
        require_postgres()
        with postgres_schema() as url:
            found = kill_often(tmp_path, url, count, kills, mailers, seed=mailers)
    assert found.missing == 0
    assert found.strangers == 0
    assert found.doubled <= kills * CONNECTIONS
