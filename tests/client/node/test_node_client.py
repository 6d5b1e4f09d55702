"""A Node client that learns the whole contract from the server's reflection."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from testing.servers import serving
from tests.client import whole_api
from tests.requirements import require

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in a folder with the packages that it imports."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "call_all.js"):
        shutil.copy(HERE / name, folder)
    npm = shutil.which("npm")
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
    done = npm and subprocess.run([npm, "install", *options], cwd=folder, capture_output=True, check=False, timeout=120)
    require("node", bool(done) and not done.returncode, "needs Node, and npm with its packages")
    return folder / "call_all.js"


@pytest.mark.slow
def test_whole_api(program: Path, tmp_path: Path) -> None:
    """Node calls every RPC over reflection alone, and gets what the other clients get."""
    steps = json.dumps(whole_api.STEPS)
    with serving(f"sqlite:///{tmp_path / 'paperfeed.db'}") as service:
        done = subprocess.run(
            ["node", program, service.target],
            cwd=program.parent,
            input=steps,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    whole_api.check(json.loads(done.stdout))
