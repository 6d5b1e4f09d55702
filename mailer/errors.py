"""Every error that the mailer raises on purpose.

    MailerError
    ├── InvalidField          a setting, argument or form field breaks a rule   (field)
    ├── InvalidFile           an input file breaks a rule                       (source, line)
    ├── NotFound              what is named is not there                        (resource, name)
    ├── LinkRefused           a link was altered, is of another purpose, or too old
    ├── AddressSuppressed     mail to the address is forbidden                  (reason)
    ├── StorageUnavailable    the mailer's database does not answer, or is full
    ├── SchemaMismatch        its schema is not the code's
    └── ServiceUnavailable    the feed service does not answer, or refuses

The same tree as the service's, doubled on purpose: the two share nothing but the contract.
"""


class MailerError(Exception):
    """Base of all errors raised on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidField(MailerError):
    """``field`` is the setting, option or form field at fault."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class InvalidFile(MailerError):
    """``line`` is one-based, None where no single line is at fault."""

    def __init__(self, source: str, problem: str, *, line: int | None = None) -> None:
        super().__init__(f"{source if line is None else f'{source}, line {line}'}: {problem}")
        self.source = source
        self.problem = problem
        self.line = line


class NotFound(MailerError):
    """``resource`` is a noun: subscriber, issue, paper."""

    def __init__(self, resource: str, name: str) -> None:
        super().__init__(f"no {resource} '{name}'")
        self.resource = resource
        self.name = name


class LinkRefused(MailerError):
    """``problem`` is for people: altered, of another purpose, expired, used."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"this link cannot be used: {problem}")
        self.problem = problem


class AddressSuppressed(MailerError):
    """No mail may go to the address; ``reason`` is a ``SuppressionReason``'s value."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"mail to this address is stopped: {reason}")
        self.reason = reason


class StorageUnavailable(MailerError):
    """The mailer's database does not answer, is locked for too long, or has no room."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the mailer's database is not available: {problem}")


class SchemaMismatch(MailerError):
    """The schema's revision is not the one that this version works with."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the mailer's database does not fit this version of paperfeed: {problem}")


class ServiceUnavailable(MailerError):
    """The feed service does not answer, or refuses what the mailer needs."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the feed service is not available: {problem}")
