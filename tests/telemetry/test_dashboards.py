"""The dashboard and the alert rules name metrics and labels that servers and mailers really export."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mailer.measures import mail_measures
from mailer.service import FeedService
from mailer.storage import open_store, runs, schema
from paperfeed.v1.feed_pb2 import GetFeedRequest
from telemetry.setup import Wanted
from telemetry.setup import start as start_telemetry
from testing.mailer.builders import FixedClock, settings_for
from testing.servers import Service
from tests.mailer.site import running_site
from tests.process.running import ROOT
from tests.telemetry.conftest import USER, Page, fetch

OURS = re.compile(r"\b((?:paperfeed|rpc|http|db|process|target|python)_[a-z_]+)\b(?:\{([^}]*)\})?")
GROUPING = re.compile(r"by \(([^)]*)\)")
OF_PROMETHEUS = {"instance", "job", "le"}


@pytest.fixture(scope="module")
def mail_page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The metrics of a mailer that has run once and has served a page."""
    url = f"sqlite:///{tmp_path_factory.mktemp('mail') / 'mail.db'}"
    schema.upgrade(url)
    clock = FixedClock()
    telemetry = start_telemetry("paperfeed-mailer", Wanted.read({}, is_scraped=True), {}, attributes={})
    store = open_store(url)
    try:
        with store.write() as connection:
            runs.add(connection, runs.Run(runs.SEND, clock.now(), clock.now(), {"sent": 2, "refused": 1}, ""))
        telemetry.serve(
            "127.0.0.1", 0, measures=mail_measures(store, clock), is_live=lambda: True, is_ready=lambda: True
        )
        fetch(telemetry.port)
        with store.write() as connection:
            runs.add(connection, runs.Run(runs.SEND, clock.now(), clock.now(), {"sent": 3}, "no SMTP server"))
        with FeedService("127.0.0.1:1") as service, running_site(store, service, settings_for(1), clock) as site:
            site.ask("/archive/some-secret-token")
            site.ask("/made-up")
            site.ask("/static/style.css")
        return fetch(telemetry.port)
    finally:
        telemetry.close()
        store.dispose()


def test_mail_metrics(mail_page: Page) -> None:
    """Outcomes are the sums of all runs, each counted once; the last run and its trouble show up."""
    assert mail_page.total("paperfeed_mail_outcomes_total", outcome="sent") == 5
    assert mail_page.total("paperfeed_mail_outcomes_total", outcome="refused") == 1
    assert mail_page.total("paperfeed_mail_outbox", state="due") == 0
    ended_at = FixedClock().now().timestamp()
    assert mail_page.total("paperfeed_mail_last_run_end_time_seconds") == ended_at
    assert mail_page.total("paperfeed_mail_last_run_end_time_seconds", is_ok="false") == ended_at


def test_web_pages_are_counted_by_route(mail_page: Page) -> None:
    """Requests are counted by the template of their route, never by a path, which holds a token."""
    name = "http_server_request_duration_seconds_count"
    assert mail_page.total(name, http_route="/archive/{token}", http_request_method="GET") == 1
    assert mail_page.total(name, http_route="_OTHER", http_response_status_code="404") == 1
    assert mail_page.total(name, http_route="/static", http_response_status_code="200") == 1
    assert "some-secret-token" not in mail_page.text
    assert "made-up" not in mail_page.text


@pytest.fixture(scope="module")
def exported(observed: Service, mail_page: Page) -> dict[str, set[str]]:
    """The labels of all metrics by name."""
    observed.client.feeds.GetFeed(GetFeedRequest(user_id=USER))
    return {**mail_page.labels(), **fetch(observed.application.telemetry.port).labels()}


def expressions() -> Iterator[str]:
    """Yield all expressions of the dashboard and of the alert rules."""
    board = json.loads((ROOT / "deploy" / "grafana" / "paperfeed.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_names_exist(expression: str, exported: dict[str, set[str]]) -> None:
    """Every metric of an expression is exported, with the labels that it selects and groups by."""
    used = [match for match in OURS.finditer(without_groups(expression)) if match[1] not in labels_of(exported)]
    names = {match[1] for match in used}
    selected = {label for match in used for label in re.findall(r"(\w+)\s*[=!]~?", match[2] or "")}
    grouped = {label.strip() for labels in GROUPING.findall(expression) for label in labels.split(",")}

    assert names <= exported.keys()
    assert names or "up{" in expression
    known = OF_PROMETHEUS.union(*(exported[name] for name in names))
    assert selected | grouped <= known


def without_groups(expression: str) -> str:
    return GROUPING.sub("", expression)


def labels_of(exported: dict[str, set[str]]) -> set[str]:
    return set().union(*exported.values())


def test_alerts_explain_themselves() -> None:
    """Every alert has a severity and a summary, and docs/observability.md says what to do."""
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    rules = yaml.safe_load((Path(ROOT) / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))

    for rule in (each for group in rules["groups"] for each in group["rules"]):
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in page


def test_metrics_are_documented(exported: dict[str, set[str]]) -> None:
    """The page has every metric of ours, and none that does not exist."""
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) if "duration" in name else name for name in exported}
    ours = {name for name in ours if name.startswith(("paperfeed_", "rpc_", "http_", "db_"))}
    documented = set(re.findall(r"^\| `((?:paperfeed|rpc|http|db)_\w+)` \|", page, re.MULTILINE))

    # Jobs end before anybody can read their metrics; they are exported over OTLP only.
    assert documented - {"paperfeed_job_duration_seconds"} == ours
