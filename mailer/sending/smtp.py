"""One connection to the SMTP server, and what its answers mean.

What concerns one reader (a refused recipient, a refused message) is told apart from what concerns all (no log-in, an
unwanted sender, a server that is busy or away): the second must never be held against a reader.
"""

import enum
import re
import smtplib
import ssl
from dataclasses import dataclass
from typing import Self

from mailer.config import MailSettings
from mailer.errors import InvalidField
from mailer.sending.smtp_codes import means_no_mailbox, means_sender_unwanted


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
    """The verdict, and the server's words without addresses.

    Attributes:
        is_lost: The connection ended while this message was on its way; the server may have taken it or not.
        alone: For SERVER_REFUSES in answer to a recipient: the verdict if the server takes other recipients.
    """

    verdict: Verdict
    problem: str = ""
    is_lost: bool = False
    alone: Verdict | None = None


class SmtpConnection:
    """Opens at the first message, and again after the server closed it. Not for several threads."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, recipient: str, content: bytes) -> Answer:
        """Hands one message over; ACCEPTED only after the server's last word on it."""
        try:
            smtp = self._opened()
            refusal = self._name_sender(smtp)
        except (OSError, smtplib.SMTPException, ValueError, InvalidField) as error:
            self.close()
            return _about_server(error)
        if refusal is not None:
            return refusal
        try:
            return self._name_recipient(smtp, recipient) or self._hand_over(smtp, content)
        except (OSError, smtplib.SMTPException) as error:
            # From here on it may be this very message that the server stumbles over, so it is not sent again at once.
            self.close()
            return Answer(Verdict.LATER, f"the connection was lost: {_words(error)}", is_lost=True)
        except UnicodeError:
            self.close()
            return Answer(Verdict.REFUSED, "the address has letters that SMTP cannot carry")

    def close(self) -> None:
        """Ends the connection; the next message opens another."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            try:
                smtp.quit()
            except (OSError, smtplib.SMTPException):
                smtp.close()

    def _name_sender(self, smtp: smtplib.SMTP) -> Answer | None:
        """None where the server takes the sender."""
        code, text = smtp.mail(self._settings.bounce_address or self._settings.sender_address)
        if code == 250:
            return None
        self._reset(smtp, code)
        return Answer(Verdict.SERVER_REFUSES if code >= 500 else Verdict.SERVER_BUSY, f"{code} {_plain(text)}")

    def _name_recipient(self, smtp: smtplib.SMTP, recipient: str) -> Answer | None:
        """None where the server takes the recipient."""
        code, text = smtp.rcpt(recipient)
        if code in {250, 251}:
            return None
        self._reset(smtp, code)
        words = _plain(text)
        answer = _refusal(code, words)
        if means_sender_unwanted(code, words):
            return Answer(Verdict.SERVER_REFUSES, answer.problem, alone=answer.verdict)
        if means_no_mailbox(code, words):
            return Answer(Verdict.UNKNOWN_RECIPIENT, answer.problem)
        return answer

    def _hand_over(self, smtp: smtplib.SMTP, content: bytes) -> Answer:
        code, text = smtp.docmd("DATA")
        if code != 354:
            self._reset(smtp, code)
            return _refusal(code, _plain(text))
        lines = re.sub(rb"(?m)^\.", b"..", content)
        smtp.send(lines + (b".\r\n" if lines.endswith(b"\r\n") else b"\r\n.\r\n"))
        # RFC 5321, 4.5.3.2.6: who does not wait long enough here sends twice what the server has taken.
        _set_timeout(smtp, self._settings.smtp_message_timeout_seconds)
        code, text = smtp.getreply()
        _set_timeout(smtp, self._settings.smtp_timeout_seconds)
        if code == 250:
            return Answer(Verdict.ACCEPTED)
        if not 400 <= code < 600 or code == 421:
            self.close()
        return _refusal(code, _plain(text))

    def _reset(self, smtp: smtplib.SMTP, code: int) -> None:
        """Makes ready for the next message; what the server said about this one stands, whatever becomes of that."""
        try:
            if 400 <= code < 600 and code != 421 and smtp.rset()[0] == 250:
                return
        except (OSError, smtplib.SMTPException):
            pass
        self.close()

    def _opened(self) -> smtplib.SMTP:
        if self._smtp is not None:
            return self._smtp
        settings, context = self._settings, ssl.create_default_context()
        password = settings.smtp_password() if settings.smtp_user else ""
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
            smtp.login(settings.smtp_user, password)
        return smtp


def _refusal(code: int, words: str) -> Answer:
    """Of a recipient or a message: passing (4xx) or lasting (5xx); after 421 or gibberish the connection is lost."""
    verdict = Verdict.REFUSED if code >= 500 else Verdict.LATER
    return Answer(verdict, f"{code} {words}", is_lost=code < 400 or code == 421)


def _set_timeout(smtp: smtplib.SMTP, seconds: float) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(seconds)


def _about_server(error: Exception) -> Answer:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        lasting = error.smtp_code >= 500
        return Answer(Verdict.SERVER_REFUSES if lasting else Verdict.SERVER_BUSY, f"log-in: {_words(error)}")
    if isinstance(error, smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError | InvalidField):
        return Answer(Verdict.SERVER_REFUSES, _words(error))
    if isinstance(error, UnicodeError):
        return Answer(Verdict.SERVER_REFUSES, "the sender, user or password has letters that SMTP cannot carry")
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
