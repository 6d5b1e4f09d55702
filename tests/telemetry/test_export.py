"""Export over OTLP, as the standard variables ask."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cli.observed import job
from telemetry import setup
from telemetry.record import Measure, recorder
from telemetry.setup import Wanted
from telemetry.setup import start as start_telemetry


class Receiver(HTTPServer):
    """Keeps what is exported to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: dict[str, list[bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        requests = map(ExportTraceServiceRequest.FromString, self.bodies.get("/v1/traces", []))
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> list[Any]:
        requests = map(ExportMetricsServiceRequest.FromString, self.bodies.get("/v1/metrics", []))
        return [
            metric
            for request in requests
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def resource(self) -> dict[str, str]:
        (body, *_) = self.bodies["/v1/traces"]
        (found,) = ExportTraceServiceRequest.FromString(body).resource_spans
        return {each.key: each.value.string_value for each in found.resource.attributes}


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.setdefault(self.path, []).append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A collector on this machine, named by the standard variables."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    yield receiver
    receiver.shutdown()
    thread.join()
    receiver.server_close()


def test_a_job_exports_when_it_ends(receiver: Receiver) -> None:
    """A command sends its span and its metrics to the collector before it ends, also if it fails."""

    @job("mail send")
    def command(fails: bool) -> None:
        with recorder().stage("deliver"):
            if fails:
                raise ValueError("secret text")

    command(fails=False)
    with pytest.raises(ValueError, match="secret text"):
        command(fails=True)

    spans, metrics = receiver.spans(), receiver.metrics()

    assert [span.name for span in spans] == ["deliver", "mail send"] * 2
    assert [span.status.code for span in spans] == [0, 0, 0, 2]
    assert spans[0].parent_span_id == spans[1].span_id
    outcomes = [
        each.value.string_value
        for metric in metrics
        if metric.name == "paperfeed.job.duration"
        for point in metric.histogram.data_points
        for each in point.attributes
        if each.key == "outcome"
    ]
    assert outcomes == ["ok", "failed"]
    assert b"secret text" not in b"".join(body for bodies in receiver.bodies.values() for body in bodies)
    assert receiver.resource()["service.name"] == "paperfeed-job"


def test_measures_and_names_of_the_environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures are exported, and the standard variables name the service and the sampler."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_SERVICE_NAME": "feeds"}
    monkeypatch.setenv("OTEL_SERVICE_NAME", "feeds")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    telemetry = start_telemetry("paperfeed-server", Wanted.read(variables, is_scraped=False), variables, attributes={})
    measure = Measure("paperfeed.papers", "gauge", "{paper}", "", lambda: [(3, {})])
    telemetry.serve("127.0.0.1", -1, measures=[measure], is_live=lambda: True, is_ready=lambda: True)
    with recorder().stage("rank"):
        pass

    telemetry.close()

    assert receiver.spans() == []
    (found,) = [metric for metric in receiver.metrics() if metric.name == "paperfeed.papers"]
    assert found.gauge.data_points[0].as_int == 3
    assert telemetry.port is None


def test_a_collector_that_is_gone_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a collector, a job does its work, and gives up its last export after the time limit."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(setup, "LAST_EXPORT_SECONDS", 0.1)

    assert job("train")(lambda: 7)() == 7
