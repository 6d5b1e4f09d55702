"""Clients of several kinds call every RPC of a real server."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google.type
import grpc
import pytest
from google.protobuf.json_format import ParseDict

from paperfeed.client import AsyncClient
from paperfeed.v1 import catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2
from testing.servers import Service, serving
from tests.client import whole_api
from tests.process.running import ROOT

FILES = (catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2)
METHODS = {
    (service.name, method.name): method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
# A program that knows the generated modules alone.
PROGRAM = """
import importlib, json, sys
import grpc
from google.protobuf.json_format import ParseDict
from tests.client.whole_api import STEPS, UNIMPLEMENTED, filled, plain

modules = {"CatalogService": "catalog", "ProfileService": "profile", "FeedService": "feed", "ModelService": "model",
           "StatusService": "status"}
answers = {}
with grpc.insecure_channel(sys.argv[1]) as channel:
    for service, rpc, request in STEPS:
        messages = importlib.import_module(f"paperfeed.v1.{modules[service]}_pb2")
        stubs = importlib.import_module(f"paperfeed.v1.{modules[service]}_pb2_grpc")
        call = getattr(getattr(stubs, f"{service}Stub")(channel), rpc)
        message = ParseDict(filled(request, answers), getattr(messages, f"{rpc}Request")())
        try:
            answer = call(message, timeout=30)
            answers[rpc] = plain(answer) if hasattr(answer, "DESCRIPTOR") else [plain(each) for each in answer]
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            answers[rpc] = UNIMPLEMENTED
print(json.dumps({"file": messages.__file__, "answers": answers}))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Service]:
    """A server with an empty database."""
    with serving(f"sqlite:///{tmp_path / 'paperfeed.db'}") as service:
        yield service


def test_every_rpc_has_a_step() -> None:
    """The steps call every RPC of the contract."""
    assert {(service, rpc) for service, rpc, _ in whole_api.STEPS} == METHODS.keys()


def test_async_client(server: Service) -> None:
    """The asyncio client calls every RPC, and reads lists over all their pages."""

    async def run() -> dict[str, Any]:
        answers: dict[str, Any] = {}
        async with AsyncClient(server.target) as client:
            await client.wait_until_ready(10)
            stubs = {
                "CatalogService": client.catalog,
                "ProfileService": client.profiles,
                "FeedService": client.feeds,
                "ModelService": client.models,
                "StatusService": client.status,
            }
            for service, rpc, request in whole_api.STEPS:
                method = METHODS[service, rpc]
                message = ParseDict(whole_api.filled(request, answers), method.input_type._concrete_class())
                call = getattr(stubs[service], rpc)(message)
                try:
                    if method.server_streaming:
                        answers[rpc] = [whole_api.plain(each) async for each in call]
                    else:
                        answers[rpc] = whole_api.plain(await call)
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                        raise
                    answers[rpc] = whole_api.UNIMPLEMENTED
            listed = [paper.paper_id async for paper in client.papers(catalog_pb2.ListPapersRequest(page_size=2))]
            assert listed == whole_api.PAPER_IDS[:3]
            slate = feed_pb2.GetSlateRequest(slate_id=answers["StreamFeeds"][1]["slate"]["slate_id"], page_size=1)
            assert [item.rank async for item in client.slate_items(slate)] == [1, 2, 3]
        return answers

    whole_api.check(asyncio.run(run()))


def test_generated_client(server: Service, tmp_path: Path) -> None:
    """A program with freshly generated stubs, and nothing else of paperfeed, calls every RPC."""
    sources = sorted(str(path) for path in (ROOT / "proto" / "paperfeed" / "v1").glob("*.proto"))
    includes = [f"-I{ROOT / 'proto'}", f"-I{Path(next(iter(google.type.__path__))).parent.parent}"]
    outputs = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *outputs, *sources]
    subprocess.run(command, check=True, capture_output=True)
    for folder in (tmp_path / "paperfeed", tmp_path / "paperfeed" / "v1"):
        (folder / "__init__.py").touch()
    paths = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"

    done = subprocess.run(
        [sys.executable, "-I", "-c", paths + PROGRAM, server.target], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert Path(result["file"]).is_relative_to(tmp_path)
    whole_api.check(result["answers"])
