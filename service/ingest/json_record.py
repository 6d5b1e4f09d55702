"""Strict reading of untrusted JSON: standard JSON only, and a type check for each field."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from service.domain.errors import InvalidFile
from service.ingest.papers import snippet
from service.ingest.times import parse_time


def load_json(text: str, source: str, *, line: int | None = None) -> Any:
    """Return the value of a JSON text. ``line`` is its line in the file; None if the text is the whole file.

    Raises:
        InvalidFile: Not standard JSON (NaN and Infinity are not), nested too deep, or with a number that is too long.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error.msg} (column {error.colno})"
        raise InvalidFile(source, problem, line=line or error.lineno) from error
    except RecursionError as error:
        raise InvalidFile(source, "is not usable JSON: nested too deep", line=line) from error
    except ValueError as error:  # NaN, or an integer of more digits than Python converts
        raise InvalidFile(source, f"is not usable JSON: {str(error).partition(';')[0]}", line=line) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """A JSON object of a file. Errors name the file, the line or ``path``, and the field.

    Every method treats null like a missing field.
    """

    source: str
    values: dict[str, Any]
    line: int | None = None
    path: str = ""

    @classmethod
    def of(cls, value: Any, source: str, *, line: int | None = None, path: str = "") -> "JsonRecord":
        """Return the record of a value. Raise InvalidFile if the value is not a JSON object."""
        if not isinstance(value, dict):
            where = f"{path}: " if path else ""
            raise InvalidFile(source, f"{where}must be an object, not {_type_name(value)}", line=line)
        return cls(source, value, line, path)

    def fail(self, field: str, problem: str) -> NoReturn:
        """Raise InvalidFile for a field."""
        raise InvalidFile(self.source, f"{self._name(field)}: {problem}", line=self.line)

    def record(self, field: str) -> "JsonRecord":
        """Return the object in a required field."""
        if self.values.get(field) is None:
            self.fail(field, "is missing")
        return JsonRecord.of(self.values[field], self.source, line=self.line, path=self._name(field))

    def text(self, field: str, *, required: bool = False) -> str:
        """Return the string in a field; empty if missing."""
        value = self.values.get(field)
        if value is None:
            if required:
                self.fail(field, "is missing")
            return ""
        if not isinstance(value, str):
            self.fail(field, f"must be a string, not {_type_name(value)}")
        return value

    def items(self, field: str) -> list[Any]:
        """Return the array in a field; empty if missing."""
        value = self.values.get(field)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(field, f"must be an array, not {_type_name(value)}")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """Return the strings of the array in a field; empty if missing."""
        for index, value in enumerate(values := self.items(field)):
            if not isinstance(value, str):
                self.fail(f"{field}[{index}]", f"must be a string, not {_type_name(value)}")
        return tuple(values)

    def count(self, field: str) -> int | None:
        """Return the integer in a field; None if missing."""
        value = self.values.get(field)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            self.fail(field, f"must be an integer, not {_type_name(value)}")
        return value

    def time(self, field: str) -> dt.datetime | None:
        """Return the ISO 8601 date or time in a field as UTC; None if missing or empty."""
        text = self.text(field)
        if not text.strip():
            return None
        try:
            return parse_time(text)
        except ValueError as error:
            self.fail(field, f"{snippet(text)} {error}")

    def _name(self, field: str) -> str:
        return f"{self.path}.{field}" if self.path else field


def _type_name(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
