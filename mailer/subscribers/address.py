"""Addresses: what may be one, and when two are the same."""

import hashlib

from email_validator import EmailNotValidError, validate_email

from mailer.errors import InvalidField

MAX_LENGTH = 254


def parse_address(text: str, field: str = "address") -> str:
    """The address in its usual form: domain in lower case and ASCII, local part as given.

    No name server is asked. Local parts beyond ASCII are refused: many servers on the way cannot carry them.

    Raises:
        InvalidField: It cannot be an address; ``field`` is named.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidField(field, f"is longer than {MAX_LENGTH} characters")
    try:
        found = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidField(field, f"is not an e-mail address: {error}") from None
    if found.ascii_email is None:
        raise InvalidField(field, "is not an e-mail address that every server can carry")
    return found.ascii_email


def address_key(address: str) -> str:
    """Equal for two spellings that reach one mailbox, as far as one can tell without asking its server."""
    return address.lower()


def address_hash(address: str) -> str:
    """SHA-256 of the key, hexadecimal: recognises an address without keeping it."""
    return hashlib.sha256(address_key(address).encode()).hexdigest()


def user_id_hash(user_id: str) -> str:
    """As in the service's tombstones: SHA-256 of the user_id, hexadecimal."""
    return hashlib.sha256(user_id.encode()).hexdigest()
