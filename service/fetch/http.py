"""One polite HTTP client: bounded in time and size, patient with what passes, quick to give up on what does not.

What passes (429, 5xx, a broken or slow answer) is tried again, after as long as the server asks (Retry-After) or after
a growing, jittered wait. What does not (a wrong address, a wrong certificate, 403, 404) fails at once: trying it a
thousand times has never helped.
"""

import datetime as dt
import email.utils
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from service.domain.errors import SourceUnavailable

MAX_BYTES = 50_000_000
MAX_REDIRECTS = 5
LONGEST_WAIT_SECONDS = 300.0
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})


class Passing(Exception):
    """Worth trying again.

    Attributes:
        after_seconds: As the server asked; None where it did not.
    """

    def __init__(self, problem: str, after_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.after_seconds = after_seconds


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes:
        tries: Attempts at one address.
        timeout_seconds: For connecting, and for each part of the answer.
        total_seconds: For a whole answer.
        pause_seconds: Between two requests; arXiv asks for three seconds.
        wait_seconds: The first wait before another try; it doubles.
    """

    tries: int = 5
    timeout_seconds: float = 20.0
    total_seconds: float = 120.0
    pause_seconds: float = 3.0
    wait_seconds: float = 5.0


class Http:
    """Use it in a ``with`` block.

    Args:
        user_agent: Says who asks, with an address to complain to.
    """

    def __init__(
        self, user_agent: str, patience: Patience | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._patience = patience or Patience()
        self._sleep = sleep
        self._last = -float("inf")
        self._client = httpx.Client(
            headers={"User-Agent": user_agent},
            timeout=self._patience.timeout_seconds,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(
        self, url: str, params: Mapping[str, str] | None = None, check: Callable[[bytes], None] = lambda _: None
    ) -> bytes:
        """The answer's body, decompressed.

        Args:
            check: Raises ``Passing`` for a body that another try may better.

        Raises:
            SourceUnavailable: It cannot be had: for good, or after all tries. Names the address and the reason.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(Passing),
            stop=stop_after_attempt(self._patience.tries),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, url, params, check)
        except Passing as error:
            raise SourceUnavailable(url, f"{error.problem} ({self._patience.tries} tries)") from error

    def _once(self, url: str, params: Mapping[str, str] | None, check: Callable[[bytes], None]) -> bytes:
        pause = self._last + self._patience.pause_seconds - time.monotonic()
        if pause > 0:
            self._sleep(pause)
        try:
            body = self._body(url, params)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
            raise SourceUnavailable(url, f"cannot be asked: {error}") from error
        except httpx.TimeoutException as error:
            raise Passing("does not answer in time") from error
        except (httpx.TransportError, httpx.DecodingError, httpx.StreamError) as error:
            if _is_certificate(error):
                raise SourceUnavailable(url, f"its certificate is not valid: {error}") from error
            raise Passing(f"the answer broke off or never came: {type(error).__name__}") from error
        finally:
            self._last = time.monotonic()
        check(body)
        return body

    def _body(self, url: str, params: Mapping[str, str] | None) -> bytes:
        began = time.monotonic()
        with self._client.stream("GET", url, params=params) as answer:
            if answer.status_code in _PASSING_STATUS:
                raise Passing(f"it answered {answer.status_code}", _retry_after(answer.headers.get("Retry-After", "")))
            if answer.status_code != 200:
                raise SourceUnavailable(url, f"it answered {answer.status_code} {answer.reason_phrase}")
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise SourceUnavailable(url, f"the answer is larger than {MAX_BYTES:,} bytes")
                if time.monotonic() - began > self._patience.total_seconds:
                    raise Passing(f"the answer takes longer than {self._patience.total_seconds:g} seconds")
            if not body:
                raise Passing("it answered with nothing")
            return bytes(body)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after_seconds if isinstance(error, Passing) else None
        if asked is not None:
            return min(asked, LONGEST_WAIT_SECONDS)
        grown = wait_random_exponential(multiplier=self._patience.wait_seconds, max=LONGEST_WAIT_SECONDS)
        return grown(state)


def _retry_after(value: str) -> float | None:
    """Seconds, from a number or an HTTP date; None where it is neither."""
    if value.strip().isdigit():
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=dt.UTC)
    return max(0.0, (then - dt.datetime.now(dt.UTC)).total_seconds())


def _is_certificate(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
