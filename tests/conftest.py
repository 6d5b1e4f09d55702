"""Settings that all tests share, and a list of the skipped tests at the end of a run."""

import gc
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from testing import names

# A slow or busy machine must not fail a test, and a failure must come back when the test is run again.
settings.register_profile("paperfeed", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("paperfeed")


# Nothing is written into the folder of the person who runs the tests; a cache that the environment names is used.
os.environ.setdefault("PAPERFEED_EMBEDDING_CACHE", "none")


LONGEST = [
    "browser/test_walk.py",
    "rpc/edge/test_fuzz.py",
    "cli/home/test_init.py",
    "rpc/feeds/test_statistics.py",
    "migrations/test_schema.py",
    "cli/imports/test_digest_import.py",
    "service/ingest/test_hostile_input.py",
    "cli/models/test_check.py",
    "training/data/test_rows.py",
    "cli/models/test_judge.py",
    "process/test_start.py",
    "process/test_workers.py",
    "training/feedback/test_loop.py",
    "training/test_train.py",
    "cli/models/test_train.py",
    "batch/train/test_coordinator.py",
    "cli/home/test_up.py",
    "training/evaluation/test_evaluate.py",
    "cli/batch/test_embed.py",
    "benchmarks/test_serve.py",
    "cli/models/test_feedback.py",
    "cli/models/test_evaluate.py",
    "process/test_kill.py",
    "process/test_drain.py",
    "cli/test_run.py",
    "process/test_statistics.py",
    "rpc/edge/test_health_reflection.py",
    "cli/test_demo.py",
    "service/ingest/libraries/test_mixed_libraries.py",
    "acceptance/test_real_digest.py",
    "service/encoder/test_minilm.py",
]
"""Files that take longest. They start first, because one that starts last keeps a single process busy at the end."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import files and folders without a test of the part that ``-m`` names, as .ci/tests.sh does.

    The markers slow and serial are only set in the files of the tests themselves.
    """
    files = [collection_path] if collection_path.match("test_*.py") else list(collection_path.rglob("test_*.py"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    if config.option.markexpr == "not slow and not serial":
        return (bool(texts) and all(map(_ALL_SLOW.search, texts))) or None
    wanted = re.fullmatch("(slow|serial)( and not serial)?", config.option.markexpr)
    return bool(wanted and texts and not any(f"mark.{wanted[1]}" in text for text in texts)) or None


_ALL_SLOW = re.compile("^pytestmark = .*mark.slow", re.MULTILINE)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Exclude the imported modules and collected tests from garbage collection.

    They live until the end. To look through their many objects again and again would take a tenth of the time.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_runtest_logstart(nodeid: str) -> None:
    """Give each test the same names of papers and users in every run."""
    names.restart(nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test was skipped, without pytest's prefix."""
    longrepr = report.longrepr
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return reason.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List each reason for skipping once, the most frequent first."""
    if not terminalreporter.stats:
        return
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(skip_reason(report) for report in skipped)

    terminalreporter.section("skipped tests, and what they need")
    if not reasons:
        terminalreporter.write_line("nothing was skipped")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4d}  {reason}")
