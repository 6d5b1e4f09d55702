"""``paperfeed models due``: list the bundles that were trained on rows of deleted users."""

from typing import TYPE_CHECKING

import typer

from cli.models.opened import opened_registry
from cli.options import Db, Json
from cli.output import one_line, show

if TYPE_CHECKING:
    from service.app.due_models import DueModel


def due(db: Db = None, as_json: Json = False) -> None:
    """List the registered bundles that were trained on rows of deleted users, and mark them. Exit code 1 if any are.

    A bundle may be listed by chance, seldom; a bundle that is not listed was not trained on such rows.
    """
    from service.app.due_models import due_models
    from service.config import Settings

    with opened_registry(Settings.read(db=db)) as opened:
        found = due_models(opened.store, opened.registry)
    models = [
        {
            "model_version": each.record.version,
            "state": each.record.state.value,
            "deleted_users": len(each.user_id_hashes),
            "problem": each.problem,
        }
        for each in found
    ]
    text = "\n".join(map(_line, found)) or "no bundle was trained on rows of deleted users"
    show({"models": models}, as_json=as_json, text=text)
    raise typer.Exit(1 if found else 0)


def _line(due: "DueModel") -> str:
    why = one_line(due.problem) or f"trained on rows of {len(due.user_id_hashes)} deleted users: train a new one"
    return f"{one_line(due.record.version)}  {due.record.state.name}  {why}"
