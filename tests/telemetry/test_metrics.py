"""The port for metrics and probes."""

import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from google.rpc.code_pb2 import Code

from paperfeed.client import Client
from paperfeed.v1.catalog_pb2 import GetPaperRequest, UpsertPapersRequest
from paperfeed.v1.feed_pb2 import FallbackReason, GetFeedRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.bootstrap import Application
from service.config import Settings
from service.domain.errors import InvalidField
from service.process.failures import outcome_of
from telemetry.http import CLIENTS, HttpPort
from telemetry.record import Measure, recorder
from telemetry.setup import TelemetryProblem, Wanted
from telemetry.setup import start as start_telemetry
from testing.calls import calls_at_work, failing, make_papers, wait_until
from testing.servers import Service, copied
from tests.process.running import ROOT
from tests.telemetry.conftest import USER, Page, fetch

GET_FEED = "paperfeed.v1.FeedService/GetFeed"


def test_a_feed_shows_up(observed: Service) -> None:
    """A call of GetFeed adds one to the calls and feeds, and to the times of its stages; the page parses."""
    before = fetch(observed.application.telemetry.port)
    slate = observed.client.feeds.GetFeed(GetFeedRequest(user_id=USER)).slate
    after = fetch(observed.application.telemetry.port)

    def added(name: str, **labels: str) -> float:
        return after.total(name, **labels) - before.total(name, **labels)

    call = {"rpc_method": GET_FEED, "rpc_response_status_code": "OK"}
    assert added("rpc_server_call_duration_seconds_count", **call) == 1
    assert added("rpc_server_call_duration_seconds_sum", **call) > 0
    assert added("paperfeed_feeds_total", fallback_reason="none", model_version=slate.model_version) == 1
    assert {stage: added("paperfeed_stage_duration_seconds_count", stage=stage) for stage in ("rank", "write")} == {
        "rank": 1,
        "write": 1,
    }


def test_the_state_of_the_server_shows_up(observed: Service) -> None:
    """The page has queues, caches, connections, papers, events and readiness."""
    observed.client.feeds.GetFeed(GetFeedRequest(user_id=USER))

    page = fetch(observed.application.telemetry.port)

    names = {name for name, _ in page.samples()}
    assert page.total("paperfeed_papers") == 10
    assert page.total("paperfeed_events_total", event_type="like") == 2
    assert page.total("paperfeed_cache_size_bytes", cache="digests") > 0
    assert page.total("paperfeed_cache_size_bytes", cache="users") > 0
    assert page.total("db_client_connection_count", db_client_connection_pool_name="reader") > 0
    assert page.total("paperfeed_ready") == page.total("paperfeed_database_available") == 1
    assert {"paperfeed_papers_pending", "paperfeed_encoder_backlog", "paperfeed_queue_length"} <= names


def test_status_and_metrics_agree(observed: Service) -> None:
    """GetStatus and the page show the same numbers of calls and of feeds by fallback reason."""
    with failing(grpc.StatusCode.NOT_FOUND):
        observed.client.catalog.GetPaper(GetPaperRequest(paper_id="no such paper"))
    observed.client.feeds.GetFeed(GetFeedRequest(user_id="nobody"))

    status = observed.client.status.GetStatus(GetStatusRequest())
    page = fetch(observed.application.telemetry.port)

    name = "rpc_server_call_duration_seconds_count"
    # GetStatus itself was counted in between.
    said = {(call.method, Code.Name(call.code)): call.count for call in status.calls if "Status" not in call.method}
    assert said == {
        (method, code): page.total(name, rpc_method=f"paperfeed.v1.{method}", rpc_response_status_code=code)
        for method, code in said
    }
    assert ("CatalogService/GetPaper", "NOT_FOUND") in said
    for each in status.fallbacks:
        reason = FallbackReason.Name(each.reason).removeprefix("FALLBACK_REASON_").lower()
        assert page.total("paperfeed_feeds_total", fallback_reason=reason) == each.count


def test_refusals_are_counted(start: Callable[..., Service]) -> None:
    """Refused calls are counted by queue, and as calls with their status."""
    service = start(threads=1, max_waiting_calls=0, metrics_port=0)
    with service.application.store.write():  # blocks all writes
        calls = [
            service.client.catalog.UpsertPapers.future(UpsertPapersRequest(papers=make_papers(1)), timeout=30)
            for _ in range(5)
        ]
        wait_until(lambda: sum(call.done() for call in calls) == 4)
        page = fetch(service.application.telemetry.port)

    codes = Counter(call.code().name for call in calls)

    assert codes == {"RESOURCE_EXHAUSTED": 4, "OK": 1}
    assert page.total("paperfeed_queue_refusals_total", queue="bulk") == 4
    assert page.total("paperfeed_queue_refusals_total", queue="quick") == 0
    refused = {
        "rpc_method": "paperfeed.v1.CatalogService/UpsertPapers",
        "rpc_response_status_code": "RESOURCE_EXHAUSTED",
    }
    assert page.total("rpc_server_call_duration_seconds_count", **refused) == 4


def test_probes(observed: Service, start: Callable[..., Service]) -> None:
    """A server with a model is alive and ready; one without is alive only; other paths are not found."""
    without_model = start(allow_cosine=False, metrics_port=0)
    port, other = observed.application.telemetry.port, without_model.application.telemetry.port

    assert [fetch(port, path).status for path in ("/livez", "/readyz", "/nothing")] == [200, 200, 404]
    assert [fetch(other, path) for path in ("/livez", "/readyz")] == [Page(200, "ok\n"), Page(503, "not ok\n")]


