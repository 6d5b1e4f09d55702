"""All errors that the service raises on purpose.

Each class takes facts and builds its own message. ``reason`` is a fixed machine-readable name; ``error_reason.proto``
has a value of the same name. A ``ValueError`` or ``KeyError`` that escapes is a bug.
"""


class PaperfeedError(Exception):
    """Base class of all errors raised on purpose.

    Attributes:
        reason: Fixed machine-readable name in upper snake case; never reused for another meaning.
        metadata: Facts as strings, sent to the client with the message; must not contain personal text.
    """

    reason = "UNKNOWN"

    def __init_subclass__(cls, *, reason: str) -> None:
        super().__init_subclass__()
        cls.reason = reason

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidField(PaperfeedError, reason="INVALID_FIELD"):
    """A request field breaks a rule; ``field`` is its path, such as ``papers[3].title``."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field)
        self.field = field
        self.problem = problem


class InvalidFile(PaperfeedError, reason="INVALID_FILE"):
    """An input file breaks a rule; ``line`` is one-based, or None if no single line is at fault."""

    def __init__(self, source: str, problem: str, *, line: int | None = None) -> None:
        place = source if line is None else f"{source}, line {line}"
        super().__init__(f"{place}: {problem}", source=source, **({} if line is None else {"line": str(line)}))
        self.source = source
        self.problem = problem
        self.line = line


class InvalidPageToken(PaperfeedError, reason="INVALID_PAGE_TOKEN"):
    """The page token was altered, or was issued for another request."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"page_token: {problem}", field="page_token")
        self.field = "page_token"
        self.problem = problem


class NotFound(PaperfeedError, reason="NOT_FOUND"):
    """A paper, digest, user, interest, slate or model does not exist; ``field`` is the request field that names it."""

    def __init__(self, resource: str, name: str, *, field: str = "") -> None:
        where = f"{field}: " if field else ""
        facts = {"resource": resource, "name": name} | ({"field": field} if field else {})
        super().__init__(f"{where}no {resource} '{name}'", **facts)
        self.name = name


class Conflict(PaperfeedError, reason="CONFLICT"):
    """A concurrent change won; the call may succeed if it is repeated after a new read."""

    def __init__(self, resource: str, name: str) -> None:
        super().__init__(f"{resource} '{name}' was changed at the same time; try again", resource=resource, name=name)


class Overloaded(PaperfeedError, reason="OVERLOADED"):
    """A bounded queue is full; ``retry_after_seconds`` tells the client when to retry."""

    def __init__(self, queue: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(f"too much work is waiting ({queue}); try again later", queue=queue)
        self.retry_after_seconds = retry_after_seconds


class LimitExceeded(Overloaded, reason="LIMIT_EXCEEDED"):
    """The caller makes too many calls; ``retry_after_seconds`` tells the client when to retry."""

    def __init__(self, limit: str, *, retry_after_seconds: float) -> None:
        PaperfeedError.__init__(self, f"this caller has too many {limit}; try again later", limit=limit)
        self.retry_after_seconds = retry_after_seconds


class QuotaExceeded(PaperfeedError, reason="QUOTA_EXCEEDED"):
    """The server stores as much of something as its settings allow. To repeat the call does not help."""

    def __init__(self, quota: str, limit: int) -> None:
        super().__init__(f"there are {limit} {quota} already, and the server allows no more", quota=quota)


class Unauthenticated(PaperfeedError, reason="UNAUTHENTICATED"):
    """The call has no API key or client certificate, or one that is unknown, expired or revoked."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


class PermissionDenied(PaperfeedError, reason="PERMISSION_DENIED"):
    """The caller lacks the scope that the RPC requires."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this call needs the scope {scope}, which the caller does not have", scope=scope)


class DeadlineTooShort(PaperfeedError, reason="DEADLINE_TOO_SHORT"):
    """The work did not end within the caller's deadline."""

    def __init__(self, work: str) -> None:
        super().__init__(f"{work} did not end within the call's deadline", work=work)


class ClientTooSlow(PaperfeedError, reason="CLIENT_TOO_SLOW"):
    """The client did not send its message, or did not take an answer, in time."""

    def __init__(self, work: str, seconds: float) -> None:
        super().__init__(f"the client took more than {seconds:g} seconds to {work}", work=work)


class ServerStopping(PaperfeedError, reason="SERVER_STOPPING"):
    """The server finishes the calls that it has and takes no more."""

    def __init__(self) -> None:
        super().__init__("the server is stopping")


class StorageUnavailable(PaperfeedError, reason="STORAGE_UNAVAILABLE"):
    """The database does not answer, stays locked for too long, or is full."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the database is not available: {problem}")


class SchemaMismatch(PaperfeedError, reason="SCHEMA_MISMATCH"):
    """The database has a schema revision that this version of paperfeed does not support."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the database's schema does not fit this version of paperfeed: {problem}")


class Unsupported(PaperfeedError, reason="UNSUPPORTED"):
    """The server's settings do not enable the RPC; ``setting`` would."""

    def __init__(self, feature: str, setting: str) -> None:
        super().__init__(f"{feature} is not enabled on this server; set {setting}", feature=feature)


class SourceUnavailable(PaperfeedError, reason="SOURCE_UNAVAILABLE"):
    """A source of papers does not answer, or refuses the request; ``source`` is its address."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}", source=source)
        self.source = source
        self.problem = problem


class EncoderUnavailable(PaperfeedError, reason="ENCODER_UNAVAILABLE"):
    """The encoder cannot be loaded, has files that do not match their hashes, or has died."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the encoder is not available: {problem}")


class BundleUnusable(PaperfeedError, reason="BUNDLE_UNUSABLE"):
    """The model bundle is missing, damaged, or was trained for another encoder or feature schema.

    Attributes:
        REMEDY: What it means for feeds, and what to do.
    """

    REMEDY = (
        "feeds are ranked by cosine similarity alone; give the server a bundle for its encoder (paperfeed train makes "
        "one), or set PAPERFEED_ALLOW_COSINE=true if this is intended"
    )

    def __init__(self, problem: str) -> None:
        super().__init__(f"the model bundle cannot be used: {problem}")


class NotCalibrated(PaperfeedError, reason="NOT_CALIBRATED"):
    """Probabilities were asked for, but what ranks gives none."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"min_probability: {problem}", field="min_probability")


class BundleRejected(PaperfeedError, reason="BUNDLE_REJECTED"):
    """The registry refuses a bundle: it is damaged, too large, or made for another encoder or feature schema."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the bundle is rejected: {problem}")


class WrongModelState(PaperfeedError, reason="WRONG_MODEL_STATE"):
    """A registered model's state does not allow the change."""

    def __init__(self, version: str, state: str, problem: str) -> None:
        super().__init__(f"model '{version}' is {state}: {problem}", version=version, state=state)
