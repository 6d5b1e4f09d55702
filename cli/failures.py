"""Errors of every part as exit codes; ``service.process.failures`` has those of the service."""

from collections.abc import Callable

from service.process import failures
from service.process.failures import Outcome

# Errors that these packages define are expected failures. Names stand here, as not every package may be installed.
_PACKAGES = ("ranker.", "training.", "batch.", "mailer.", "cli.")


def run(app: Callable[[], object]) -> int:
    """Run the command line and return the exit code. Wrong usage ends in SystemExit(2) inside."""
    return failures.run(app, _outcome_of)


def _outcome_of(error: Exception) -> Outcome | None:
    import grpc

    from paperfeed.client import error_details

    if isinstance(error, grpc.RpcError):
        details = error_details(error)
        return 1, f"the server answered {details.code.name}: {details.message}"
    if type(error).__module__.startswith(_PACKAGES):
        return (2 if type(error).__name__ == "InvalidField" else 1), str(error)
    return failures.outcome_of(error)
