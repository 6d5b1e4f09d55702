"""``paperfeed demo``."""

from pathlib import Path
from typing import Annotated

import typer

from cli.destination import check_folder


def demo(
    digest: Annotated[
        Path | None, typer.Option(help="Your own digest, in place of the sample: any file that 'digest import' reads.")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="Day of your digest, YYYY-MM-DD. Required if the file does not name one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything the demo writes.")] = Path("out"),
) -> None:
    """Show everything on sample papers: start a server, import, rank for three users, send mail.

    The demo stops its server at the end. The feeds are also written to preview.html in the --out folder.
    """
    from cli.demo.samples import read_demo_digest
    from cli.demo.steps import run_demo

    check_folder("out", out)
    run_demo(read_demo_digest(digest, date), out)
