"""The RPCs of ModelService."""

from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from paperfeed.v1 import model_pb2 as pb
from testing.calls import failing
from testing.models import promote, put, register, version_of
from testing.servers import Service

RPCS = ("RegisterModel", "ListModels", "GetModel", "ListModelLog", "PromoteModel", "RollbackModel")


@pytest.mark.parametrize("rpc", RPCS)
def test_without_a_registry(sqlite_service: Service, rpc: str) -> None:
    """On a server without a registry, every RPC ends with UNIMPLEMENTED, and the message names the setting."""
    with failing(grpc.StatusCode.UNIMPLEMENTED, "UNSUPPORTED") as failure:
        getattr(sqlite_service.client.models, rpc)(getattr(pb, f"{rpc}Request")())

    assert failure.said.metadata["feature"] == "the model registry"
    assert "PAPERFEED_REGISTRY" in failure.said.message


def test_the_first_start_serves_the_configured_bundle(registered: Service, tiny_bundle: Path) -> None:
    """The first start registers the configured bundle and serves it; a restart finds it there."""
    (model,) = registered.client.registered_models(pb.ListModelsRequest())

    assert model.model_version == version_of(tiny_bundle)
    assert (model.serving, model.state) == (True, pb.MODEL_STATE_SERVING)
    assert registered.application.serving.current.bundle.version == model.model_version
    entries = list(registered.client.model_log(pb.ListModelLogRequest()))
    assert [(entry.actor, entry.from_state, entry.to_state) for entry in entries] == [
        ("first start", pb.MODEL_STATE_UNSPECIFIED, pb.MODEL_STATE_REGISTERED),
        ("first start", pb.MODEL_STATE_REGISTERED, pb.MODEL_STATE_SERVING),
    ]


def test_a_model_from_registration_to_rollback(
    registered: Service, rivals: list[Path], place: Path, tiny_bundle: Path
) -> None:
    """A model is registered, promoted by force and rolled back; the answers and the log show each step."""
    client, first = registered.client, version_of(tiny_bundle)
    new = register(client, place, rivals[0])
    assert (new.state, new.serving, new.gate_passed) == (pb.MODEL_STATE_REGISTERED, False, False)
    assert register(client, place, rivals[0]) == new
    with failing(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_MODEL_STATE") as refused:
        client.models.PromoteModel(pb.PromoteModelRequest(model_version=new.model_version))
    assert refused.said.metadata == {"version": new.model_version, "state": "REGISTERED"}

    promote(client, new.model_version, note="a try")
    serving = client.models.GetModel(pb.GetModelRequest(model_version=new.model_version)).model
    assert (serving.state, serving.serving) == (pb.MODEL_STATE_SERVING, True)
    previous = client.models.GetModel(pb.GetModelRequest(model_version=first)).model
    assert (previous.state, previous.previous) == (pb.MODEL_STATE_RETIRED, True)
    for _ in range(2):
        request = pb.RollbackModelRequest(from_model_version=new.model_version, note="worse")
        assert client.models.RollbackModel(request).model.model_version == first

    # One entry a page, so that the token is used.
    log = pb.ListModelLogRequest(model_version=new.model_version, page_size=1)
    entries = list(client.model_log(log))
    assert [entry.to_state for entry in entries] == [
        pb.MODEL_STATE_REGISTERED,
        pb.MODEL_STATE_SERVING,
        pb.MODEL_STATE_RETIRED,
    ]
    assert {entry.actor for entry in entries} == {"ipv4 127.0.0.1"}
    evidence = MessageToDict(entries[1].evidence)
    assert evidence == {"forced": True, "state_before": "registered", "note": "a try"}
    assert len(list(client.registered_models(pb.ListModelsRequest(page_size=1)))) == 2


def test_bad_requests(registered: Service, place: Path, rivals: list[Path]) -> None:
    """Bad fields are named, unknown models and contents are reported, and nothing changes."""
    models, version = registered.client.models, register(registered.client, place, rivals[0]).model_version
    for share in (0.0, 1.0, -0.5, float("nan")):
        with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "canary_share"):
            models.PromoteModel(pb.PromoteModelRequest(model_version=version, canary_share=share, force=True))
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "note"):
        models.RollbackModel(pb.RollbackModelRequest(from_model_version=version, note="x" * 1_001))
    with failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "model_version"):
        models.GetModel(pb.GetModelRequest())
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"):
        models.ListModelLog(pb.ListModelLogRequest(model_version="unknown"))
    with failing(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"):
        models.PromoteModel(pb.PromoteModelRequest(model_version="unknown", force=True))
    for content in ("0" * 64, "../secrets"):
        with failing(grpc.StatusCode.FAILED_PRECONDITION, "BUNDLE_REJECTED"):
            models.RegisterModel(pb.RegisterModelRequest(content_sha256=content))

    assert put(place, rivals[0]) == models.GetModel(pb.GetModelRequest(model_version=version)).model.content_sha256
    assert not any(model.canary_share for model in registered.client.registered_models(pb.ListModelsRequest()))
