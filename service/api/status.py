"""Conversion of errors to gRPC statuses with google.rpc details, for unary and streaming calls."""

import datetime as dt
from collections.abc import Sequence

import grpc
from google.protobuf.any import pack
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from service.domain import errors

DOMAIN = "paperfeed.v1"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
# All headers of an answer may have 8 KiB. A message that is not ASCII takes three times its size, and the details
# repeat it. Without these limits, a long id would break the connection instead of giving a clear error.
MAX_MESSAGE_BYTES = 600
MAX_FACT_BYTES = 300
Metadata = tuple[tuple[str, str | bytes], ...]
Status = tuple[grpc.StatusCode, str, Metadata]
"""Status code, message, and trailing metadata with google.rpc details."""

CODES: dict[type[BaseException], grpc.StatusCode] = {
    errors.InvalidField: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidFile: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidPageToken: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.LimitExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.QuotaExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.DeadlineTooShort: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.StorageUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.SchemaMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ClientTooSlow: grpc.StatusCode.CANCELLED,
    errors.ServerStopping: grpc.StatusCode.UNAVAILABLE,
    errors.Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    errors.SourceUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.EncoderUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.BundleUnusable: grpc.StatusCode.UNAVAILABLE,
    errors.NotCalibrated: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BundleRejected: grpc.StatusCode.FAILED_PRECONDITION,
    errors.WrongModelState: grpc.StatusCode.FAILED_PRECONDITION,
}


def code_of(error: BaseException) -> grpc.StatusCode:
    """Return the status code of an error; INTERNAL for an error that was not raised on purpose."""
    return CODES.get(type(error), grpc.StatusCode.INTERNAL)


def reason_of(error: BaseException) -> str:
    """Return the machine-readable reason of an error; INTERNAL for an error that was not raised on purpose."""
    return error.reason if isinstance(error, errors.PaperfeedError) else "INTERNAL"


def status_of(error: BaseException, incident: str) -> Status:
    """Return the status of an error in the form that ends a call.

    Args:
        incident: Identifies the log line of an unexpected error, whose text is not sent to the client.
    """
    if isinstance(error, errors.PaperfeedError):
        return _status(code_of(error), error.message, _details(error), _pushback(error))
    details = [error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"incident": incident})]
    return _status(code_of(error), f"internal error; incident {incident}", details)


def _pushback(error: errors.PaperfeedError) -> Metadata:
    """Return the trailer that tells a channel with a retry policy when to repeat the call."""
    if isinstance(error, errors.Overloaded):
        return ((PUSHBACK_KEY, str(int(error.retry_after_seconds * 1_000))),)
    return ()


def _status(code: grpc.StatusCode, message: str, details: Sequence[Message], trailer: Metadata = ()) -> Status:
    message = _shortened(message, MAX_MESSAGE_BYTES)
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message, details=map(pack, details))
    return code, message, ((DETAILS_KEY, status.SerializeToString()), *trailer)


def _shortened(text: str, max_bytes: int) -> str:
    data = text.encode()
    return text if len(data) <= max_bytes else data[:max_bytes].decode(errors="ignore") + "..."


def _details(error: errors.PaperfeedError) -> list[Message]:
    facts = {key: _shortened(value, MAX_FACT_BYTES) for key, value in error.metadata.items()}
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=facts)]
    if field := facts.get("field"):
        problem = _shortened(str(getattr(error, "problem", error.message)), MAX_FACT_BYTES)
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=problem, reason=error.reason)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, errors.Overloaded):
        delay = dt.timedelta(milliseconds=round(error.retry_after_seconds * 1_000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details
