"""What every call passes before its message is read: identity, limits of the caller, scope."""

import logging
import time
from collections.abc import Callable
from typing import Any

from service.api.callers.identities import Identify, address_of
from service.api.callers.limits import CallerLimits
from service.api.callers.scopes import SCOPES, STATUS_METHOD
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

    def enter(self, method: str, caller: Caller) -> bool:
        """Check the limits and the scope of a caller; return whether ``leave`` must be called at the end of the call.

        GetStatus has no limits and may be called with old keys, so that a server can be watched under load and without
        its database.

        Raises:
            StorageUnavailable: The identities are too old.
            LimitExceeded: The caller makes too many calls.
            PermissionDenied: The caller lacks the scope of the method.
        """
        is_limited = method != STATUS_METHOD
        if is_limited:
            self._check_age()
            self._limits.enter(caller.limited_as)
        scope = SCOPES[method]
        if scope is not None and scope not in caller.scopes:
            if is_limited:
                self._limits.leave(caller.limited_as)
            raise PermissionDenied(scope.value)
        return is_limited

    def leave(self, caller: Caller) -> None:
        """Count the end of a call that has limits."""
        self._limits.leave(caller.limited_as)

    def _warn(self, peer: str, problem: str) -> None:
        self._refused_count += 1
        now = time.monotonic()
        if now - self._warned_at >= WARNING_SECONDS:
            facts = {"address": address_of(peer), "problem": problem, "refused": self._refused_count}
            _log.warning("calls are refused: callers without a valid identity", extra={"facts": facts})
            self._refused_count, self._warned_at = 0, now
