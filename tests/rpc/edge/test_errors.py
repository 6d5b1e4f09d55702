"""Every error has a code and a reason; unexpected errors and a lost database reveal no text."""

from collections.abc import Callable

import grpc
import pytest
from sqlalchemy import text

from paperfeed.client import Client, error_details
from paperfeed.v1 import error_reason_pb2
from paperfeed.v1.catalog_pb2 import (
    GetPaperRequest,
    Paper,
)
from paperfeed.v1.profile_pb2 import (
    ExportUserRequest,
)
from service.api import status
from service.domain import errors
from testing.calls import make_papers, record, upsert, upsert_ready
from testing.servers import Service, lose_database

# ------------------------------------------------------------------------------------------------------ the whole tree


def subclasses(of: type) -> list[type]:
    return [found for child in of.__subclasses__() for found in (child, *subclasses(child))]


@pytest.mark.parametrize("error", subclasses(errors.PaperfeedError), ids=lambda error: error.__name__)
def test_every_error_has_a_code_and_a_reason(error: type[errors.PaperfeedError]) -> None:
    """Each error class has a status code, and its reason is in the contract."""
    assert error in status.CODES
    assert f"ERROR_REASON_{error.reason}" in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name


def test_every_reason_of_the_contract_is_used() -> None:
    """Each reason of the contract belongs to exactly one error class."""
    reasons = [error.reason for error in subclasses(errors.PaperfeedError)]

    named = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name}
    assert sorted(reasons) == sorted(named - {"UNSPECIFIED", "INTERNAL"})


# ------------------------------------------------------------------------------------------------------------- bugs


def corrupt(service: Service, statement: str) -> None:
    with service.application.store.connection() as connection:
        connection.execute(text(statement))


def said_of(raised: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    details = error_details(raised.value)
    assert (details.code, details.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert details.message == f"internal error; incident {details.metadata['incident']}"
    assert details.metadata.keys() == {"incident"}
    return details.metadata["incident"]


def test_a_bug_is_internal_with_an_incident_and_no_text(bare: Service, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception gives INTERNAL; its text is only in the log, with the id of the incident."""
    upsert_ready(bare.client, [Paper(paper_id="p", title="A paper to be damaged")])
    corrupt(bare, "UPDATE papers SET authors = 'SECRET no json'")

    with pytest.raises(grpc.RpcError) as raised:
        bare.client.catalog.GetPaper(GetPaperRequest(paper_id="p"))

    incident = said_of(raised)
    logged = [record for record in caplog.records if getattr(record, "facts", {}).get("request_id") == incident]
    assert [record.levelname for record in logged] == ["ERROR"]
    assert logged[0].exc_info is not None
    assert "SECRET" not in str(error_details(raised.value))


def test_a_bug_inside_a_stream_is_internal_too(bare: Service) -> None:
    """An unexpected exception after the first message of a stream gives INTERNAL too."""
    (paper,) = upsert(bare.client, make_papers(1))
    record(bare.client, "u", "click", paper)
    corrupt(bare, "UPDATE events SET event_type = 'nonsense'")
    records = bare.client.profiles.ExportUser(ExportUserRequest(user_id="u"))
    assert next(records).WhichOneof("record") == "profile"

    with pytest.raises(grpc.RpcError) as raised:
        next(records)

    said_of(raised)


def test_a_lost_database_is_unavailable(start: Callable[..., Service]) -> None:
    """A damaged database file gives UNAVAILABLE, not INTERNAL, and the process keeps running."""
    service = start()
    lose_database(service)

    with Client(service.target, timeout=30) as client, pytest.raises(grpc.RpcError) as raised:
        client.catalog.GetPaper(GetPaperRequest(paper_id="p"))

    assert error_details(raised.value).code is grpc.StatusCode.UNAVAILABLE
    assert error_details(raised.value).reason == "STORAGE_UNAVAILABLE"


def test_request_id_is_echoed(client: Client) -> None:
    """A request id sent by the client is returned, and an invalid one is replaced."""
    (paper_id,) = upsert(client, make_papers(1))

    def echoed(sent: str) -> str:
        request = GetPaperRequest(paper_id=paper_id)
        _, done = client.catalog.GetPaper.with_call(request, metadata=(("x-request-id", sent),))
        return dict(done.trailing_metadata())["x-request-id"]

    assert echoed("my-request-1") == "my-request-1"
    assert echoed("x" * 65) != "x" * 65
    assert len(echoed("")) == 32
