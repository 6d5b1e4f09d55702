"""Every error that the service raises on purpose.

    PaperfeedError
    ├── InvalidField          a request field breaks a rule                    (field)
    ├── InvalidFile           an input file breaks a rule                      (source, line)
    ├── InvalidPageToken      a page token that this request was not given
    ├── NotFound              what a request names is not there                (resource, name)
    ├── Conflict              someone else changed it first                    (resource, name)
    ├── Overloaded            a bounded queue is full
    ├── DeadlineTooShort      the work cannot end within the caller's deadline
    ├── StorageUnavailable    the database does not answer, or is full
    ├── SchemaMismatch        the database's schema is not the code's
    ├── Unsupported           an RPC that is declared but not built yet
    ├── SourceUnavailable     a place that papers are fetched from             (source)
    ├── EncoderUnavailable    no encoder, or one whose files do not match
    └── BundleUnusable        no bundle, or one that does not match

Each class takes facts and builds its own message; ``reason`` is the fixed name a machine reads (the value of the same
name in ``error_reason.proto``). A ``ValueError`` or ``KeyError`` that escapes is a bug, not an error of this tree.
"""


class PaperfeedError(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        reason: Fixed machine-readable name, upper snake case, never reused for something else.
        metadata: Facts as strings, sent to the client beside the message. Never personal text.
    """

    reason = "UNKNOWN"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidField(PaperfeedError):
    """A request field breaks a rule; ``field`` is its path, e.g. ``papers[3].title``."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field)
        self.field = field
        self.problem = problem


class InvalidFile(PaperfeedError):
    """An input file breaks a rule; ``line`` is one-based, None where no single line is at fault."""

    reason = "INVALID_FILE"

    def __init__(self, source: str, problem: str, *, line: int | None = None) -> None:
        place = source if line is None else f"{source}, line {line}"
        super().__init__(f"{place}: {problem}", source=source, **({} if line is None else {"line": str(line)}))
        self.source = source
        self.problem = problem
        self.line = line


class InvalidPageToken(PaperfeedError):
    """The page token was changed, or given by another request than this one."""

    reason = "INVALID_PAGE_TOKEN"

    def __init__(self, problem: str) -> None:
        super().__init__(f"page_token: {problem}", field="page_token")
        self.field = "page_token"
        self.problem = problem


class NotFound(PaperfeedError):
    """``resource`` is a noun (paper, digest, user, slate); ``field`` is where the request named it, if it did."""

    reason = "NOT_FOUND"

    def __init__(self, resource: str, name: str, *, field: str = "") -> None:
        where = f"{field}: " if field else ""
        facts = {"resource": resource, "name": name} | ({"field": field} if field else {})
        super().__init__(f"{where}no {resource} '{name}'", **facts)
        self.resource = resource
        self.name = name
        self.field = field


class Conflict(PaperfeedError):
    """A concurrent change won; reading again and repeating the call may succeed."""

    reason = "CONFLICT"

    def __init__(self, resource: str, name: str) -> None:
        super().__init__(f"{resource} '{name}' was changed at the same time; try again", resource=resource, name=name)


class Overloaded(PaperfeedError):
    """A bounded queue is full; ``retry_after_seconds`` says when to come again."""

    reason = "OVERLOADED"

    def __init__(self, queue: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(f"too much work is waiting ({queue}); try again later", queue=queue)
        self.retry_after_seconds = retry_after_seconds


class DeadlineTooShort(PaperfeedError):
    """The work did not end within the time that the caller gave."""

    reason = "DEADLINE_TOO_SHORT"

    def __init__(self, work: str) -> None:
        super().__init__(f"{work} did not end within the call's deadline", work=work)


class StorageUnavailable(PaperfeedError):
    """The database does not answer, is locked for too long, or has no room."""

    reason = "STORAGE_UNAVAILABLE"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the database is not available: {problem}")


class SchemaMismatch(PaperfeedError):
    """The database's schema revision is not the one that this version of paperfeed works with."""

    reason = "SCHEMA_MISMATCH"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the database's schema does not fit this version of paperfeed: {problem}")


class Unsupported(PaperfeedError):
    """The RPC is part of the contract but not built yet."""

    reason = "UNSUPPORTED"

    def __init__(self, feature: str) -> None:
        super().__init__(f"{feature} is not available in this version", feature=feature)


class SourceUnavailable(PaperfeedError):
    """What papers are fetched from does not answer, or refuses; ``source`` is its address."""

    reason = "SOURCE_UNAVAILABLE"

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}", source=source)
        self.source = source
        self.problem = problem


class EncoderUnavailable(PaperfeedError):
    """The encoder cannot be loaded, does not match its hashes, or died."""

    reason = "ENCODER_UNAVAILABLE"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the encoder is not available: {problem}")


class BundleUnusable(PaperfeedError):
    """The model bundle is absent, damaged, or made for another encoder or feature schema."""

    reason = "BUNDLE_UNUSABLE"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the model bundle cannot be used: {problem}")
