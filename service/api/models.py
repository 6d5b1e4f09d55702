"""Servicer of ModelService, which is declared but not implemented."""

from typing import NoReturn

import grpc

from paperfeed.v1 import model_pb2 as pb
from paperfeed.v1 import model_pb2_grpc
from service.domain.errors import Unsupported


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Answers every RPC with UNIMPLEMENTED."""

    def ListModels(self, request: pb.ListModelsRequest, context: grpc.ServicerContext) -> NoReturn:
        raise Unsupported("the model registry")

    def GetModel(self, request: pb.GetModelRequest, context: grpc.ServicerContext) -> NoReturn:
        raise Unsupported("the model registry")

    def PromoteModel(self, request: pb.PromoteModelRequest, context: grpc.ServicerContext) -> NoReturn:
        raise Unsupported("the model registry")

    def RollbackModel(self, request: pb.RollbackModelRequest, context: grpc.ServicerContext) -> NoReturn:
        raise Unsupported("the model registry")
