"""The rule for ids of the feed service's users."""

MAX_USER_ID = 200


def user_id_problem(text: str) -> str | None:
    """Return why the service would refuse the text as a user id; None for a valid id, and for an empty text."""
    if len(text) <= MAX_USER_ID and text.isprintable() and " " not in text:
        return None
    return f"must be 1 to {MAX_USER_ID} printable characters without white space"
