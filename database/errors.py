"""Failures of a database, and the exceptions that the calling package raises for them."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# SQLite's primary result codes that no change of the statement would cure.
_SQLITE_PROBLEMS = {
    3: "its file may not be opened",
    5: "it is locked by another process",
    6: "it is locked by another connection",
    7: "out of memory",
    8: "its file is read-only",
    10: "its disk cannot be read or written",
    11: "its file is damaged",
    13: "its disk is full",
    14: "its file cannot be opened",
    15: "its files do not lock",
    26: "its file is not a database",
}

# PostgreSQL's SQLSTATEs (appendix A of its manual) that deserve a more exact text than "the connection was lost".
_POSTGRES_PROBLEMS = {
    "25006": "it is read-only",
    "40001": "a change at the same time got in the way",
    "40P01": "a change at the same time got in the way",
    "53100": "its disk is full",
    "53200": "out of memory",
    "53300": "it has too many connections",
    "55P03": "it is locked by another transaction",
    "57014": "the statement took too long",
    "57P01": "it is being shut down",
    "57P03": "it is starting up or shutting down",
}

# PostgreSQL's answers to a connection that it refuses, in English; the driver gives these no SQLSTATE.
_POSTGRES_REFUSALS = (
    ('database ".*" does not exist', "its server has no database of that name"),
    ('role ".*" does not exist', "its server has no role of that name"),
    ("authentication failed", "its server refuses the role or its password"),
    ("no password supplied", "its server asks for a password"),
    ("no pg_hba.conf entry", "its server has no rule (pg_hba.conf) that lets this role in"),
    (
        "permission denied|not permitted to log in|not currently accepting",
        "its server does not let this role connect",
    ),
    ("too many ", "it has too many connections"),
    ("starting up|shutting down|not yet accepting", "it is starting up or shutting down"),
    ("FATAL: ", "its server refuses the connection"),
)


@dataclass(frozen=True, slots=True)
class Errors:
    """The exceptions that a package raises for its database. Each is called with one text: the problem.

    Attributes:
        invalid_url: The URL names neither an SQLite file nor a PostgreSQL database.
        unavailable: The database does not answer, stays locked or is full.
        schema_mismatch: The schema is older or newer than the code.
    """

    invalid_url: Callable[[str], Exception]
    unavailable: Callable[[str], Exception]
    schema_mismatch: Callable[[str], Exception]

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Raise ``unavailable`` where the block meets a lost, locked or full database; let other errors pass."""
        try:
            yield
        except (PoolTimeoutError, sqlite3.Error, DBAPIError) as error:
            problem = _problem_of(error)
            if problem is None:
                raise
            raise self.unavailable(problem) from error


def _problem_of(error: PoolTimeoutError | sqlite3.Error | DBAPIError) -> str | None:
    """Return our text for the failure; None for an error of the program. The driver's text may name hosts and users."""
    if isinstance(error, PoolTimeoutError):
        return "all its connections are in use"
    if isinstance(error, sqlite3.Error):
        return _SQLITE_PROBLEMS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(error.orig, sqlite3.Error):
        return _problem_of(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    if state in _POSTGRES_PROBLEMS:
        return _POSTGRES_PROBLEMS[state]
    if isinstance(error, ProgrammingError) and error.statement is None:
        return "its URL has a parameter that the driver does not take"
    is_lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return _refusal(error.orig) or "it cannot be reached, or the connection was lost" if is_lost else None


def _refusal(error: BaseException | None) -> str | None:
    """Return why a server that answers refuses the connection."""
    _, _, answer = str(error).partition("connection failed: ")
    return next((problem for pattern, problem in _POSTGRES_REFUSALS if re.search(pattern, answer)), None)
