"""Any request to any RPC gets an answer or a clear error, never INTERNAL or UNKNOWN, and the server keeps running."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paperfeed.v1 import catalog_pb2, feed_pb2, model_pb2, profile_pb2, status_pb2
from testing.calls import make_digest, record, upsert_ready
from testing.servers import copied, serving
from tests.databases import postgres_schema, require_postgres

METHODS: list[MethodDescriptor] = [
    method
    for file in (catalog_pb2, profile_pb2, feed_pb2, model_pb2, status_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
CLEAR = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
}
FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TEXTS = st.one_of(
    st.sampled_from(
        ["", "known", "other", "u", "d", "2026-03-09", "followed_topics", "2401.00001v2", "doi:10.1000/1", "\x00", " "]
    ),
    st.sampled_from(["x" * 300, "😀" * 700, "a\u200eb", "title:" + "0" * 32, "9999-12-31", "https://arxiv.org/abs/"]),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
NUMBERS = {
    FieldDescriptor.CPPTYPE_STRING: TEXTS,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT32: st.sampled_from([0, 1, 2, 100, -1, 2**31 - 1, -(2**31)]) | st.integers(-5, 5),
    FieldDescriptor.CPPTYPE_INT64: st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63), 1_773_000_000, 253_402_300_800]),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats() | st.sampled_from([0.0, 0.5, 1.0]),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
}


def value_of(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values of one entry of a field, including invalid ones."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return messages(field.message_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([*field.enum_type.values_by_number, 77, -1])
    return NUMBERS[field.cpp_type]


@st.composite
def messages(draw: st.DrawFn, kind: Descriptor) -> Message:
    """Messages of a type; each field is set with a chance of two in three."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if draw(st.integers(0, 2)) == 0:
            continue
        if field.is_repeated:
            entries = draw(st.lists(value_of(field), max_size=3))
            getattr(message, field.name).extend(entries)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(draw(value_of(field)))
        else:
            setattr(message, field.name, draw(value_of(field)))
    return message


@st.composite
def mutated(draw: st.DrawFn, kind: Descriptor) -> bytes:
    """Bytes of a message, some of them changed, removed or inserted."""
    data = bytearray(draw(messages(kind)).SerializeToString())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=4))
    return bytes(data)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def channel(
    request: pytest.FixtureRequest, empty_database: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[grpc.Channel]:
    """A channel to a server with a few papers, a digest and a user, on each engine."""
    if request.param == "sqlite":
        yield from _channel(copied(empty_database, tmp_path_factory.mktemp("fuzz")), tiny_bundle)
    else:
        require_postgres()
        with postgres_schema() as url:
            yield from _channel(url, tiny_bundle)


def _channel(url: str, bundle: Path) -> Iterator[grpc.Channel]:
    with serving(url, bundle=str(bundle)) as service, grpc.insecure_channel(service.target) as channel:
        papers = [catalog_pb2.Paper(paper_id=name, title=f"The {name} paper of all") for name in ("known", "other")]
        upsert_ready(service.client, papers)
        make_digest(service.client, ["known", "other"], digest_id="d")
        record(service.client, "u", "like", "known")
        yield channel


def code_of(channel: grpc.Channel, method: MethodDescriptor, data: bytes) -> tuple[grpc.StatusCode, str]:
    """Send the bytes as a request; return the status code and details."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.server_streaming:
            for _ in channel.unary_stream(path)(data, timeout=30):
                pass
        else:
            channel.unary_unary(path)(data, timeout=30)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_any_message_is_understood_or_refused(channel: grpc.Channel, method: MethodDescriptor) -> None:
    """Messages with any values in their fields, sent one after another, end with a clear code."""

    @FEW
    @given(messages(method.input_type))
    def check(message: Message) -> None:
        code, details = code_of(channel, method, message.SerializeToString())
        assert code in CLEAR, (code, details, message)

    check()


@pytest.mark.parametrize("channel", ["sqlite"], indirect=True)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_any_bytes_are_understood_or_refused(channel: grpc.Channel, method: MethodDescriptor) -> None:
    """Random bytes, and messages with changed bytes, end with a clear code, on SQLite: most never reach a database."""

    @FEW
    @given(st.binary(max_size=60) | mutated(method.input_type))
    def check(data: bytes) -> None:
        code, details = code_of(channel, method, data)
        assert code in CLEAR, (code, details, data)

    check()
