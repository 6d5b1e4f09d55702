"""Options that several commands share, also in groups: each field of a dataclass argument becomes an option."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])

Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        help="Database URL: sqlite:///PATH or postgresql://USER@HOST/NAME. Default: PAPERFEED_DB, paperfeed.toml, then "
        "./paperfeed.db.",
    ),
]
User = Annotated[str, typer.Argument(help="Id of the user.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
Report = Annotated[
    Path | None,
    typer.Option("--report", help="Write all entries that were left out or repaired to this file, one per line."),
]
StoredDb = Annotated[
    str | None, typer.Option("--db", help="Database URL of a service to read the papers and events of its users from.")
]
Export = Annotated[
    Path | None,
    typer.Option(
        "--export",
        help="Folder that 'paperfeed export' wrote, to read instead of a database. Best made with --events.",
        exists=True,
        file_okay=False,
    ),
]
Embed = Annotated[
    bool,
    typer.Option(
        "--embed/--no-embed",
        help="Compute the vectors of new papers now, or leave them to the running server.",
    ),
]
PositionBias = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=3,
        help="Assume that users look at place k with probability k**-X. Default: learned from exploration.",
    ),
]
BundleFolder = Annotated[
    str | None,
    typer.Option(
        "--bundle", help="Folder of the trained model (bundle). Default: PAPERFEED_BUNDLE, then the one shipped."
    ),
]
EmbeddingCache = Annotated[
    str | None,
    typer.Option(
        "--embedding-cache",
        help="File that stores vectors by the hash of their text, so that no text is embedded twice; none: no file. "
        "Default: PAPERFEED_EMBEDDING_CACHE, then a file in the user's cache folder, except for serve.",
    ),
]

# Not read from training.recipes, whose import is slow; a test compares the two.
RecipeName = Annotated[
    str,
    typer.Option(
        help="Settings: default, co-likes (for papers that many users share), or tiny (quick, for trying things out)."
    ),
]


@dataclass(frozen=True)
class ServerOptions:
    """The server that a command calls, and how it reaches the server."""

    server: Annotated[
        str | None, typer.Option(help="Server to call, HOST:PORT. Default: PAPERFEED_SERVER, then localhost:50051.")
    ] = None
    tls_ca: Annotated[
        str | None,
        typer.Option(
            help="Call over TLS: PEM file with the server's root certificates, or 'system'. Default: PAPERFEED_TLS_CA."
        ),
    ] = None
    tls_cert: Annotated[
        str | None, typer.Option(help="PEM file with the client's certificate. Default: PAPERFEED_TLS_CERT.")
    ] = None
    tls_key: Annotated[
        str | None, typer.Option(help="PEM file with the key of the client's certificate. Default: PAPERFEED_TLS_KEY.")
    ] = None


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
