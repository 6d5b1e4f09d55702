"""Settings that all tests share, and a list of the skipped tests at the end of a run."""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# A slow or busy machine must not fail a test, and a failure must come back when the test is run again.
settings.register_profile("paperfeed", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("paperfeed")


# Nothing is written into the folder of the person who runs the tests; a cache that the environment names is used.
os.environ.setdefault("PAPERFEED_EMBEDDING_CACHE", "none")


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
