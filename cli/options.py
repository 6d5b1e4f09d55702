"""Options that several commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

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
