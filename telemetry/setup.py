"""Turns telemetry on as the settings and the standard variables of OpenTelemetry ask; opens and closes what it needs.

OpenTelemetry is imported only if something is turned on.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Any

from settings.reader import variables
from telemetry import NO_PORT
from telemetry.record import Measure, Recorder, install, uninstall

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from telemetry.http import HttpPort, Page

LAST_EXPORT_SECONDS = 5.0
"""Limit for the last exports of a process that ends. OpenTelemetry itself tries for up to a minute."""


class TelemetryProblem(Exception):
    """Telemetry cannot be turned on as asked. The text names the variable or setting."""


@dataclass(frozen=True)
class Wanted:
    """What is turned on.

    Attributes:
        exporters: By signal (``traces``, ``metrics``), the names of the exporters, such as ``otlp``.
        is_scraped: Whether a Prometheus server reads the metrics from a port of this process.
    """

    exporters: Mapping[str, tuple[str, ...]]
    is_scraped: bool

    @classmethod
    def read(cls, variables: Mapping[str, str], *, is_scraped: bool) -> "Wanted":
        """Return what the standard variables ask for.

        A signal is exported if a variable names its exporter, or an endpoint of OTLP for it. Unlike the standard,
        nothing is exported if no variable is set.

        Args:
            variables: Environment variables that start with ``OTEL_``.
        """
        if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return cls({}, is_scraped)
        exporters = {}
        for signal in ("traces", "metrics"):
            endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
            default = "otlp" if any(variables.get(name) for name in endpoints) else "none"
            named = (variables.get(f"OTEL_{signal.upper()}_EXPORTER") or default).split(",")
            exporters[signal] = tuple(name.strip() for name in named if name.strip() != "none")
        return cls(exporters, is_scraped)

    @property
    def is_anything(self) -> bool:
        """Whether anything is turned on."""
        return self.is_scraped or any(self.exporters.values())


@dataclass
class Telemetry:
    """The telemetry of a process. Call ``serve`` when the process can answer, and ``close`` at its end.

    Attributes:
        registry: Registry that the port shows; None without one.
        port: Port that was opened; None without one.
    """

    recorder: Recorder | None = None
    registry: "CollectorRegistry | None" = None
    port: int | None = None
    _http: "HttpPort | None" = None
    _last_exports: list[Callable[[], object]] = field(default_factory=list)

    def serve(
        self,
        host: str,
        port: int,
        *,
        measures: Iterable[Measure],
        is_live: Callable[[], bool],
        is_ready: Callable[[], bool],
    ) -> None:
        """Export the measures. Unless ``port`` is ``NO_PORT``, serve /metrics, /livez and /readyz on it.

        Args:
            port: 0 takes a free port.

        Raises:
            TelemetryProblem: The port cannot be used.
        """
        if self.recorder is not None:
            self.recorder.observe(measures)
        if port == NO_PORT:
            return
        from telemetry.http import HttpPort  # noqa: PLC0415 -- http.server takes long to import

        pages = {"/livez": _probe(is_live), "/readyz": _probe(is_ready)}
        if self.registry is not None:
            pages["/metrics"] = _metrics_page(self.registry)
        try:
            self._http = HttpPort(host, port, pages)
        except OSError as error:
            raise TelemetryProblem(f"cannot listen on {host}:{port} for metrics: {error.strerror}") from error
        self.port = self._http.port

    def close(self) -> None:
        """Export what is left, for at most ``LAST_EXPORT_SECONDS``, and close the port. May be repeated."""
        if self.recorder is not None:
            uninstall(self.recorder)
        if self._http is not None:
            self._http.close()
        ends = [threading.Thread(target=export, daemon=True) for export in self._last_exports]
        self._http, self._last_exports = None, []
        for each in ends:
            each.start()
        until = time.monotonic() + LAST_EXPORT_SECONDS
        for each in ends:
            each.join(max(until - time.monotonic(), 0.0))


def start_as(
    service: str,
    metrics_port: int,
    invalid: Callable[[str, str], Exception],
    *,
    attributes: Mapping[str, str | int] | None = None,
) -> Telemetry:
    """Turn on what this process's variables and its metrics port ask for; see ``start``.

    Call it before the database is opened, so that statements are recorded.

    Args:
        metrics_port: Port on which the process will serve its metrics; ``NO_PORT`` if on none.
        invalid: Makes the exception to raise from the name of the variables, and the problem.

    Raises:
        invalid: An exporter is not installed.
    """
    found = variables("OTEL_")
    wanted = Wanted.read(found, is_scraped=metrics_port != NO_PORT)
    try:
        return start(service, wanted, found, attributes=attributes or {})
    except TelemetryProblem as problem:
        raise invalid("OTEL_", str(problem)) from problem


def start(
    service: str, wanted: Wanted, variables: Mapping[str, str], *, attributes: Mapping[str, str | int]
) -> Telemetry:
    """Install a recorder for what is wanted; without anything, nothing is imported and nothing changes.

    Args:
        service: Value of ``service.name``, unless a standard variable gives another.
        variables: Environment variables that start with ``OTEL_``. OpenTelemetry itself reads those of the process.
        attributes: Further attributes of the resource, such as the number of the worker process.

    Raises:
        ModuleNotFoundError: The extra ``observability`` is not installed.
        TelemetryProblem: An exporter is not installed.
    """
    found = Telemetry()
    if not wanted.is_anything:
        return found
    from opentelemetry import trace  # noqa: PLC0415 -- takes a tenth of a second
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from telemetry.otel import OpenTelemetryRecorder  # noqa: PLC0415

    is_named = variables.get("OTEL_SERVICE_NAME") or "service.name=" in variables.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {} if is_named else {"service.name": service}
    ours = {"service.version": version("paperfeed"), "service.instance.id": _instance(attributes)}
    resource = Resource.create({**ours, **named, **attributes})
    readers: list[MetricReader] = [
        PeriodicExportingMetricReader(_exporter("metrics", name, variables))
        for name in wanted.exporters.get("metrics", ())
    ]
    if wanted.is_scraped:
        found.registry, reader = _prometheus()
        readers.append(reader)
    meters = MeterProvider(metric_readers=readers, resource=resource, shutdown_on_exit=False)
    found._last_exports.append(meters.shutdown)  # noqa: SLF001 -- this module's own class
    tracers = None
    if wanted.exporters.get("traces"):
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        for name in wanted.exporters["traces"]:
            tracers.add_span_processor(BatchSpanProcessor(_exporter("traces", name, variables)))
        found._last_exports.append(tracers.shutdown)  # noqa: SLF001
        # The client distribution uses the tracer of the program that it runs in.
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(tracers)
    found.recorder = OpenTelemetryRecorder(tracers, meters)
    install(found.recorder)
    return found


def _instance(attributes: Mapping[str, str | int]) -> str:
    """Return a name for this process that differs from those of other processes and machines."""
    return f"{socket.gethostname()}:{os.getpid()}" + "".join(f":{value}" for value in attributes.values())


def _exporter(signal: str, name: str, variables: Mapping[str, str]) -> Any:
    """Return a new exporter, which reads its own standard variables.

    Args:
        name: ``otlp``, ``console``, or another name under which an installed package registers its exporter.
    """
    if name == "console":
        from opentelemetry.sdk.metrics.export import ConsoleMetricExporter  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

        return ConsoleSpanExporter() if signal == "traces" else ConsoleMetricExporter()
    if name == "prometheus":
        raise TelemetryProblem("metrics for Prometheus need the setting of the metrics port, not an exporter")
    if name == "otlp":
        of_signal = variables.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
        protocol = of_signal or variables.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
        name = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}.get(protocol, protocol)
    registered = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
    if not registered:
        raise TelemetryProblem(f"no installed package has the exporter '{name}' for {signal}")
    return next(iter(registered)).load()()


def _prometheus() -> "tuple[CollectorRegistry, Any]":
    from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415
    from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector  # noqa: PLC0415

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry, PrometheusMetricReader(scope_info_enabled=False, registry=registry)


def _metrics_page(registry: "CollectorRegistry") -> "Page":
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

    def page(accept: str) -> tuple[int, str, bytes]:
        encode, content_type = choose_encoder(accept)
        return 200, content_type, encode(registry)

    return page


def _probe(check: Callable[[], bool]) -> "Page":
    def page(_accept: str) -> tuple[int, str, bytes]:
        is_well = check()
        return (200 if is_well else 503), "text/plain; charset=utf-8", b"ok\n" if is_well else b"not ok\n"

    return page
