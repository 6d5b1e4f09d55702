"""Servicer of ModelService, which is declared but not implemented."""

from typing import NoReturn

import grpc

from paperfeed.v1 import model_pb2_grpc
from service.domain.errors import Unsupported


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Answers every RPC with UNIMPLEMENTED."""

    def _unsupported(self, request: object, context: grpc.ServicerContext) -> NoReturn:
        raise Unsupported("the model registry")

    ListModels = GetModel = PromoteModel = RollbackModel = _unsupported
