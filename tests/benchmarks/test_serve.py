"""A tiny run of the server benchmark."""

import json
import subprocess
import sys

import pytest

from tests.databases import postgres_schema, require_postgres
from tests.process.running import ROOT

TINY = (
    "--users 8 --papers 1000 --rounds 1 --calls 4 --clients 2 --client-rounds 1 --seconds 0.3 --rates 0.5 "
    "--open-seconds 0.5 --json"
)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_serve(engine: str) -> None:
    """The benchmark prints one line of JSON, with floors, the three budgets and the share of refused calls."""
    words = [sys.executable, "-m", "benchmarks.serving.serve", *TINY.split()]
    if engine == "sqlite":
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    else:
        require_postgres()
        with postgres_schema() as url:
            done = subprocess.run([*words, "--db", url], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode in {0, 1}, done.stderr
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    *figures, refused, memory = found["benchmarks"]
    assert [each["budget"] for each in figures if each["budget"]] == [2.5, 4.5, 0.4]
    assert (refused["name"], refused["budget"]) == ("share of refused calls at 50% of capacity", 0.0)
    for each in (*figures, memory):
        assert each["value"] > 0
        assert each["ratio"] == pytest.approx(each["value"] / each["floor"], rel=0.01)
