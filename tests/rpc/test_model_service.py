"""ModelService, which is not implemented yet."""

import grpc
import pytest

from paperfeed.v1 import model_pb2
from testing.calls import failing
from testing.servers import Service


@pytest.mark.parametrize("rpc", ["ListModels", "GetModel", "PromoteModel", "RollbackModel"])
def test_models_are_unimplemented(sqlite_service: Service, rpc: str) -> None:
    """Every RPC of ModelService ends with UNIMPLEMENTED and its reason, not INTERNAL."""
    request = getattr(model_pb2, f"{rpc}Request")()

    with failing(grpc.StatusCode.UNIMPLEMENTED, "UNSUPPORTED") as failure:
        getattr(sqlite_service.client.models, rpc)(request)

    assert failure.said.metadata["feature"]
