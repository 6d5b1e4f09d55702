"""``paperfeed status``: ask a running server for its counters."""

import datetime as dt
from typing import Annotated, Any

import typer

from cli.options import Json, Server
from cli.output import show
from cli.queries.server import server_client


def status(
    server: Server = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Print a server's counters: calls, errors, fallbacks and queues. Exits with 1 if it does not answer."""
    from google.protobuf.json_format import MessageToDict

    from paperfeed.v1.status_pb2 import GetStatusRequest

    with server_client(server, timeout=timeout) as client:
        answer = client.status.GetStatus(GetStatusRequest())
    result: dict[str, Any] = MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    lines = [
        f"paperfeed {answer.version}, up {dt.timedelta(seconds=answer.uptime.seconds)}",
        *([f"process  {answer.worker} of {answer.worker_count}"] if answer.worker_count > 1 else []),
        f"model    {answer.model_version or 'none: ' + answer.model_problem}",
        f"encoder  {answer.encoder}",
        f"papers   {f'unknown: {answer.storage_problem}' if answer.storage_problem else answer.paper_count}",
        *(f"queue    {queue.queue}: {queue.length}" for queue in answer.queues),
        *(f"call     {call.method} {call.code}: {call.count}" for call in answer.calls),
        *(f"feeds    {fallback.reason}: {fallback.count}" for fallback in answer.fallbacks),
    ]
    show(result, as_json=as_json, text="\n".join(lines))
