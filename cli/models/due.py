"""``paperfeed models due``: list the bundles that may hold what was learned from deleted users."""

import typer

from cli.models.opened import opened_registry
from cli.options import Db, Json
from cli.output import one_line, show


def due(db: Db = None, as_json: Json = False) -> None:
    """List the registered bundles that may hold what was learned from deleted users, and mark them in the registry.

    Exit code 1 if there are any. Train new ones, and remove the old ones.
    """
    from service.app.models.due import due_models
    from service.config import Settings

    with opened_registry(Settings.read(db=db)) as opened:
        found = due_models(opened.store, opened.registry)
    models = [
        {"model_version": each.record.version, "state": each.record.state.value, "reason": each.reason}
        for each in found
    ]
    lines = [f"{each.record.version}  {each.record.state.name}  {one_line(each.reason)}" for each in found]
    show({"models": models}, as_json=as_json, text="\n".join(lines) or "no bundle is due")
    raise typer.Exit(1 if found else 0)
