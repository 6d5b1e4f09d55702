"""``paperfeed like``, ``dislike`` and ``dismiss``: tell a running server what a user thinks of papers."""

from typing import TYPE_CHECKING, Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from cli.options import Json, Server, TlsCa, TlsCert, TlsKey
from cli.output import show
from cli.queries.server import server_client
from paperfeed.v1.profile_pb2 import (
    EVENT_TYPE_DISLIKE,
    EVENT_TYPE_DISMISS,
    EVENT_TYPE_LIKE,
    Event,
    EventType,
    RecordEventsRequest,
)

if TYPE_CHECKING:
    from paperfeed.client import Client

User = Annotated[str, typer.Argument(help="Id of the user.")]
Papers = Annotated[
    list[str],
    typer.Argument(help="Ids of the papers, as 'paperfeed feed' prints them, or other ids they are known by."),
]


def like(
    user: User,
    papers: Papers,
    server: Server = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    as_json: Json = False,
) -> None:
    """Record that a user likes papers and wants more like them. Feeds omit them from then on."""
    with server_client(server, (tls_ca, tls_cert, tls_key)) as client:
        _record(client, user, papers, EVENT_TYPE_LIKE, "liked", as_json)


def dislike(
    user: User,
    papers: Papers,
    server: Server = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    as_json: Json = False,
) -> None:
    """Record that a user wants fewer papers like these. Feeds omit them from then on."""
    with server_client(server, (tls_ca, tls_cert, tls_key)) as client:
        _record(client, user, papers, EVENT_TYPE_DISLIKE, "disliked", as_json)


def dismiss(
    user: User,
    papers: Papers,
    server: Server = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    as_json: Json = False,
) -> None:
    """Record that a user does not want to see papers again."""
    with server_client(server, (tls_ca, tls_cert, tls_key)) as client:
        _record(client, user, papers, EVENT_TYPE_DISMISS, "dismissed", as_json)


def _record(
    client: "Client", user: str, papers: list[str], kind: EventType.ValueType, done: str, as_json: bool
) -> None:
    now = Timestamp()
    now.GetCurrentTime()
    events = [Event(user_id=user, paper_id=paper, event_type=kind, occurred_at=now) for paper in papers]
    answer = client.profiles.RecordEvents(RecordEventsRequest(events=events))
    show({"recorded": answer.recorded_count}, as_json=as_json, text=f"{user}: {answer.recorded_count} papers {done}")
