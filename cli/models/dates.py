"""Reads the dates in the options of commands that train and judge models."""

import datetime as dt


def parse_day(option: str, text: str) -> dt.date:
    """Return the date in an option.

    Raises:
        InvalidField: The text is not an ISO date.
    """
    from service.domain.errors import InvalidField

    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InvalidField(option, f"{text!r} is not a date such as 2018-01-31") from error


def day_limit(option: str, text: str | None, default: float) -> float:
    """Return the Unix seconds at which the day in an option begins (UTC), or the default if the option is absent.

    Raises:
        InvalidField: The text is not an ISO date.
    """
    from training.dates import day_seconds

    return default if text is None else day_seconds(parse_day(option, text))
