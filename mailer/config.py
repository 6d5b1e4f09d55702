"""Settings of the mailer, which are read once and then passed down as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mailer.errors import InvalidField
from mailer.networks import networks_problem
from mailer.user_ids import user_id_problem
from settings.reader import BaseSettings, any_path, setting
from telemetry import NO_PORT

PREFIX = "PAPERFEED_MAIL_"


@dataclass(frozen=True)
class MailSettings(BaseSettings, prefix=PREFIX, table="mail", invalid=InvalidField):
    """All settings with their defaults. The environment variable of ``name`` is ``PAPERFEED_MAIL_NAME``."""

    db: str = setting(
        "sqlite:///mailer.db",
        "The mailer's database: sqlite:///PATH or postgresql://USER@HOST/NAME. It may be the service's database too.",
        is_path=any_path,
    )
    server: str = setting("localhost:50051", "Address of the feed service, HOST:PORT.")
    base_url: str = setting(
        "http://localhost:8025", "Base URL of the mailer's web pages for subscribers; links in mails begin with it."
    )
    sender_name: str = setting("paperfeed", "Name of the sender, as subscribers see it.")
    sender_address: str = setting("paperfeed@localhost", "Address in From.")
    reply_to: str = setting("", "Address for answers; empty: the sender's.")
    bounce_address: str = setting("", "Envelope sender, to which bounces go; empty: the sender's.")
    postal_address: str = setting("", "Postal address of the sender, shown in every mail; many countries require it.")
    list_id: str = setting(
        "", "List-Id without brackets, e.g. digest.example.org; empty: made from the sender's domain."
    )
    smtp_host: str = setting("localhost", "Host of the SMTP server that sends the mail.")
    smtp_port: int = setting(25, "Port of the SMTP server.", at_least=1, at_most=65535)
    smtp_security: str = setting(
        "starttls",
        "starttls, tls or none. Passwords are never sent without encryption.",
        choices=("starttls", "tls", "none"),
    )
    smtp_user: str = setting("", "User to log in as; empty: no log-in.")
    smtp_password_file: str = setting("", "File that holds the password.", is_path=any_path)
    smtp_connections: int = setting(4, "Connections to the SMTP server at once.", at_least=1, at_most=64)
    smtp_timeout_seconds: float = setting(
        30.0, "Time limit for connecting to the SMTP server, and for each of its answers.", at_least=1, at_most=600
    )
    smtp_message_timeout_seconds: float = setting(
        600.0,
        "Time limit for the answer to a whole message. If it is too short, messages are sent twice.",
        at_least=1,
        at_most=3600,
    )
    messages_per_second: float = setting(0.0, "Messages sent per second at most; 0 means no limit.", at_least=0)
    max_attempts: int = setting(
        8, "Attempts to send a message that the SMTP server refuses temporarily.", at_least=1, at_most=100
    )
    dkim_domain: str = setting("", "Signing domain; empty: the mailer does not sign mail.")
    dkim_selector: str = setting("", "DKIM selector.")
    dkim_key_file: str = setting("", "File that holds the private key, PEM.", is_path=any_path)
    host: str = setting("127.0.0.1", "Address that the web app listens on.")
    port: int = setting(8025, "Port that the web app listens on; 0 takes a free port.", at_least=0, at_most=65535)
    metrics_host: str = setting("127.0.0.1", "Address that the port for metrics and probes listens on.")
    metrics_port: int = setting(
        NO_PORT,
        "Port on which 'mail serve' has /metrics, /livez and /readyz over HTTP; -1: none; 0 takes a free port.",
        at_least=NO_PORT,
        at_most=65535,
    )
    trusted_proxies: str = setting(
        "",
        "Addresses or networks of the proxies in front of the web app, separated by commas. Only they are believed to "
        "name a client's address (X-Forwarded-For). Empty: nobody is.",
        check=networks_problem,
    )
    request_timeout_seconds: float = setting(
        15.0,
        "The web app closes a connection whose request has not arrived whole within this time.",
        at_least=0.1,
        at_most=600,
    )
    page_user: str = setting(
        "me",
        "User whose feed the web pages show without a sign-in, to browsers on this machine only and only if "
        "PAPERFEED_MAIL_BASE_URL names this machine. Empty: everybody signs in.",
        check=user_id_problem,
        may_be_empty=True,
    )
    track_clicks: bool = setting(
        default=False,
        help_text="Whether the links to papers in mails lead over the web app, which records the click. False: they "
        "lead straight to the paper.",
    )
    min_probability: float = setting(
        0.0,
        "Lowest probability, 0 to 1, that a subscriber likes or saves a paper of an issue; without such papers no mail "
        "is sent. 0 means no limit. Needs a calibrated model bundle.",
        at_least=0,
        at_most=1,
    )
    keep_issues_days: int = setting(120, "Issues are removed after this many days; 0 keeps all.", at_least=0)
    stale_digest_weekdays: int = setting(
        3,
        "A run with due subscribers fails if there was no new digest on this many weekdays; 0 means never.",
        at_least=0,
    )
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR.", choices=("DEBUG", "INFO", "WARNING", "ERROR"))

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **flags: object) -> Self:
        """Return the settings; see ``BaseSettings.read``. Settings that contradict one another are refused too."""
        found = super().read(environment, **flags)
        if not found.base_url.startswith(("http://", "https://")):
            raise InvalidField(PREFIX + "BASE_URL", f"'{found.base_url}' does not begin with http:// or https://")
        if found.smtp_user and found.smtp_security == "none":
            raise InvalidField(PREFIX + "SMTP_SECURITY", "is none: a password is never sent without encryption")
        return found

    def secret(self, name: str) -> str:
        """Return the stripped content of the file that the setting names; empty if the setting is empty.

        Raises:
            InvalidField: The file cannot be read.
        """
        path = getattr(self, name)
        try:
            return Path(path).expanduser().read_text(encoding="utf-8").strip() if path else ""
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidField(PREFIX + name.upper(), f"{path} cannot be read: {error}") from None
