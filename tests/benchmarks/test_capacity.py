"""The capacity computation, and its copy in docs/scale.md."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchmarks.serving.capacity import (
    SCENARIOS,
    SOURCES,
    WORDS,
    Assumptions,
    Costs,
    Scenario,
    number,
    page,
    read_costs,
    requirements_of,
)
from tests.deploy.manifests import named
from tests.process.running import ROOT

COSTS = Costs(**dict.fromkeys((field.name for field in fields(Costs)), 1.0))


def test_page_shows_the_computed_tables() -> None:
    """docs/scale.md contains the tables computed from the committed results."""
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- capacity: begin -->\n(.*?)<!-- capacity: end -->", text, re.DOTALL)

    assert shown is not None
    assert shown[1].strip() == page(SCENARIOS, read_costs(), Assumptions()).strip()


def test_everything_is_named() -> None:
    """Each cost has a source, and each assumption has words for the page."""
    assert SOURCES.keys() == {field.name for field in fields(Costs)}
    assert WORDS.keys() == {field.name for field in fields(Assumptions)}


def test_arithmetic() -> None:
    """With round numbers each requirement equals the value computed by hand."""
    costs = replace(
        COSTS,
        feed_core_ms=10,
        new_feed_core_ms=30,
        event_core_ms=1,
        store_feed_core_ms=5,
        store_event_core_ms=2,
        batch_core_ms=3.6,
        embed_core_ms=36,
        slate_bytes=1_000,
        bare_slate_bytes=100,
        event_bytes=10,
        mail_per_second=100,
    )
    assumptions = Assumptions(
        feeds_a_day=2,
        events_a_day=10,
        share_of_new_feeds=0.5,
        busiest_hour=0.36,
        utilisation=0.5,
        features_days=10,
        slates_days=20,
        events_days=100,
        batch_hours=0.5,
        connections_of_a_server=32,
    )

    need = requirements_of(Scenario(1_000_000, 1_000_000), costs, assumptions)

    assert need.feeds_per_second == pytest.approx(200)
    assert need.events_per_second == pytest.approx(1_000)
    assert need.server_cores == pytest.approx(200 * 0.02 + 1_000 * 0.001)
    assert need.servers == 11
    assert need.connections == 352
    assert need.database_cores == pytest.approx((200 * 0.005 + 1_000 * 0.002) / 0.5)
    assert need.database_gb_a_day == pytest.approx(2e6 * 1e-6 + 1e7 * 1e-8)
    assert need.database_gb == pytest.approx(20 + 2 + 10 + 0.001 + 0.002)
    assert need.batch_core_hours == pytest.approx(1)
    assert need.batch_workers == 2
    assert need.embed_core_hours == pytest.approx(10)
    assert need.mail_hours == pytest.approx(1e4 / 3_600)


def test_a_missing_figure_is_named(tmp_path: Path) -> None:
    """If a figure is missing in the results, the error names it."""
    for file in {file for file, _, _ in SOURCES.values()}:
        (tmp_path / f"{file}.json").write_text('{"benchmarks": []}', encoding="utf-8")

    with pytest.raises(KeyError, match="core ms of a warm feed"):
        read_costs(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0123, "0.012"), (1.26, "1.3"), (9.96, "10"), (34.6, "35"), (12_345, "12,000")]
)
def test_two_digits(value: float, text: str) -> None:
    """Values are shown with two significant digits."""
    assert number(value) == text


def test_retention_is_that_of_the_manifests() -> None:
    """The assumed days of retention are those that deploy/ sets."""
    given = named("ConfigMap/paperfeed")["data"]
    assumptions = Assumptions()

    assert int(given["PAPERFEED_KEEP_FEATURES_DAYS"]) == assumptions.features_days
    assert int(given["PAPERFEED_KEEP_SLATES_DAYS"]) == assumptions.slates_days
    assert int(given["PAPERFEED_KEEP_EVENTS_DAYS"]) == assumptions.events_days
