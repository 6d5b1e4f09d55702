"""The settings file ``paperfeed.toml``: where it lies, what it holds, and which place in it an error names."""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "paperfeed.toml"
TABLES = ("service", "mail", "library", "sources", "schedule")
"""The tables of the file. Each belongs to one class of settings."""
_TABLE_LINE = re.compile(r"\s*\[+\s*(?P<name>[\w.\"' -]+?)\s*\]")
_SQLITE = "sqlite:///"
# user:password@ in an address, or password= among its parameters.
_PASSWORD = re.compile(r"^[\w+.-]+://[^/@\s]*:[^/@\s]+@|[?&](?:ssl)?password=[^&]", re.IGNORECASE)


class FileProblem(Exception):
    """A problem of the settings file.

    Attributes:
        place: The file, with the line and key where one is at fault.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@dataclass(frozen=True)
class SettingsFile:
    """A settings file as it was read.

    Attributes:
        path: Absolute path of the file.
        text: The file's text, in which lines are counted.
        tables: Values by key, by table.
    """

    path: Path
    text: str
    tables: Mapping[str, Any]

    def values(self, table: str, known: Mapping[str, Callable[[str], bool]]) -> dict[str, Any]:
        """Return the values of a table by key. Relative paths become absolute: they are relative to the file.

        Args:
            known: For each setting of the table, whether a value of it names a file or folder.

        Raises:
            FileProblem: The file has an unknown table, the table has an unknown key, or a value holds a password.
        """
        self._check_tables()
        found: dict[str, Any] = {}
        for key, value in self.tables.get(table, {}).items():
            if key not in known:
                raise FileProblem(self.place(table, key), f"is no setting{_nearest(key, known)}")
            if any(_PASSWORD.search(text) for text in _texts(value)):
                problem = (
                    "holds a password, which must not stand in this file: set the variable "
                    f"{_variable(table, key)}, or leave the password to ~/.pgpass"
                )
                raise FileProblem(self.place(table, key), problem)
            found[key] = self._resolved(value) if isinstance(value, str) and value and known[key](value) else value
        return found

    def place(self, table: str, key: str = "") -> str:
        """Return where a table or key stands, in words for an error."""
        line = self._line(table, key)
        name = f"[{table}]" + (f" {key}" if key else "")
        return f"{self.path}, line {line}, {name}" if line else f"{self.path}, {name}"

    def _check_tables(self) -> None:
        for name, content in self.tables.items():
            if name not in TABLES:
                what = "is no table" if isinstance(content, dict) else "stands outside of a table"
                hint = _nearest(name, TABLES) if isinstance(content, dict) else f"; tables: {', '.join(TABLES)}"
                raise FileProblem(
                    self.place(name) if isinstance(content, dict) else f"{self.path}, {name}", what + hint
                )
            if not isinstance(content, dict):
                raise FileProblem(f"{self.path}, {name}", f"is a table, which begins with [{name}]")

    def _line(self, table: str, key: str) -> int | None:
        """Return the one-based line of a key, or of the table's first line; None if it is not written in lines."""
        now = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if started := _TABLE_LINE.match(line):
                now = started["name"].strip("\"'")
            elif now == table and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
            if now == table and not key:
                return number
        return None

    def _resolved(self, value: str) -> str:
        prefix = _SQLITE if value.startswith(_SQLITE) else ""
        path = value.removeprefix(_SQLITE)
        if "://" in path or path in {"", ":memory:"}:
            return value
        return f"{prefix}{self.path.parent / Path(path).expanduser()}"


def open_file(path: Path) -> SettingsFile:
    """Read a settings file.

    Raises:
        FileProblem: The file cannot be read, or is not TOML.
    """
    path = path.expanduser().absolute()
    try:
        text = path.read_text(encoding="utf-8-sig")
        return SettingsFile(path, text, tomllib.loads(text))
    except OSError as error:
        raise FileProblem(str(path), f"cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileProblem(str(path), f"is not TOML: {error}") from None


def find_file(folder: Path) -> Path | None:
    """Return the path of ``paperfeed.toml`` in the folder or the nearest parent; None without one.

    Raises:
        FileProblem: The file in a parent folder belongs to another user, who could change what this one's commands do.
    """
    for place in (folder, *folder.parents):
        path = place / FILE_NAME
        # Unlike Path.is_file, this is False for a folder that must not be searched.
        if os.path.isfile(path):  # noqa: PTH113
            if place != folder and hasattr(os, "getuid") and path.stat().st_uid not in {os.getuid(), 0}:
                raise FileProblem(str(path), "belongs to another user; name it with --config if you want to use it")
            return path
    return None


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _nearest(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    return f"; the nearest is '{near[0]}'" if near else ""


def _variable(table: str, key: str) -> str:
    return f"PAPERFEED_{'' if table == 'service' else table.upper() + '_'}{key.upper()}"
