"""Reads rules from small TOML files: one table for each check, one number or flag for each rule."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from training.errors import TrainingError

_Rules = TypeVar("_Rules")


class RulesError(TrainingError):
    """A file of rules cannot be used; the message names the file and the rule."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")


def read_rules(kind: type[_Rules], shipped: Path, own: Path | None) -> _Rules:
    """Return the rules of a dataclass whose fields are dataclasses of numbers, flags and texts.

    Args:
        shipped: File with a value for every rule.
        own: File whose values replace the shipped ones; it may leave out tables and rules. None replaces nothing.

    Raises:
        RulesError: A file cannot be read or is not TOML, names an unknown table or rule, or a value has the wrong type
            or range.
    """
    tables = _read(shipped)
    for name, table in (_read(own) if own is not None else {}).items():
        if name not in tables or not isinstance(table, dict):
            raise RulesError(own or shipped, f"there is no table {name!r}; there are {', '.join(sorted(tables))}")
        for rule, value in table.items():
            if rule not in tables[name]:
                known = ", ".join(sorted(tables[name]))
                raise RulesError(own or shipped, f"[{name}] has no rule {rule!r}; there are {known}")
            tables[name][rule] = _checked(own or shipped, f"{name}.{rule}", value, tables[name][rule])
    return kind(**{each.name: each.type(**tables[each.name]) for each in fields(kind)})  # type: ignore[arg-type, operator]


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RulesError(file, f"cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesError(file, f"is not TOML ({error})") from error


def _checked(file: Path, rule: str, value: object, shipped: object) -> object:
    """Return the value if it has the type of the shipped one; a whole number may stand for a number."""
    if isinstance(shipped, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(shipped):
        raise RulesError(file, f"{rule} must be {_TYPES[type(shipped)]}")
    if isinstance(value, int | float) and not 0 <= value < float("inf"):
        raise RulesError(file, f"{rule} must be 0 or more")
    if rule.endswith("error_chance") and not 0 < float(value) < 1:  # type: ignore[arg-type]
        raise RulesError(file, f"{rule} must be above 0 and below 1")
    if rule.endswith("expected_gain") and not value:
        raise RulesError(file, f"{rule} must be above 0")
    return value


_TYPES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