def test_the_port_listens_on_loopback_and_is_closed_at_the_end(start: Callable[..., Service]) -> None:
    """By default only this machine reaches the port. A stopped server has none, and records nothing."""
    service = start(metrics_port=0)
    telemetry = service.application.telemetry
    is_recording = recorder() is telemetry.recorder

    telemetry.close()

    assert is_recording
    assert recorder() is not telemetry.recorder
    assert service.application._settings.metrics_host == "127.0.0.1"
    with pytest.raises(OSError, match="refused"):
        fetch(telemetry.port)


def test_a_port_in_use_is_an_error(start: Callable[..., Service]) -> None:
    """The server does not start without its metrics; the error names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InvalidField, match="metrics_port"):
        start(metrics_port=taken.getsockname()[1])


def test_a_measure_that_fails_does_not_hide_the_others() -> None:
    """The page has all measures but the one that cannot be read."""
    telemetry = start_telemetry("test", Wanted.read({}, is_scraped=True), {}, attributes={})
    try:
        telemetry.serve(
            "127.0.0.1",
            0,
            measures=[
                Measure("paperfeed.broken", "gauge", "s", "", lambda: [(1 // 0, {})]),
                Measure("paperfeed.whole", "gauge", "s", "", lambda: [(7, {})]),
            ],
            is_live=lambda: True,
            is_ready=lambda: True,
        )
        page = fetch(telemetry.port)
    finally:
        telemetry.close()

    assert page.total("paperfeed_whole_seconds") == 7
    assert "paperfeed_broken" not in page.text


def test_idle_clients_cannot_keep_probes_out() -> None:
    """Clients that send nothing hold a few threads. One client more is answered, and the oldest is closed for it."""
    port = HttpPort("127.0.0.1", 0, {"/": lambda _accept: (200, "text/plain", b"here\n")})
    try:
        with ExitStack() as stack:
            idle = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port.port), timeout=20))
                for _ in range(CLIENTS)
            ]
            assert fetch(port.port, "/").text == "here\n"
            assert idle[0].recv(1) == b""
            # The others are still open.
            idle[-1].sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert idle[-1].recv(8) == b"HTTP/1.0"

        wait_until(lambda: answers(port.port))
    finally:
        port.close()


def answers(port: int) -> bool:
    try:
        return fetch(port, "/").text == "here\n"
    except OSError:
        return False


def test_nothing_is_imported_while_all_is_off() -> None:
    """A program that turns nothing on does not import OpenTelemetry."""
    program = (
        "import sys, paperfeed.client\n"
        "from service.domain.errors import InvalidField\n"
        "from telemetry import NO_PORT\n"
        "from telemetry.setup import start_as\n"
        "start_as('test', NO_PORT, InvalidField).close()\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus', 'http.server'))])"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages, a server that should have metrics ends with exit code 2 and names the extra."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics", None)

    with pytest.raises(ModuleNotFoundError) as raised:
        start_telemetry("test", Wanted.read({}, is_scraped=True), {}, attributes={})

    outcome = outcome_of(raised.value)
    assert outcome is not None
    assert outcome[0] == 2
    assert "paperfeed[observability]" in outcome[1]


@pytest.mark.parametrize(
    ("variables", "exporters"),
    [
        ({}, {"traces": (), "metrics": ()}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, {"traces": ("otlp",), "metrics": ("otlp",)}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, {"traces": ("otlp",), "metrics": ()}),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, {"traces": ("console", "otlp"), "metrics": ()}),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_METRICS_EXPORTER": "none"},
            {"traces": ("otlp",), "metrics": ()},
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, {}),
    ],
)
def test_standard_variables(variables: dict[str, str], exporters: dict[str, tuple[str, ...]]) -> None:
    """Exporters are named, or follow from an endpoint; without a variable nothing leaves the process."""
    assert Wanted.read(variables, is_scraped=False).exporters == exporters


@pytest.mark.parametrize(
    ("variable", "name", "problem"),
    [("OTEL_TRACES_EXPORTER", "pigeon", "pigeon"), ("OTEL_METRICS_EXPORTER", "prometheus", "metrics port")],
)
def test_an_unknown_exporter_is_an_error(variable: str, name: str, problem: str) -> None:
    """An exporter that no package has is named; Prometheus has a setting of its own."""
    variables = {variable: name}

    with pytest.raises(TelemetryProblem, match=problem):
        start_telemetry("test", Wanted.read(variables, is_scraped=False), variables, attributes={})


def test_probes_during_a_drain(empty_database: Path, tmp_path: Path) -> None:
    """A server that drains is alive but not ready, until its last call has ended."""
    url = copied(empty_database, tmp_path)
    settings = Settings(db=url, port=0, encoder="hashing", allow_cosine=True, metrics_port=0, drain_seconds=20.0)
    application = Application(settings)
    with Client(f"127.0.0.1:{application.start()}", retries=False) as client:
        port = application.telemetry.port
        stopping = threading.Thread(target=application.stop)
        with application.store.write():  # blocks all writes
            call = client.catalog.UpsertPapers.future(UpsertPapersRequest(papers=make_papers(1)), timeout=30)
            wait_until(lambda: calls_at_work(client) == 1)
            before = fetch(port, "/readyz").status
            stopping.start()
            wait_until(lambda: fetch(port, "/readyz").status == 503)
            alive = fetch(port, "/livez").status
        stopping.join(30)

        assert (before, alive) == (200, 200)
        assert call.code() is grpc.StatusCode.OK
        with pytest.raises(OSError, match="refused"):
            fetch(port)
