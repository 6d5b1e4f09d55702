"""A polite HTTP client with limits on time and size.

Temporary failures (429, 5xx, an interrupted or slow answer) are retried, after the time that the server asks for
(Retry-After) or after a growing wait with jitter. Permanent failures (wrong address or certificate, 403, 404) are not.

Redirects into private networks are refused, so that a feed on the internet cannot make this machine send requests to
its own network. The address that the user gave may be private. A request with headers of its own, such as an API key,
follows no redirect to another server.

A server that asks for rest (the header Backoff of Zotero) gets no request before that time is over.
"""

import datetime as dt
import email.utils
import ipaddress
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from service.domain.errors import SourceUnavailable

MAX_BYTES = 50_000_000
MAX_REDIRECTS = 5
LONGEST_WAIT_SECONDS = 300.0
_TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})


class TemporaryFailure(Exception):
    """A failure that a retry may cure.

    Attributes:
        after_seconds: Wait that the server asked for; None if it did not.
    """

    def __init__(self, problem: str, after_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.after_seconds = after_seconds


@dataclass(frozen=True)
class RetryLimits:
    """Limits of requests and retries.

    Attributes:
        tries: Attempts per address.
        timeout_seconds: Time limit for connecting, and for each part of the answer.
        total_seconds: Time limit for a whole answer.
        pause_seconds: Pause between two requests; arXiv asks for three seconds.
        wait_seconds: Wait before the second attempt; it doubles with each attempt.
    """

    tries: int = 5
    timeout_seconds: float = 20.0
    total_seconds: float = 120.0
    pause_seconds: float = 3.0
    wait_seconds: float = 5.0


@dataclass(frozen=True)
class Answer:
    """An answer to ``Http.ask``: its status, its headers (names in any case), and its body, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """The client, to be used in a ``with`` block.

    Args:
        user_agent: Names the program and an address to contact.
        allow_private_redirects: Whether redirects to other hosts in private networks are followed.
        sleep: Waits for a number of seconds; tests replace it.
    """

    def __init__(
        self,
        user_agent: str,
        limits: RetryLimits | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        allow_private_redirects: bool = False,
    ) -> None:
        self._allow_private = allow_private_redirects
        self._named = httpx.URL("")
        self._is_personal = False
        self._limits = limits or RetryLimits()
        self._sleep = sleep
        self._last = self._rest_until = -float("inf")
        self._client = httpx.Client(
            headers={"User-Agent": user_agent},
            timeout=self._limits.timeout_seconds,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            event_hooks={"request": [self._check_target]},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(
        self, url: str, params: Mapping[str, str] | None = None, check: Callable[[bytes], None] = lambda _: None
    ) -> bytes:
        """Return the decompressed body of the answer. See ``ask``."""
        return self.ask(url, params, check=check).body

    def ask(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        accepted: Collection[int] = (200,),
        check: Callable[[bytes], None] = lambda _: None,
    ) -> Answer:
        """Return the answer to a GET request.

        Args:
            headers: Headers of this request. With any, a redirect to another server is refused.
            accepted: Statuses that are no failure. Answers of 200 have a body.
            check: Raises ``TemporaryFailure`` for a body of an answer of 200 that is worth a retry.

        Raises:
            SourceUnavailable: The request failed permanently, or in all attempts. The error names address and reason.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(TemporaryFailure),
            stop=stop_after_attempt(self._limits.tries),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, url, params, headers or {}, accepted, check)
        except TemporaryFailure as error:
            raise SourceUnavailable(url, f"{error.problem} ({self._limits.tries} tries)") from error

    def _once(
        self,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
        accepted: Collection[int],
        check: Callable[[bytes], None],
    ) -> Answer:
        pause = max(self._last + self._limits.pause_seconds, self._rest_until) - time.monotonic()
        if pause > 0:
            self._sleep(pause)
        try:
            answer = self._answer(url, params, headers, accepted)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
            raise SourceUnavailable(url, f"cannot be requested: {error}") from error
        except (ValueError, OverflowError) as error:  # e.g. a part of the host name that is too long for a name server
            raise SourceUnavailable(url, f"cannot be requested: its host or port is not valid ({error})") from error
        except httpx.TimeoutException as error:
            raise TemporaryFailure("does not answer in time") from error
        except (httpx.TransportError, httpx.DecodingError, httpx.StreamError) as error:
            if _is_certificate(error):
                raise SourceUnavailable(url, f"its certificate is not valid: {error}") from error
            raise TemporaryFailure(f"the answer was interrupted or never came: {type(error).__name__}") from error
        finally:
            self._last = time.monotonic()
        if answer.status == 200:
            check(answer.body)
        return answer

    def _answer(
        self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str], accepted: Collection[int]
    ) -> Answer:
        began = time.monotonic()
        self._named, self._is_personal = httpx.URL(url), bool(headers)
        with self._client.stream("GET", url, params=params, headers=headers) as answer:
            rest = _seconds(answer.headers.get("Backoff", ""))
            if rest is not None:
                self._rest_until = time.monotonic() + min(rest, LONGEST_WAIT_SECONDS)
            if answer.status_code in _TEMPORARY_STATUS:
                asked = _seconds(answer.headers.get("Retry-After", ""))
                raise TemporaryFailure(f"it answered {answer.status_code}", asked)
            if answer.status_code not in accepted:
                raise SourceUnavailable(url, f"it answered {answer.status_code} {answer.reason_phrase}")
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise SourceUnavailable(url, f"the answer is larger than {MAX_BYTES:,} bytes")
                if time.monotonic() - began > self._limits.total_seconds:
                    raise TemporaryFailure(f"the answer takes longer than {self._limits.total_seconds:g} seconds")
            if not body and answer.status_code == 200:
                raise TemporaryFailure("it sent an empty answer")
            return Answer(answer.status_code, answer.headers, bytes(body))

    def _check_target(self, request: httpx.Request) -> None:
        """Refuse a redirect into a private network, or of a personal request, unless it stays on the named host.

        Raises:
            SourceUnavailable: The target is private, or must not get what was meant for the named host.
        """
        host, port = request.url.host, request.url.port
        target, named = request.url, self._named
        if self._is_personal and (target.scheme, host, port) != (named.scheme, named.host, named.port):
            raise SourceUnavailable(
                str(named), f"it redirects to {target.scheme}://{host}, which gets no key; is the address right?"
            )
        is_named_host = host == self._named.host and port in {self._named.port, None}
        if not self._allow_private and not is_named_host and _is_private(host):
            problem = f"it redirects to {host}, which is private; PAPERFEED_FETCH_PRIVATE_REDIRECTS=true allows this"
            raise SourceUnavailable(str(self._named), problem)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after_seconds if isinstance(error, TemporaryFailure) else None
        if asked is not None:
            return min(asked, LONGEST_WAIT_SECONDS)
        grown = wait_random_exponential(multiplier=self._limits.wait_seconds, max=LONGEST_WAIT_SECONDS)
        return grown(state)


def check_json(body: bytes) -> None:
    """Check that an answer is JSON, for ``Http.get``.

    Raises:
        TemporaryFailure: It is not, such as the page of an overloaded server.
    """
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise TemporaryFailure("its answer is not JSON, or is cut off") from None


def _seconds(value: str) -> float | None:
    """Return the seconds of a Retry-After or Backoff header, a number or an HTTP date; None if it is neither."""
    if re.fullmatch(r"[0-9]{1,15}", value.strip()):
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
        then = then if then.tzinfo else then.replace(tzinfo=dt.UTC)
        return max(0.0, (then - dt.datetime.now(dt.UTC)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _is_private(host: str) -> bool:
    """Return whether a host, or one of the addresses that its name has, is not on the public internet."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, ValueError):  # the request fails too, or goes to a proxy that knows the name
        return False
    addresses = (ipaddress.ip_address(str(address).partition("%")[0]) for address in found)
    return any(not (getattr(address, "ipv4_mapped", None) or address).is_global for address in addresses)


def _is_certificate(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
