"""Traces across client, mailer, server and database."""

import asyncio
import contextlib
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from database.engine import open_engines
from mailer.run import MailRun
from mailer.service import FeedService
from mailer.storage import MailStore, open_store, schema, subscribers
from paperfeed.client import AsyncClient
from paperfeed.v1.catalog_pb2 import GetPaperRequest
from paperfeed.v1.feed_pb2 import GetFeedRequest, StreamFeedsRequest
from service.api.queues import CallQueue, Work
from service.logs import JsonFormatter
from service.storage.errors import ERRORS
from telemetry.record import recorder
from testing.calls import failing, wait_until
from testing.mailer.builders import FixedClock, settings_for, subscriber
from testing.mailer.smtp_server import smtp_server
from testing.servers import Service, copied, serving
from testing.traces import tree
from tests.databases import postgres_schema, require_postgres
from tests.process.running import ROOT
from tests.telemetry.conftest import USER, fill

PAGE = ROOT / "docs" / "observability.md"
STATEMENTS = {"SELECT", "INSERT", "UPDATE", "DELETE"}
Spans = Callable[[], tuple[ReadableSpan, ...]]


@pytest.fixture
def service(spans: Spans, empty_database: Path, tiny_bundle: Path, tmp_path: Path) -> Iterator[Service]:
    """A server of the test's own that traces, with a digest and a user."""
    with serving(copied(empty_database, tmp_path), bundle=str(tiny_bundle)) as running:
        fill(running)
        yield running


@contextlib.contextmanager
def opened(url: str) -> Iterator[MailStore]:
    """Open a database of the mailer."""
    store = open_store(url)
    yield store
    store.dispose()


def finished(spans: Spans, name: str, kind: SpanKind = SpanKind.SERVER, count: int = 1) -> list[ReadableSpan]:
    """Wait until so many spans of this name have ended, and return them: the server ends a span after it answers."""
    wait_until(lambda: len(found(spans, name, kind)) >= count)
    return found(spans, name, kind)


def found(spans: Spans, name: str, kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in spans() if span.name == name and span.kind is kind]


def of_trace(spans: Spans, one: ReadableSpan) -> list[ReadableSpan]:
    return [span for span in spans() if span.context.trace_id == one.context.trace_id]


def shown(title: str) -> str:
    """Return the trace that the page shows under a title, without the numbers of statements."""
    section = PAGE.read_text(encoding="utf-8").partition(f"{title}:\n")[2]
    return without_counts(section.partition("```\n")[2].partition("```")[0].rstrip())


def without_counts(text: str) -> str:
    return re.sub(r"  x \d+", "", text)


def test_the_trace_of_a_feed(service: Service, spans: Spans) -> None:
    """A call of GetFeed is one trace from the client to the statements of the database, as the page shows it."""
    service.client.feeds.GetFeed(GetFeedRequest(user_id=USER))
    (call,) = finished(spans, "paperfeed.v1.FeedService/GetFeed")

    mine = of_trace(spans, call)

    assert without_counts(tree(mine)) == shown("The trace of one GetFeed")
    assert call.attributes is not None
    assert call.attributes["rpc.response.status_code"] == "OK"
    for span in mine:
        parent = next((each for each in mine if span.parent and each.context.span_id == span.parent.span_id), None)
        assert parent is None or parent.start_time <= span.start_time, span.name  # type: ignore[operator]


def test_the_trace_of_a_mail(service: Service, spans: Spans, tmp_path: Path) -> None:
    """A run of the mailer is one trace: its database, the feed from the server, and the SMTP server."""
    url = f"sqlite:///{tmp_path / 'mail.db'}"
    schema.upgrade(url)
    with opened(url) as store, smtp_server() as inbox:
        with store.write() as connection:
            subscribers.add(connection, subscriber(1, user_id=USER))
        with FeedService(service.target) as feeds, recorder().job("mail send"):
            settings = settings_for(inbox.port, smtp_connections=1)
            summary = MailRun(store, feeds, settings, FixedClock()).run(everybody=True)
    (job,) = [span for span in spans() if span.name == "mail send"]
    finished(spans, "paperfeed.v1.ProfileService/RecordEvents")

    mine = of_trace(spans, job)

    assert summary.outcomes == {"made": 1, "sent": 1}
    assert any(span.attributes and span.attributes.get("db.system.name") == "sqlite" for span in mine)
    without_statements = [span for span in mine if span.name not in STATEMENTS]
    assert without_counts(tree(without_statements)) == shown("The trace of one mail")


def test_personal_text_stays_out(service: Service, spans: Spans) -> None:
    """No span holds a title, a user id or the value of a statement, not even after an error."""
    service.client.feeds.GetFeed(GetFeedRequest(user_id=USER))
    with failing(grpc.StatusCode.NOT_FOUND):
        service.client.catalog.GetPaper(GetPaperRequest(paper_id="secret-paper"))
    finished(spans, "paperfeed.v1.CatalogService/GetPaper")

    text = " ".join(span.to_json() for span in spans())

    assert "SELECT" in text
    assert not {word for word in ("secret-paper", f'"{USER}"', f"'{USER}'", "Vision") if word in text}


def test_the_status_of_a_failed_call(service: Service, spans: Spans) -> None:
    """An error of the client is an error of its span only; the span of the server has the code."""
    with failing(grpc.StatusCode.NOT_FOUND):
        service.client.catalog.GetPaper(GetPaperRequest(paper_id="unknown"))
    (served,) = finished(spans, "paperfeed.v1.CatalogService/GetPaper")
    (sent,) = finished(spans, "paperfeed.v1.CatalogService/GetPaper", SpanKind.CLIENT)

    for span in (served, sent):
        assert span.attributes is not None
        assert span.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert (sent.status.status_code, served.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)


