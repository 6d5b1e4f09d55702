"""Options that several commands share."""

from typing import Annotated

import typer

Db = Annotated[str | None, typer.Option("--db", help="Database URL: sqlite:///PATH or postgresql://USER@HOST/NAME.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON on stdout.")]
Server = Annotated[str | None, typer.Option("--server", help="Address of a running server, HOST:PORT.")]
Embed = Annotated[bool, typer.Option("--embed/--no-embed", help="Embed new text now, or leave it to the server.")]

# Not read from training.recipes: its table brings all of training with it; a test compares the two.
RecipeName = Annotated[
    str, typer.Option(help="Recipe of what is trained: default, or tiny, which is quick and only to try things.")
]
