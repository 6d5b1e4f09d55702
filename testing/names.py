"""Names that no other test uses. A test gets the same ones each time it runs, so that a failure comes back."""

import hashlib
import itertools
import secrets

_run = secrets.token_hex(8)
_numbers = itertools.count()


def restart(test: str) -> None:
    """Let the names that follow depend on the id of this test and on their number in it."""
    global _run, _numbers
    _run, _numbers = test, itertools.count()


def token(length: int) -> str:
    """Return hexadecimal digits, ``length`` of them."""
    return hashlib.sha256(f"{_run} {next(_numbers)}".encode()).hexdigest()[:length]
