"""Reading of settings: frozen dataclasses whose fields come from flags, environment variables or defaults.

Only this module reads the environment.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def setting(
    default: Any,
    help_text: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: Sequence[str] = (),
    check: Callable[[str], str | None] = lambda _: None,
    may_be_empty: bool = False,
) -> Any:
    """Return the dataclass field of a setting. The default's type is the setting's type: str, int, float or bool.

    Args:
        choices: Allowed words. Words in capitals may be given in small letters.
        check: Returns the problem of a text, or None if it can be used.
        may_be_empty: Whether an empty environment variable is a value; else it counts as not set.
    """
    rules = {"at_least": at_least, "at_most": at_most, "choices": choices, "check": check, "may_be_empty": may_be_empty}
    return field(default=default, metadata={"help": help_text, **rules})


def read_settings(
    cls: type[T],
    prefix: str,
    environment: Mapping[str, str] | None,
    flags: Mapping[str, object],
    invalid: Callable[[str, str], Exception],
) -> T:
    """Return the settings from flags, then environment variables, then defaults.

    Args:
        cls: Dataclass whose fields were made by ``setting``.
        prefix: Start of each environment variable; the field's name in capitals follows.
        environment: Variables by name; None reads those of this process. An empty variable counts as not set,
            unless the setting may be empty.
        flags: Values by field name; None counts as not given.
        invalid: Makes the exception to raise from the name of the flag or variable, and the problem.

    Raises:
        invalid: A value has the wrong type, or is out of range.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for each in fields(cls):  # type: ignore[arg-type]
        variable = prefix + each.name.upper()
        name, value = each.name, flags.get(each.name)
        found = environment.get(variable)
        if value is None and found is not None and (found or each.metadata["may_be_empty"]):
            name, value = variable, found
        if value is None:
            continue
        try:
            values[each.name] = _converted(value, each)
        except ValueError as error:
            raise invalid(name, str(error)) from None
    return cls(**values)


def variables(prefix: str) -> dict[str, str]:
    """Return the environment variables whose names start with ``prefix``, such as the standard ones of ``OTEL_``."""
    return {name: value for name, value in os.environ.items() if name.startswith(prefix)}


def _converted(value: Any, each: Field[Any]) -> Any:
    """Return the value in the setting's type.

    Raises:
        ValueError: The value has the wrong type, or is out of range.
    """
    if isinstance(each.default, bool):
        return _converted_bool(value)
    if isinstance(each.default, int | float):
        return _converted_number(value, each)
    text, choices = str(value), each.metadata["choices"]
    if choices and text not in choices and text.upper() not in choices:
        raise ValueError(f"'{text}' is not {', '.join(choices[:-1])} or {choices[-1]}")
    if problem := each.metadata["check"](text):
        raise ValueError(problem)
    return text


def _converted_bool(value: Any) -> bool:
    word = str(value).lower()
    if word not in {"true", "false", "1", "0", "yes", "no"}:
        raise ValueError(f"'{value}' is not true or false")
    return word in {"true", "1", "yes"}


def _converted_number(value: Any, each: Field[Any]) -> float:
    kind: type[int | float] = int if isinstance(each.default, int) else float
    try:
        number = kind(value)
    except ValueError:
        raise ValueError(f"'{value}' is not {'a whole number' if kind is int else 'a number'}") from None
    at_least, at_most = each.metadata["at_least"], each.metadata["at_most"]
    # NaN satisfies neither comparison, so it is refused too.
    if not ((at_least is None or number >= at_least) and (at_most is None or number <= at_most)):
        limits = (("at least", at_least), ("at most", at_most))
        wanted = " and ".join(f"{words} {limit}" for words, limit in limits if limit is not None)
        raise ValueError(f"is {number}; must be {wanted}")
    return number
