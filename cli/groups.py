"""Commands with groups of options: each field of a dataclass argument becomes an option of the command."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])


class Commands(typer.Typer):
    """Commands whose arguments may be dataclasses, which several commands share."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Command], Command]:
        """Return the decorator that adds a command; see ``typer.Typer.command``."""
        add = super().command(name, **settings)

        def decorate(command: Command) -> Command:
            add(with_groups(command))
            return command

        return decorate


def with_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with the fields of its dataclass arguments as options, after the command's own."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        each.name: each.annotation for each in signature.parameters.values() if is_dataclass(each.annotation)
    }
    if not groups:
        return command
    options = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}

    @functools.wraps(command)
    def run(**values: Any) -> Any:
        given = {name: group(**{field: values.pop(field) for field in options[name]}) for name, group in groups.items()}
        return command(**values, **given)

    own = [each for each in signature.parameters.values() if each.name not in groups]
    all_options = [*own, *(each for group in options.values() for each in group.values())]
    by_name = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in all_options]
    run.__signature__ = signature.replace(parameters=by_name)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in by_name}
    return run
