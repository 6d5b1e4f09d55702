"""Servicer of ModelService."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct

from paperfeed.v1 import model_pb2 as pb
from paperfeed.v1 import model_pb2_grpc
from service.api import convert
from service.api.page_tokens import PageTokens, page_size
from service.app.models.registry import Registry
from service.domain.errors import Unsupported
from service.domain.models import Aliases, ModelLogEntry, ModelRecord, ModelState
from service.domain.papers import check_text

MAX_NOTE_LENGTH = 1_000
STATES = {state: pb.ModelState.Value(f"MODEL_STATE_{state.name}") for state in ModelState}


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Serves the model registry.

    Args:
        registry: None if the settings name no registry; every RPC then fails with Unsupported.
        on_change: Called after an alias may have changed.
    """

    def __init__(self, registry: Registry | None, tokens: PageTokens, on_change: Callable[[], None]) -> None:
        self._found = registry
        self._tokens = tokens
        self._on_change = on_change

    @property
    def _registry(self) -> Registry:
        if self._found is None:
            raise Unsupported("the model registry", "PAPERFEED_REGISTRY")
        return self._found

    def RegisterModel(
        self, request: pb.RegisterModelRequest, context: grpc.ServicerContext
    ) -> pb.RegisterModelResponse:
        registry, content = self._registry, convert.check_name(request.content_sha256, "content_sha256")
        record = registry.register_stored(content, actor_of(context))
        return pb.RegisterModelResponse(model=_model(record, registry.aliases()))

    def ListModels(self, request: pb.ListModelsRequest, context: grpc.ServicerContext) -> pb.ListModelsResponse:
        registry, limit, position = self._registry, page_size(request.page_size), self._tokens.read(request)
        after = (dt.datetime.fromisoformat(position[0]), position[1]) if position else None
        found, aliases = registry.list_models(after, limit=limit + 1), registry.aliases()
        last = found[limit - 1] if len(found) > limit else None
        return pb.ListModelsResponse(
            models=[_model(record, aliases) for record in found[:limit]],
            next_page_token=self._tokens.make(request, [last.registered_at.isoformat(), last.version]) if last else "",
        )

    def GetModel(self, request: pb.GetModelRequest, context: grpc.ServicerContext) -> pb.GetModelResponse:
        registry = self._registry
        record = registry.get(convert.check_name(request.model_version, "model_version"))
        return pb.GetModelResponse(model=_model(record, registry.aliases()))

    def ListModelLog(self, request: pb.ListModelLogRequest, context: grpc.ServicerContext) -> pb.ListModelLogResponse:
        registry, limit, position = self._registry, page_size(request.page_size), self._tokens.read(request)
        version = convert.check_optional_name(request.model_version, "model_version") or None
        found = registry.log(version, after=position[0] if position else 0, limit=limit + 1)
        return pb.ListModelLogResponse(
            entries=[_entry(entry) for entry in found[:limit]],
            next_page_token=self._tokens.make(request, [found[limit - 1].number]) if len(found) > limit else "",
        )

    def PromoteModel(self, request: pb.PromoteModelRequest, context: grpc.ServicerContext) -> pb.PromoteModelResponse:
        registry, actor, evidence = self._registry, actor_of(context), _note(request.note)
        version = convert.check_name(request.model_version, "model_version")
        if request.HasField("canary_share"):
            share = request.canary_share
            record = registry.start_canary(version, share, actor, force=request.force, evidence=evidence)
        else:
            record = registry.promote(version, actor, force=request.force, evidence=evidence)
        self._on_change()
        return pb.PromoteModelResponse(model=_model(record, registry.aliases()))

    def RollbackModel(
        self, request: pb.RollbackModelRequest, context: grpc.ServicerContext
    ) -> pb.RollbackModelResponse:
        registry, evidence = self._registry, _note(request.note)
        version = convert.check_name(request.from_model_version, "from_model_version")
        record = registry.rollback(version, actor_of(context), evidence)
        self._on_change()
        return pb.RollbackModelResponse(model=_model(record, registry.aliases()))


def actor_of(context: Any) -> str:
    """Return who makes a call, for the log: the caller's name, or its address without the port if it has none."""
    if context.caller is not None and context.caller.name:
        return str(context.caller.shown_name)
    kind, _, address = str(context.peer()).partition(":")
    return f"{kind} {address.rpartition(':')[0] or address}"


def _note(note: str) -> dict[str, str]:
    text = check_text(note, "note", max_length=MAX_NOTE_LENGTH)
    return {"note": text} if text else {}


def _model(record: ModelRecord, aliases: Aliases) -> pb.Model:
    canary = aliases.canary
    return pb.Model(
        model_version=record.version,
        encoder=record.encoder,
        serving=aliases.serving == record.version,
        created_at=convert.to_timestamp(record.created_at),
        state=STATES[record.state],
        content_sha256=record.content_sha256,
        registered_at=convert.to_timestamp(record.registered_at),
        size_bytes=record.size_bytes,
        metrics=_struct(record.metrics),
        gate_passed=record.gate_passed,
        needs_retraining=record.needs_retraining,
        previous=aliases.previous == record.version,
        canary_share=canary.share if canary is not None and canary.version == record.version else 0.0,
    )


def _entry(entry: ModelLogEntry) -> pb.ModelLogEntry:
    return pb.ModelLogEntry(
        number=entry.number,
        model_version=entry.version,
        occurred_at=convert.to_timestamp(entry.at),
        actor=entry.actor,
        from_state=STATES[entry.from_state] if entry.from_state else pb.MODEL_STATE_UNSPECIFIED,
        to_state=STATES[entry.to_state],
        evidence=_struct(entry.evidence),
    )


def _struct(values: Mapping[str, Any]) -> Struct:
    message = Struct()
    message.update(values)
    return message