def test_calls_are_traces_of_their_own(service: Service, spans: Spans) -> None:
    """Without a span of the program, each call begins a trace; a span of the program is the parent of its calls."""
    method = "paperfeed.v1.CatalogService/GetPaper"
    for _ in range(2):
        with failing(grpc.StatusCode.NOT_FOUND):
            service.client.catalog.GetPaper(GetPaperRequest(paper_id="unknown"))
    apart = {span.context.trace_id for span in finished(spans, method, count=2)}
    with trace.get_tracer("program").start_as_current_span("page") as page:
        for _ in range(2):
            with failing(grpc.StatusCode.NOT_FOUND):
                service.client.catalog.GetPaper(GetPaperRequest(paper_id="unknown"))
    last = finished(spans, method, count=4)[2:]

    assert len(apart) == 2
    assert {span.context.trace_id for span in last} == {page.get_span_context().trace_id}


def test_the_calls_of_an_asyncio_client(service: Service, spans: Spans) -> None:
    """Calls and streams of asyncio have a span that ends with the call."""

    async def calls() -> int:
        async with AsyncClient(service.target) as client:
            await client.feeds.GetFeed(GetFeedRequest(user_id=USER))
            return len([each async for each in client.feeds.StreamFeeds(StreamFeedsRequest(user_ids=[USER]))])

    assert asyncio.run(calls()) == 1

    for name in ("GetFeed", "StreamFeeds"):
        method = f"paperfeed.v1.FeedService/{name}"
        (served,), (sent,) = finished(spans, method), finished(spans, method, SpanKind.CLIENT)
        assert served.parent is not None
        assert served.parent.span_id == sent.context.span_id
        assert sent.attributes is not None
        assert sent.attributes["rpc.response.status_code"] == "OK"


def test_calls_made_together_are_linked(spans: Spans) -> None:
    """The work of several calls is shown in the trace of one of them; the others have a link to it."""
    queue = CallQueue("test", threads=1, max_waiting=10)
    go, has_begun = threading.Event(), threading.Event()

    def block(_: None) -> bool:
        has_begun.set()
        return go.wait(20)

    def make(arguments: Sequence[int]) -> list[int]:
        with recorder().stage("rank", feeds=len(arguments)):
            return list(arguments)

    async def one(number: int) -> int:
        end = recorder().call(f"call {number}", [], "")
        made = await queue.run(Work(lambda value: make([value])[0], make), number, kind="feed")
        end("OK")
        return int(made)

    async def main() -> list[int]:
        busy = asyncio.create_task(queue.run(Work(block), None))
        await asyncio.to_thread(has_begun.wait, 20)
        tasks = [asyncio.create_task(one(number)) for number in range(3)]
        # Each task joins the queue in its first step.
        await asyncio.sleep(0)
        assert queue.length == 3
        go.set()
        await busy
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [0, 1, 2]
    queue.close()

    calls = {span.name: span for span in spans() if span.kind is SpanKind.SERVER}
    (rank,) = [span for span in spans() if span.name == "rank"]
    first, *others = (calls[f"call {number}"] for number in range(3))
    assert rank.parent is not None
    assert rank.parent.span_id == first.context.span_id
    assert {link.context.span_id for link in first.links} == {span.context.span_id for span in others}
    assert all([link.context.span_id for link in span.links] == [first.context.span_id] for span in others)


def test_work_outside_of_calls_has_no_spans(service: Service, spans: Spans) -> None:
    """The statements and stages of background threads begin no traces, which nobody could find."""
    fill(service)  # the embedder works
    finished(spans, "paperfeed.v1.CatalogService/UpsertDigest", count=2)

    roots = {span.kind for span in spans() if span.parent is None}

    assert roots == {SpanKind.CLIENT}
    assert "encode" not in {span.name for span in spans()}


def test_log_lines_name_the_trace(service: Service, spans: Spans, caplog: pytest.LogCaptureFixture) -> None:
    """The line of a call has the ids of its span; a line outside of a call has none."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonFormatter().format(record))

    log, handler = logging.getLogger("paperfeed"), Lines()
    log.addHandler(handler)
    caplog.set_level(logging.INFO, "paperfeed")
    try:
        service.client.feeds.GetFeed(GetFeedRequest(user_id=USER))
        (call,) = finished(spans, "paperfeed.v1.FeedService/GetFeed")
        wait_until(lambda: bool(lines))
        log.info("outside")
    finally:
        log.removeHandler(handler)

    inside, outside = (json.loads(line) for line in lines)
    assert (inside["trace_id"], inside["span_id"]) == (f"{call.context.trace_id:032x}", f"{call.context.span_id:016x}")
    assert "trace_id" not in outside


@pytest.mark.postgres
def test_statements_of_postgresql(spans: Spans) -> None:
    """Both engines of PostgreSQL, which share a pool, record their statements; a failed one has its error's name."""
    require_postgres()
    with postgres_schema() as url:
        engines = open_engines(url, ERRORS, application="test", pool_size=1, busy_timeout_seconds=5)
        try:
            with recorder().job("test"), engines.read() as connection:
                pools = engines.connections()
                connection.execute(text("SELECT 1"))
                with pytest.raises(DBAPIError):
                    connection.execute(text("SELECT no_such_column"))
        finally:
            engines.dispose()

    found = [span for span in spans() if span.kind is SpanKind.CLIENT]
    errors = [(span.attributes or {}).get("error.type") for span in found]
    systems = {(span.attributes or {}).get("db.system.name") for span in found}

    assert pools == {"writer": (1, 0)}
    assert errors == [None, "UndefinedColumn"]
    assert systems == {"postgresql"}
