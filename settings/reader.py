"""Reading of settings: frozen dataclasses whose fields come from flags, variables, a file or defaults.

Only this module reads the environment.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from settings.file import FileProblem, SettingsFile, find_file, open_file

CONFIG = "PAPERFEED_CONFIG"
"""The environment variable that names the settings file."""


def setting(
    default: Any,
    help_text: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: Sequence[str] = (),
    check: Callable[[str], str | None] = lambda _: None,
    may_be_empty: bool = False,
    is_path: Callable[[str], bool] = lambda _: False,
) -> Any:
    """Return the dataclass field of a setting. The default's type is the setting's type.

    The types are str, int, float, bool and tuple (of texts). A tuple in a variable or flag is one text with commas or
    spaces between the values.

    Args:
        choices: Allowed words. Words in capitals may be given in small letters.
        check: Returns the problem of a text, or None if it can be used.
        may_be_empty: Whether an empty environment variable is a value; else it counts as not set.
        is_path: Whether a value names a file or folder. In a settings file such a path is relative to that file.
    """
    rules = {"at_least": at_least, "at_most": at_most, "choices": choices, "check": check, "may_be_empty": may_be_empty}
    return field(default=default, metadata={"help": help_text, "is_path": is_path, **rules})


def any_path(text: str) -> bool:
    """Return True: every value of the setting names a file or folder, or the URL of an SQLite file."""
    return bool(text)


def path_unless(*words: str) -> Callable[[str], bool]:
    """Return the check of a setting whose values are paths, except for these words."""
    return lambda text: text not in words


def dotted_path(text: str) -> bool:
    """Return whether a value that may be a name or a path is a path: it starts with ``./`` or ``../``."""
    return text.startswith(("./", "../"))


def settings_file(environment: Mapping[str, str] | None = None) -> SettingsFile | None:
    """Return the settings file: the one that PAPERFEED_CONFIG names, else paperfeed.toml here or in a parent folder.

    Args:
        environment: Variables by name; None reads those of this process. With other variables, only a file that they
            name is read.

    Raises:
        FileProblem: The file cannot be read, or is not TOML.
    """
    named = (os.environ if environment is None else environment).get(CONFIG, "")
    if named:
        return open_file(Path(named))
    path = None
    if environment is None:
        with contextlib.suppress(FileNotFoundError):  # the working folder may have been removed
            path = find_file(Path.cwd())
    return None if path is None else open_file(path)


@contextlib.contextmanager
def exported(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables in the block, for this process and for processes that are started there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def chosen_file(path: Path) -> contextlib.AbstractContextManager[None]:
    """Read the settings from this file in the ``with`` block."""
    return exported({CONFIG: str(path.absolute())})


class BaseSettings:
    """Base of the settings of a package: a frozen dataclass whose fields were made by ``setting``.

    Class attributes:
        prefix: Start of each environment variable; the field's name in capitals follows.
        table: Table of the settings file that holds these settings.
        invalid: Makes the exception to raise from the name of the flag, variable or key, and the problem.
    """

    prefix: ClassVar[str]
    table: ClassVar[str]
    invalid: ClassVar[Callable[[str, str], Exception]]

    def __init_subclass__(cls, *, prefix: str, table: str, invalid: Callable[[str, str], Exception]) -> None:
        cls.prefix, cls.table, cls.invalid = prefix, table, staticmethod(invalid)

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **flags: object) -> Self:
        """Return the settings from flags, then environment variables, then the settings file, then defaults.

        Args:
            environment: Variables by name; None reads those of this process. An empty variable counts as not set,
                unless the setting may be empty.
            flags: Values by field name; None counts as not given.

        Raises:
            invalid: A value has the wrong type, or is out of range; or the settings file has an unknown key or table.
        """
        values: dict[str, Any] = {}
        for each, (name, value) in cls._given(environment, flags).items():
            try:
                values[each.name] = _converted(value, each)
            except ValueError as error:
                raise cls.invalid(name, str(error)) from None
        return cls(**values)

    @classmethod
    def given(cls, environment: Mapping[str, str] | None = None, **flags: object) -> set[str]:
        """Return the names of the settings that ``read`` would not take from the defaults."""
        return {each.name for each in cls._given(environment, flags)}

    @classmethod
    def _given(
        cls, environment: Mapping[str, str] | None, flags: Mapping[str, object]
    ) -> dict[Field[Any], tuple[str, Any]]:
        """Return the name and the value of each setting that is given, in words for an error and not converted yet."""
        known = fields(cls)  # type: ignore[arg-type]  # subclasses are dataclasses
        variables = os.environ if environment is None else environment
        try:
            file = settings_file(environment)
            paths = {each.name: each.metadata["is_path"] for each in known}
            in_file = {} if file is None else file.values(cls.table, paths)
        except FileProblem as problem:
            raise cls.invalid(problem.place, problem.problem) from None
        given: dict[Field[Any], tuple[str, Any]] = {}
        for each in known:
            variable = cls.prefix + each.name.upper()
            text = variables.get(variable)
            if flags.get(each.name) is not None:
                given[each] = (each.name, flags[each.name])
            elif text is not None and (text or each.metadata["may_be_empty"]):
                given[each] = (variable, text)
            elif file is not None and each.name in in_file:
                given[each] = (file.place(cls.table, each.name), in_file[each.name])
        return given


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
    if isinstance(each.default, tuple):
        return tuple(_converted_text(text, each) for text in _listed(value))
    if isinstance(value, str | Path):
        return _converted_text(str(value), each)
    raise ValueError(f"{value!r} is not a text")


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{value!r} is not a list of texts")
    return list(value)


def _converted_text(text: str, each: Field[Any]) -> str:
    choices = each.metadata["choices"]
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
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        value = str(value)
    try:
        number = kind(value)
    except (TypeError, ValueError):
        raise ValueError(f"'{value}' is not {'a whole number' if kind is int else 'a number'}") from None
    at_least, at_most = each.metadata["at_least"], each.metadata["at_most"]
    # NaN satisfies neither comparison, so it is refused too.
    if not ((at_least is None or number >= at_least) and (at_most is None or number <= at_most)):
        limits = (("at least", at_least), ("at most", at_most))
        wanted = " and ".join(f"{words} {limit}" for words, limit in limits if limit is not None)
        raise ValueError(f"is {number}; must be {wanted}")
    return number
