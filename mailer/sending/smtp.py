"""One connection to the SMTP server, and the interpretation of its replies.

A reply may concern one subscriber (a refused recipient or message) or all of them (a failed log-in, a refused sender, a
busy or unreachable server). The two are kept apart: a reply of the second kind must not fail a subscriber's issue.
"""

import enum
import re
import smtplib
import ssl
from dataclasses import dataclass

from mailer.config import MailSettings
from mailer.errors import InvalidField
from mailer.sending.smtp_codes import means_no_mailbox, means_sender_unwanted


class Verdict(enum.Enum):
    """The result of an attempt to send a message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The server refused this message or recipient permanently."""
    UNKNOWN_RECIPIENT = "unknown_recipient"
    """The server refused the recipient permanently because the mailbox does not exist."""
    LATER = "later"
    """The server refused this message for the moment; it may accept others."""
    SERVER_BUSY = "server_busy"
    """The server accepts no message for the moment."""
    SERVER_REFUSES = "server_refuses"
    """The server accepts no message with the present settings."""


@dataclass(frozen=True)
class Answer:
    """The verdict on a message.

    Attributes:
        problem: Reply of the server without addresses; empty if it accepted the message.
        is_lost: The connection ended while the message was being sent, so the server may have accepted it or not.
        alone: If the verdict is SERVER_REFUSES because of a recipient: the verdict if the server accepts others.
    """

    verdict: Verdict
    problem: str = ""
    is_lost: bool = False
    alone: Verdict | None = None


class SmtpConnection:
    """A connection that opens at the first message, and again after the server closed it. Not thread-safe."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None

    def send(self, recipient: str, content: bytes) -> Answer:
        """Send one message. The verdict is ACCEPTED only after the server's final reply."""
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
            # This message may have caused the loss, so it is not sent again at once.
            self.close()
            return Answer(Verdict.LATER, f"the connection was lost: {_words(error)}", is_lost=True)
        except UnicodeError:
            self.close()
            return Answer(Verdict.REFUSED, "the address contains characters that SMTP cannot transport")

    def check(self) -> Answer:
        """Connect, log in and name the sender, without a message. The verdict ACCEPTED says that all that worked."""
        try:
            refusal = self._name_sender(self._opened())
        except (OSError, smtplib.SMTPException, ValueError, InvalidField) as error:
            refusal = _about_server(error)
        self.close()
        return refusal or Answer(Verdict.ACCEPTED)

    def close(self) -> None:
        """Close the connection; the next message opens a new one."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            try:
                smtp.quit()
            except (OSError, smtplib.SMTPException):
                smtp.close()

    def _name_sender(self, smtp: smtplib.SMTP) -> Answer | None:
        """Name the sender; return None if the server accepts it."""
        code, text = smtp.mail(self._settings.bounce_address or self._settings.sender_address)
        if code == 250:
            return None
        self._reset(smtp, code)
        return Answer(Verdict.SERVER_REFUSES if code >= 500 else Verdict.SERVER_BUSY, f"{code} {_plain(text)}")

    def _name_recipient(self, smtp: smtplib.SMTP, recipient: str) -> Answer | None:
        """Name the recipient; return None if the server accepts it."""
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
        # RFC 5321, 4.5.3.2.6: too short a timeout here causes duplicates of messages that the server has accepted.
        _set_timeout(smtp, self._settings.smtp_message_timeout_seconds)
        code, text = smtp.getreply()
        _set_timeout(smtp, self._settings.smtp_timeout_seconds)
        if code == 250:
            return Answer(Verdict.ACCEPTED)
        if not 400 <= code < 600 or code == 421:
            self.close()
        return _refusal(code, _plain(text))

    def _reset(self, smtp: smtplib.SMTP, code: int) -> None:
        """Prepare the connection for the next message, or close it; the reply about this message remains valid."""
        try:
            if 400 <= code < 600 and code != 421 and smtp.rset()[0] == 250:
                return
        except (OSError, smtplib.SMTPException):
            pass
        self.close()

    def _opened(self) -> smtplib.SMTP:
        if self._smtp is not None:
            return self._smtp
        settings = self._settings
        password = settings.secret("smtp_password_file") if settings.smtp_user else ""
        timeout = settings.smtp_timeout_seconds
        smtp: smtplib.SMTP
        if settings.smtp_security == "tls":
            context = ssl.create_default_context()
            smtp = smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=timeout, context=context)
        else:
            smtp = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=timeout)
        self._smtp = smtp
        smtp.ehlo_or_helo_if_needed()
        if settings.smtp_security == "starttls":
            # Raises if the server does not offer STARTTLS, so that nothing is sent unencrypted.
            smtp.starttls(context=ssl.create_default_context())
            smtp.ehlo()
        if settings.smtp_user:
            smtp.login(settings.smtp_user, password)
        return smtp


def _refusal(code: int, words: str) -> Answer:
    """Return the answer for a refused recipient or message: LATER for 4xx, REFUSED for 5xx.

    After 421 or an invalid code, the connection counts as lost.
    """
    verdict = Verdict.REFUSED if code >= 500 else Verdict.LATER
    return Answer(verdict, f"{code} {words}", is_lost=code < 400 or code == 421)


def _set_timeout(smtp: smtplib.SMTP, seconds: float) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(seconds)


def _about_server(error: Exception) -> Answer:
    if isinstance(error, UnicodeError):
        problem = "the sender, user or password contains characters that SMTP cannot transport"
        return Answer(Verdict.SERVER_REFUSES, problem)
    is_refusal = isinstance(error, smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError | InvalidField)
    if isinstance(error, smtplib.SMTPResponseException):
        is_refusal = error.smtp_code >= 500
    problem = f"{'log-in: ' if isinstance(error, smtplib.SMTPAuthenticationError) else ''}{_words(error)}"
    return Answer(Verdict.SERVER_REFUSES if is_refusal else Verdict.SERVER_BUSY, problem)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        raw = error.smtp_error
        return f"{error.smtp_code} {_plain(raw if isinstance(raw, bytes) else str(raw).encode())}"
    return _plain(str(error).encode()) or type(error).__name__


def _plain(text: bytes) -> str:
    """Return the text in one line and without addresses, for logs and summaries."""
    line = " ".join(text.decode("utf-8", "replace").split())
    return re.sub(r"[^\s<>]+@[^\s<>]+", "…", line)[:300]
