"""``paperfeed doctor``: check everything that ``paperfeed up`` needs, and say what to do."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli.options import Json
from cli.output import show, show_text


def doctor(
    send_test: Annotated[str, typer.Option(help="Send a test message to this address.")] = "",
    as_json: Json = False,
) -> None:
    """Check the settings, the database, the encoder, the bundle, each source, the mail server and the ports.

    Exit with code 1 if anything is wrong; each such line says what to do.
    """
    from cli.home.checks import checks
    from cli.home.plan import open_home

    done = []
    for check in checks(open_home(), send_test):
        done.append(check)
        if not as_json:
            sign = "OK   " if check.is_ok else "WRONG"
            show_text(f"{sign} {check.name}: {check.found} ({check.seconds:.1f} s)")
            if check.remedy:
                show_text(f"      -> {check.remedy}")
    if as_json:
        result = {
            "checks": [asdict(each) | {"ok": each.is_ok} for each in done],
            "ok": all(each.is_ok for each in done),
        }
        show(result, as_json=True, text="")
    if not all(check.is_ok for check in done):
        raise typer.Exit(1)
