"""The recorder that uses OpenTelemetry. Only this folder and the client distribution import it.

Spans hold no personal text: no exception messages, no values of statements, no paths of web pages.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry import context, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from telemetry.record import End, Measure, Recorder

NAME = "paperfeed"
"""Name of the instrumentation scope."""
CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
JOB_BUCKETS = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0)
# The codes that OpenTelemetry's conventions count as errors of a server. Others are the client's.
SERVER_ERRORS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
_log = logging.getLogger("paperfeed.telemetry")


class OpenTelemetryRecorder(Recorder):
    """Records spans and metrics.

    Args:
        tracers: None records no spans.
    """

    def __init__(self, tracers: TracerProvider | None, meters: MeterProvider) -> None:
        self._tracer = (tracers or trace.NoOpTracerProvider()).get_tracer(NAME)
        self.is_tracing = tracers is not None
        self._meter = meter = meters.get_meter(NAME)
        self._stages = meter.create_histogram(
            "paperfeed.stage.duration",
            "s",
            "Time of a stage of work.",
            explicit_bucket_boundaries_advisory=STAGE_BUCKETS,
        )
        self._calls = meter.create_histogram(
            "rpc.server.call.duration",
            "s",
            "Time of a served call, from its headers to its status.",
            explicit_bucket_boundaries_advisory=CALL_BUCKETS,
        )
        self._requests = meter.create_histogram(
            "http.server.request.duration",
            "s",
            "Time of a served HTTP request.",
            explicit_bucket_boundaries_advisory=CALL_BUCKETS,
        )
        self._jobs = meter.create_histogram(
            "paperfeed.job.duration", "s", "Time of a job.", explicit_bucket_boundaries_advisory=JOB_BUCKETS
        )

    @contextlib.contextmanager
    def stage(self, name: str, **counts: int) -> Iterator[None]:
        """See ``Recorder``."""
        start = time.perf_counter()
        try:
            if self.is_sampled():
                with self._span(name, {f"paperfeed.{key}": value for key, value in counts.items()}):
                    yield
            else:
                yield
        finally:
            self._stages.record(time.perf_counter() - start, {"stage": name})

    def waited(self, name: str, seconds: float) -> None:
        """See ``Recorder``."""
        self._stages.record(seconds, {"stage": name})
        if self.is_sampled():
            end = time.time_ns()
            self._tracer.start_span(name, start_time=end - int(seconds * 1e9)).end(end)

    @contextlib.contextmanager
    def job(self, name: str) -> Iterator[None]:
        """See ``Recorder``."""
        start, outcome = time.perf_counter(), "failed"
        with self._span(name, {}) as span:
            try:
                yield
                outcome = "ok"
            except BaseException as error:
                # The way in which commands end early.
                if getattr(error, "exit_code", 1) == 0:
                    outcome = "ok"
                raise
            finally:
                if outcome == "failed":
                    span.set_status(Status(StatusCode.ERROR))
                self._jobs.record(time.perf_counter() - start, {"job": name, "outcome": outcome})

    def call(self, method: str, metadata: Iterable[tuple[str, str | bytes]], request_id: str) -> End:
        """See ``Recorder``."""
        start = time.perf_counter()
        labels = {"rpc.system.name": "grpc", "rpc.method": method}
        headers = {key: value for key, value in metadata if isinstance(value, str)} if self.is_tracing else {}
        span = self._served(method, headers, labels | {"paperfeed.request_id": request_id})

        def end(code: str) -> None:
            self._calls.record(time.perf_counter() - start, labels | {"rpc.response.status_code": code})
            span.set_attribute("rpc.response.status_code", code)
            _end(span, code if code in SERVER_ERRORS else "")

        return end

    def request(self, method: str) -> Callable[[str, int], None]:
        """See ``Recorder``."""
        start = time.perf_counter()
        span = self._served(method, {}, {"http.request.method": method})

        def end(route: str, status: int) -> None:
            labels: dict[str, str | int] = {"http.request.method": method, "http.route": route}
            labels["http.response.status_code"] = status
            self._requests.record(time.perf_counter() - start, labels)
            span.update_name(f"{method} {route}")
            span.set_attributes(labels)
            _end(span, str(status) if status >= 500 else "")

        return end

    def statement(self, operation: str, text: str, system: str) -> End:
        """See ``Recorder``."""
        if not self.is_sampled():
            return super().statement(operation, text, system)
        names = {"db.system.name": system, "db.operation.name": operation, "db.query.text": text}
        span = self._tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=names)
        return lambda error: _end(span, error)

    def is_sampled(self) -> bool:
        """See ``Recorder``."""
        return self.is_tracing and trace.get_current_span().is_recording()

    def span(self) -> Span:
        """See ``Recorder``."""
        return trace.get_current_span()

    def link(self, spans: Sequence[object]) -> None:
        """See ``Recorder``."""
        current = trace.get_current_span()
        for other in spans:
            if isinstance(other, Span) and other.is_recording() and other is not current:
                current.add_link(other.get_span_context())
                other.add_link(current.get_span_context())

    def ids(self) -> dict[str, str]:
        """See ``Recorder``."""
        found = trace.get_current_span().get_span_context()
        if not found.is_valid:
            return {}
        return {"trace_id": trace.format_trace_id(found.trace_id), "span_id": trace.format_span_id(found.span_id)}

    def observe(self, measures: Iterable[Measure]) -> None:
        """See ``Recorder``."""
        kinds = {"counter": self._meter.create_observable_counter, "gauge": self._meter.create_observable_gauge}
        for each in measures:
            kinds[each.kind](each.name, [_callback(each)], each.unit, each.description)

    def _span(self, name: str, attributes: Mapping[str, int]) -> contextlib.AbstractContextManager[Span]:
        # Messages of exceptions may hold titles and names of users.
        return self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        )

    def _served(self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]) -> Span:
        """Start the span of a call or request, and make it the current span of this asyncio task."""
        if not self.is_tracing:
            return trace.INVALID_SPAN
        span = self._tracer.start_span(name, extract(headers), SpanKind.SERVER, attributes)
        # Nothing detaches it: it ends with the task.
        context.attach(trace.set_span_in_context(span))
        return span


def _end(span: Span, error: str) -> None:
    if error:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def _callback(measure: Measure) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        try:
            return [Observation(value, dict[str, Any](labels)) for value, labels in measure.read()]
        except Exception as error:  # noqa: BLE001 -- one measure must not prevent the others
            facts = {"measure": measure.name, "problem": type(error).__name__}
            _log.warning("a measure cannot be read", extra={"facts": facts})
            return []

    return read
