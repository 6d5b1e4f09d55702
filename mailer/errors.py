"""Every error that the mailer raises on purpose.

    MailerError
    ├── InvalidField          a setting, argument or form field breaks a rule      (field)
    ├── InvalidFile           an input file breaks a rule
    ├── NotFound              the named resource does not exist
    ├── LinkRefused           a link was altered, has expired, or has another purpose
    ├── AddressSuppressed     mail to the address is stopped
    ├── StorageUnavailable    the mailer's database does not answer, or is full
    ├── SchemaMismatch        the database schema does not match the code
    └── ServiceUnavailable    the feed service does not answer, or refuses

The tree resembles the feed service's. The two are separate because the mailer is only a client of the service.
"""


class MailerError(Exception):
    """Base of all errors that the mailer raises on purpose."""


class InvalidField(MailerError):
    """An invalid value; ``field`` names the setting, option or form field."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class InvalidFile(MailerError):
    """An invalid input file; ``line`` is one-based, None where no single line is at fault."""

    def __init__(self, source: str, problem: str, *, line: int | None = None) -> None:
        super().__init__(f"{source if line is None else f'{source}, line {line}'}: {problem}")


class NotFound(MailerError):
    """A missing resource; ``resource`` is a noun such as subscriber, issue or paper."""

    def __init__(self, resource: str, name: str) -> None:
        super().__init__(f"no {resource} '{name}'")


class LinkRefused(MailerError):
    """A link that cannot be used; ``problem`` is shown to subscribers."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"this link cannot be used: {problem}")
        self.problem = problem


class AddressSuppressed(MailerError):
    """Mail to the address is stopped; ``reason`` is the value of a ``SuppressionReason``."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"mail to this address is stopped: {reason}")


class StorageUnavailable(MailerError):
    """The mailer's database does not answer, stays locked, or is full."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the mailer's database is not available: {problem}")


class SchemaMismatch(MailerError):
    """The revision of the database schema differs from the one that this version needs."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the mailer's database does not fit this version of paperfeed: {problem}")


class ServiceUnavailable(MailerError):
    """The feed service does not answer, or refuses a call that the mailer needs."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the feed service is not available: {problem}")
