"""What every call passes before its message is read: identity, limits of the caller, scope."""

import logging
from collections.abc import Callable
from typing import Any

from service.api.callers.identities import Identify, address_of
from service.api.callers.limits import CallerLimits, Usage
from service.api.callers.scopes import REFLECTION_METHOD, SCOPES, STATUS_METHOD
from service.api.queues import Refusals
from service.domain.callers import Caller
from service.domain.errors import PermissionDenied, Unauthenticated

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
        self._refusals = Refusals(_log, "calls are refused: callers without a valid identity")

    async def identify(self, context: Any) -> Caller:
        """Return the caller of a call.

        Raises:
            Unauthenticated: The call has no valid key or certificate.
            StorageUnavailable: The key is unknown, and the keys cannot be read again.
        """
        try:
            return await self._identify(context)
        except Unauthenticated as error:
            self._refusals.add(address=address_of(context.peer()), problem=error.message)
            raise

    def enter(self, method: str, caller: Caller) -> Usage:
        """Check the limits and the scope of a caller; see ``CallerLimits.enter`` for the result.

        GetStatus and reflection count for themselves, as calls of another caller would, and GetStatus may be called
        with old keys. So a server can be watched under load and without its database.

        Raises:
            StorageUnavailable: The identities are too old.
            LimitExceeded: The caller makes too many calls.
            PermissionDenied: The caller lacks the scope of the method.
        """
        if method != STATUS_METHOD:
            self._check_age()
        is_apart = method in {STATUS_METHOD, REFLECTION_METHOD}
        usage = self._limits.enter(f"{method} {caller.limited_as}" if is_apart else caller.limited_as)
        scope = None if method == REFLECTION_METHOD else SCOPES[method]
        if scope is not None and scope not in caller.scopes:
            usage.answered()
            usage.leave()
            raise PermissionDenied(scope.value)
        return usage
