"""E-mail addresses: validation, comparison and hashing."""

import hashlib

from email_validator import EmailNotValidError, validate_email

from mailer.errors import InvalidField

MAX_LENGTH = 254


def parse_address(text: str) -> str:
    """Return the address with its domain in lower case and ASCII, and its local part unchanged.

    The function does not query DNS. It refuses local parts beyond ASCII, which many mail servers cannot transport.

    Raises:
        InvalidField: The text is not an address.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidField("address", f"is longer than {MAX_LENGTH} characters")
    try:
        found = validate_email(text.strip(), check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidField("address", f"is not an e-mail address: {error}") from None
    # None only for local parts beyond ASCII, which were refused above.
    return found.ascii_email or ""


def address_key(address: str) -> str:
    """Return a key that is equal for spellings of one address that differ only in case."""
    return address.lower()


def address_hash(address: str) -> str:
    """Return the hexadecimal SHA-256 of the address key, which identifies an address without storing it."""
    return hashlib.sha256(address_key(address).encode()).hexdigest()


def user_id_hash(user_id: str) -> str:
    """Return the hexadecimal SHA-256 of the user_id, as the feed service lists deleted users."""
    return hashlib.sha256(user_id.encode()).hexdigest()
