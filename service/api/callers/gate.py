"""What every call passes before its message is read: identity, limits of the caller, scope."""

import logging
import time
from collections.abc import Callable
from typing import Any

from service.api.callers.identities import Identify, address_of
from service.api.callers.limits import CallerLimits
from service.api.callers.scopes import REFLECTION_METHOD, SCOPES, STATUS_METHOD
from service.domain.callers import Caller
from service.domain.errors import PermissionDenied, Unauthenticated

# A warning about calls without a valid key is logged at most once in this time.
WARNING_SECONDS = 10.0
_log = logging.getLogger("paperfeed.callers")


class Gate:
    """Admits calls. Its methods are called in one event loop.

    Args:
        check_age: Raises StorageUnavailable if the known identities are too old to be trusted.
    """

    def __init__(self, identify: Identify, limits: CallerLimits, check_age: Callable[[], None] = lambda: None) -> None:
        self._identify = identify
        self._limits = limits
        self._check_age = check_age
        self._refused_count = 0
        self._warned_at = -WARNING_SECONDS

    async def identify(self, context: Any) -> Caller:
        """Return the caller of a call.

        Raises:
            Unauthenticated: The call has no valid key or certificate.
            StorageUnavailable: The key is unknown, and the keys cannot be read again.
        """
        try:
            return await self._identify(context)
        except Unauthenticated as error:
            self._warn(context.peer(), error.message)
            raise

    def enter(self, method: str, caller: Caller) -> None:
        """Check the limits and the scope of a caller. If this raises no error, ``answered`` and ``leave`` must follow.

        GetStatus and reflection count for themselves, as calls of another caller would, and GetStatus may be called
        with old keys. So a server can be watched under load and without its database.

        Raises:
            StorageUnavailable: The identities are too old.
            LimitExceeded: The caller makes too many calls.
            PermissionDenied: The caller lacks the scope of the method.
        """
        if method != STATUS_METHOD:
            self._check_age()
        self._limits.enter(_limited_as(method, caller))
        scope = None if method == REFLECTION_METHOD else SCOPES[method]
        if scope is not None and scope not in caller.scopes:
            self.answered(method, caller)
            self.leave(method, caller)
            raise PermissionDenied(scope.value)

    def answered(self, method: str, caller: Caller) -> None:
        """Count that a call that ``enter`` admitted is answered."""
        self._limits.answered(_limited_as(method, caller))

    def leave(self, method: str, caller: Caller) -> None:
        """Count that the client of an answered call has taken the answer or has left."""
        self._limits.leave(_limited_as(method, caller))

    def _warn(self, peer: str, problem: str) -> None:
        self._refused_count += 1
        now = time.monotonic()
        if now - self._warned_at >= WARNING_SECONDS:
            facts = {"address": address_of(peer), "problem": problem, "refused": self._refused_count}
            _log.warning("calls are refused: callers without a valid identity", extra={"facts": facts})
            self._refused_count, self._warned_at = 0, now


def _limited_as(method: str, caller: Caller) -> str:
    return f"{method} {caller.limited_as}" if method in {STATUS_METHOD, REFLECTION_METHOD} else caller.limited_as
