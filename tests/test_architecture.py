"""Rules about the tree as a whole."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = (
    *(
        "service",
        "ranker",
        "training",
        "batch",
        "mailer",
        "cli",
        "database",
        "settings",
        "telemetry",
        "data_sets",
        "proto",
    ),
    *("benchmarks", "testing", "deploy", "tests", "docs", ".ci"),
)
TEXT = {".py", ".pyi", ".proto", ".toml", ".yaml", ".md", ".txt", ".json", ".jsonl", ".sh", ".ini", ""}
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b")
HOME = re.compile(r"(?<![\w.:])/(?:root|home/\w+|Users/\w+)/")


def text_files() -> list[Path]:
    """The files of the project that people read and write."""
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    files = [path for path in (*ROOT.iterdir(), *below) if path.is_file() and path.suffix in TEXT]
    return [path for path in files if not {"__pycache__", "build"} & set(path.relative_to(ROOT).parts)]


def test_imports_keep_their_contracts() -> None:
    """Nobody imports what the contracts in pyproject.toml forbid."""
    # In a process of its own, because import-linter disables the loggers of the process that it runs in.
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout


def test_proto_folder_is_no_package() -> None:
    """An __init__.py in proto/ would hide the library of that name."""
    assert not (ROOT / "proto" / "__init__.py").exists()


def sources() -> list[Path]:
    """The source files that people write: no generated stubs, and no empty package files."""
    files = [path for path in text_files() if path.suffix in {".py", ".proto"} and path.name != "__init__.py"]
    return [path for path in files if "_pb2" not in path.name]


def test_no_crowded_folder() -> None:
    """At most 15 source files lie side by side, so that a newcomer sees a folder at a glance."""
    crowded = {folder: count for folder, count in Counter(path.parent for path in sources()).items() if count > 15}

    assert crowded == {}


def test_no_test_imports_another() -> None:
    """Tests import builders from modules of builders, so that each test file can be read and changed alone."""
    importing = re.compile(r"^\s*(?:from|import) tests\.(?:\w+\.)*test_\w+", re.MULTILINE)

    assert [path for path in sources() if importing.search(path.read_text(encoding="utf-8"))] == []


def test_no_secret_and_no_home_folder() -> None:
    """No file holds a key, or a path that exists on one person's machine only."""
    found = [
        path.relative_to(ROOT).as_posix()
        for path in text_files()
        if SECRET.search(text := path.read_text(encoding="utf-8", errors="replace")) or HOME.search(text)
    ]

    assert found == []
