from pathlib import Path

import pytest

from testing.mailer.killing import CONNECTIONS, kill_often
from tests.databases import ENGINES, new_database


@pytest.mark.slow
@pytest.mark.parametrize("mailers", [1, 2])
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_in_the_middle(tmp_path: Path, engine: str, mailers: int) -> None:
    """Killing mailers loses no message and doubles at most one per connection, with the same Message-ID.

    ``benchmarks/jobs/mail.py`` does the same with 2,000 subscribers and twenty kills.
    """
    count, kills = 150, 2
    with new_database(engine, tmp_path) as url:
        found = kill_often(tmp_path, url, count, kills, mailers, seed=mailers)
    assert found.missing == 0
    assert found.strangers == 0
    assert found.doubled <= kills * CONNECTIONS
