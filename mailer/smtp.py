"""One connection to the SMTP server, and what its answers mean.

What concerns one reader (a refused recipient, a refused message) is told apart from what concerns all (no log-in, a
server that is busy or away): the second must never be held against a reader.
"""

import enum
import re
import smtplib
import ssl
from dataclasses import dataclass
from typing import Self

from mailer.config import MailSettings

_ENHANCED = re.compile(r"\b([45])\.(\d{1,3})\.(\d{1,3})\b")


class Verdict(enum.Enum):
    """What became of a message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """For good: this message or this recipient."""
    UNKNOWN_RECIPIENT = "unknown_recipient"
    """For good, and the address with it."""
    LATER = "later"
    """This message not now; others may go."""
    SERVER_BUSY = "server_busy"
    """No message now."""
    SERVER_REFUSES = "server_refuses"
    """No message at all, until somebody mends the settings."""


@dataclass(frozen=True)
class Answer:
    """The verdict, and the server's words without addresses."""

    verdict: Verdict
    problem: str = ""


class SmtpConnection:
    """Opens at the first message, and again after the server closed it. Not for several threads."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._password = settings.smtp_password()
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, recipient: str, content: bytes) -> Answer:
        """Hands one message over; ACCEPTED only after the server's last word on it."""
        try:
            smtp = self._opened()
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return _about_server(error)
        try:
            return self._transaction(smtp, recipient, content)
        except (OSError, smtplib.SMTPException) as error:
            # The connection's state is unknown, and so is the message's fate: it goes again, under the same Message-ID.
            self.close()
            return Answer(Verdict.SERVER_BUSY, f"the connection was lost: {_words(error)}")

    def close(self) -> None:
        """Ends the connection; the next message opens another."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            try:
                smtp.quit()
            except (OSError, smtplib.SMTPException):
                smtp.close()

    def _transaction(self, smtp: smtplib.SMTP, recipient: str, content: bytes) -> Answer:
        sender = self._settings.bounce_address or self._settings.sender_address
        code, text = smtp.mail(sender)
        if code != 250:
            smtp.rset()
            return _answer(code, text, (Verdict.SERVER_BUSY, Verdict.SERVER_REFUSES))
        code, text = smtp.rcpt(recipient)
        if code not in {250, 251}:
            smtp.rset()
            return _answer(code, text, (Verdict.LATER, _refusal(code, text)))
        code, text = smtp.data(content)
        if code == 250:
            return Answer(Verdict.ACCEPTED)
        return _answer(code, text, (Verdict.LATER, Verdict.REFUSED))

    def _opened(self) -> smtplib.SMTP:
        if self._smtp is not None:
            return self._smtp
        settings, context = self._settings, ssl.create_default_context()
        timeout = settings.smtp_timeout_seconds
        smtp: smtplib.SMTP
        if settings.smtp_security == "tls":
            smtp = smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=timeout, context=context)
        else:
            smtp = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=timeout)
        self._smtp = smtp
        smtp.ehlo_or_helo_if_needed()
        if settings.smtp_security == "starttls":
            # Raises where the server has none: never on in the clear.
            smtp.starttls(context=context)
            smtp.ehlo()
        if settings.smtp_user:
            smtp.login(settings.smtp_user, self._password)
        return smtp


def _answer(code: int, text: bytes, verdicts: tuple[Verdict, Verdict]) -> Answer:
    """The verdict for a passing (4xx) or a lasting (5xx) refusal; 421 always means the whole server."""
    later, never = verdicts
    verdict = Verdict.SERVER_BUSY if code == 421 else never if code >= 500 else later
    return Answer(verdict, f"{code} {_plain(text)}")


def _refusal(code: int, text: bytes) -> Verdict:
    """Whether the mailbox is not there at all (5.1.x; or a bare 550, 551 or 553), or refuses this message."""
    found = _ENHANCED.search(text.decode("utf-8", "replace"))
    if found is not None:
        return Verdict.UNKNOWN_RECIPIENT if (found[1], found[2]) == ("5", "1") else Verdict.REFUSED
    return Verdict.UNKNOWN_RECIPIENT if code in {551, 553} else Verdict.REFUSED


def _about_server(error: Exception) -> Answer:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        lasting = error.smtp_code >= 500
        return Answer(Verdict.SERVER_REFUSES if lasting else Verdict.SERVER_BUSY, f"log-in: {_words(error)}")
    if isinstance(error, smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError):
        return Answer(Verdict.SERVER_REFUSES, _words(error))
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500:
        return Answer(Verdict.SERVER_REFUSES, _words(error))
    return Answer(Verdict.SERVER_BUSY, _words(error))


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        raw = error.smtp_error
        return f"{error.smtp_code} {_plain(raw if isinstance(raw, bytes) else str(raw).encode())}"
    return _plain(str(error).encode()) or type(error).__name__


def _plain(text: bytes) -> str:
    """One line without addresses, for logs and summaries."""
    line = " ".join(text.decode("utf-8", "replace").split())
    return re.sub(r"[^\s<>]+@[^\s<>]+", "…", line)[:300]
