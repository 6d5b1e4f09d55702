"""Fields that the contract marks as REQUIRED are required."""

from typing import Any

import grpc
import pytest
from google.api.field_behavior_pb2 import REQUIRED, field_behavior

from paperfeed.client import Client
from paperfeed.v1 import catalog_pb2, feed_pb2, profile_pb2
from testing.calls import call, failing
from testing.servers import Service

REQUIRED_FIELDS = {
    method.input_type: names
    for file in (catalog_pb2, feed_pb2, profile_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if (
        names := [
            each.name for each in method.input_type.fields if REQUIRED in each.GetOptions().Extensions[field_behavior]
        ]
    )
}


@pytest.fixture
def client(sqlite_service: Service) -> Client:
    return sqlite_service.client


@pytest.mark.parametrize("message", REQUIRED_FIELDS, ids=lambda message: message.name)
def test_required_fields(client: Client, message: Any) -> None:
    """A request without its first required field is INVALID_ARGUMENT, and the error names the field."""
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD") as failure:
        call(client, message._concrete_class())

    (named,) = failure.said.fields
    assert named.partition(".")[0] == REQUIRED_FIELDS[message][0]
