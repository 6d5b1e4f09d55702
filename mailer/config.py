"""Settings of the mailer: read once, then passed down as values. Its only reader of the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from mailer.errors import InvalidField

PREFIX = "PAPERFEED_MAIL_"
T = TypeVar("T")


def _setting(default: Any, help_text: str, *, at_least: float | None = None, at_most: float | None = None) -> Any:
    return field(default=default, metadata={"help": help_text, "at_least": at_least, "at_most": at_most})


@dataclass(frozen=True)
class MailSettings:
    """Every setting, with its default. The environment variable of ``name`` is ``PAPERFEED_MAIL_NAME``."""

    db: str = _setting(
        "sqlite:///mailer.db", "The mailer's own database: sqlite:///PATH or postgresql://USER@HOST/NAME."
    )
    server: str = _setting("localhost:50051", "The feed service, HOST:PORT.")
    server_tls: bool = _setting(default=False, help_text="Whether the feed service is asked over TLS.")
    base_url: str = _setting(
        "http://localhost:8025", "Where readers reach the mailer's web pages; links begin with it."
    )
    sender_name: str = _setting("paperfeed", "Who sends, as readers see it.")
    sender_address: str = _setting("paperfeed@localhost", "Address in From.")
    reply_to: str = _setting("", "Address for answers; empty: the sender's.")
    bounce_address: str = _setting("", "Envelope sender, to which bounces go; empty: the sender's.")
    postal_address: str = _setting("", "Postal address of the sender, shown in every mail; many countries ask for it.")
    list_id: str = _setting(
        "", "List-Id without brackets, e.g. digest.example.org; empty: made from the sender's domain."
    )
    smtp_host: str = _setting("localhost", "SMTP server that takes the mail.")
    smtp_port: int = _setting(25, "Its port.", at_least=1, at_most=65535)
    smtp_security: str = _setting("starttls", "starttls, tls or none. Passwords are never sent without encryption.")
    smtp_user: str = _setting("", "User to log in as; empty: no log-in.")
    smtp_password_file: str = _setting("", "File that holds the password.")
    smtp_connections: int = _setting(4, "Connections to the SMTP server at once.", at_least=1, at_most=64)
    smtp_timeout_seconds: float = _setting(30.0, "For connecting and for each answer.", at_least=1, at_most=600)
    smtp_message_timeout_seconds: float = _setting(
        600.0, "For the answer to a whole message; too short, and it goes out twice.", at_least=1, at_most=3600
    )
    messages_per_second: float = _setting(0.0, "Most messages handed over in a second; 0 means no limit.", at_least=0)
    max_attempts: int = _setting(8, "A message refused for the time being is tried so often.", at_least=1, at_most=100)
    dkim_domain: str = _setting("", "Signing domain; empty: mail is not signed here.")
    dkim_selector: str = _setting("", "DKIM selector.")
    dkim_key_file: str = _setting("", "File that holds the private key, PEM.")
    host: str = _setting("127.0.0.1", "Address that the web app listens on.")
    port: int = _setting(8025, "Port that it listens on; 0 takes a free one.", at_least=0, at_most=65535)
    trusted_proxies: str = _setting("127.0.0.1", "Proxies whose X-Forwarded-For is believed; a comma list.")
    keep_issues_days: int = _setting(120, "Issues are removed after so long; 0 keeps all.", at_least=0)
    stale_digest_weekdays: int = _setting(
        3, "On so many weekdays without a new digest, a run with due readers fails; 0 means never.", at_least=0
    )
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR.")

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **flags: object) -> "MailSettings":
        """Settings from flags (None means not given), then the environment, then defaults.

        Raises:
            InvalidField: Names the variable or flag that cannot be used.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for each in fields(cls):
            variable = PREFIX + each.name.upper()
            if flags.get(each.name) is not None:
                values[each.name] = _checked(each.name, flags[each.name], each)
            elif environment.get(variable):
                values[each.name] = _checked(variable, environment[variable], each)
        found = cls(**values)
        _check_choice("smtp_security", found.smtp_security, ("starttls", "tls", "none"))
        _check_choice("log_level", found.log_level.upper(), ("DEBUG", "INFO", "WARNING", "ERROR"))
        if not found.base_url.startswith(("http://", "https://")):
            raise InvalidField(PREFIX + "BASE_URL", f"'{found.base_url}' does not begin with http:// or https://")
        if found.smtp_user and found.smtp_security == "none":
            raise InvalidField(PREFIX + "SMTP_SECURITY", "is none: a password is never sent without encryption")
        return found

    def smtp_password(self) -> str:
        """The password; empty where none is set.

        Raises:
            InvalidField: The file cannot be read.
        """
        return _secret("SMTP_PASSWORD_FILE", self.smtp_password_file)

    def dkim_key(self) -> str:
        """The private key, PEM; empty where none is set.

        Raises:
            InvalidField: The file cannot be read.
        """
        return _secret("DKIM_KEY_FILE", self.dkim_key_file)


def _secret(name: str, path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidField(PREFIX + name, f"{path} cannot be read: {error}") from None


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidField(PREFIX + name.upper(), f"'{value}' is not {', '.join(choices[:-1])} or {choices[-1]}")


def _checked(name: str, value: Any, each: Any) -> Any:
    kind = type(each.default)
    if kind is bool and isinstance(value, str):
        if value.lower() not in {"true", "false", "1", "0", "yes", "no"}:
            raise InvalidField(name, f"'{value}' is not true or false")
        return value.lower() in {"true", "1", "yes"}
    try:
        converted = kind(value)
    except ValueError:
        raise InvalidField(name, f"'{value}' is not {'a whole number' if kind is int else 'a number'}") from None
    if kind in (int, float):
        at_least, at_most = each.metadata["at_least"], each.metadata["at_most"]
        # Written so that NaN fails too.
        if not ((at_least is None or converted >= at_least) and (at_most is None or converted <= at_most)):
            limits = (("at least", at_least), ("at most", at_most))
            wanted = " and ".join(f"{word} {limit}" for word, limit in limits if limit is not None)
            raise InvalidField(name, f"is {converted}; must be {wanted or 'a number'}")
    return converted
