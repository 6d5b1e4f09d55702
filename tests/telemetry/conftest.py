"""A server with metrics, and a recorder that keeps spans in memory."""

import contextlib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client.parser import text_string_to_metric_families

from telemetry.otel import OpenTelemetryRecorder
from telemetry.record import install, uninstall
from testing.calls import make_digest, make_papers, record, upsert_ready
from testing.servers import Service, copied, serving
from tests.rpc.conftest import empty_database, tiny_bundle

__all__ = ["empty_database", "tiny_bundle"]

USER = "ada"


@dataclass(frozen=True)
class Page:
    """An answer of the port for metrics and probes."""

    status: int
    text: str

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return the values of all metrics by (name, labels), read by Prometheus' own parser."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the values of a metric with at least these labels."""
        return sum(
            value for (found, having), value in self.samples().items() if found == name and labels.items() <= having
        )

    def labels(self) -> dict[str, set[str]]:
        """Return the names of the labels of each metric."""
        found: dict[str, set[str]] = {}
        for name, labels in self.samples():
            found.setdefault(name, set()).update(label for label, _ in labels)
        return found


def fetch(port: int | None, path: str = "/metrics") -> Page:
    """Ask the port for a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return Page(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, error.read().decode())


def fill(service: Service) -> str:
    """Store a digest of ten papers and a user with two likes; return the digest's id."""
    paper_ids = upsert_ready(service.client, make_papers(10))
    record(service.client, USER, "like", *paper_ids[:2])
    return make_digest(service.client, paper_ids)


@pytest.fixture(scope="session")
def observed(empty_database: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A shared server with a port for metrics, a digest and a user."""
    url = copied(empty_database, tmp_path_factory.mktemp("observed"))
    with serving(url, bundle=str(tiny_bundle), metrics_port=0) as service:
        fill(service)
        yield service


@pytest.fixture
def start(empty_database: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts servers of the test's own on one empty SQLite database; settings are keyword arguments."""
    url = copied(empty_database, tmp_path)
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serving(url, **settings))


class Kept(SpanExporter):
    """Keeps the spans that end during a test which wants them."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.spans is not None:
            self.spans += spans
        return SpanExportResult.SUCCESS


@pytest.fixture(scope="session", autouse=True)
def kept() -> Kept:
    """The exporter of this process, which has only one tracer: the client distribution uses it too."""
    exporter, tracers = Kept(), TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracers)
    return exporter


@pytest.fixture
def spans(kept: Kept) -> Iterator[Callable[[], tuple[ReadableSpan, ...]]]:
    """Record spans and metrics in memory during the test; the function returns the spans of the test so far."""
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    meters = MeterProvider(shutdown_on_exit=False)
    recorder = OpenTelemetryRecorder(provider, meters)
    ended = kept.spans = []
    install(recorder)
    try:
        yield lambda: tuple(ended)
    finally:
        uninstall(recorder)
        meters.shutdown()
        kept.spans = None
