"""``paperfeed models``: register bundles, and decide which of them a running server ranks with."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from cli.options import Commands, Json, ServerOptions
from cli.output import one_line, show
from cli.queries.server import server_client
from paperfeed.v1.model_pb2 import (
    MODEL_STATE_REJECTED,
    MODEL_STATE_RETIRED,
    GetModelRequest,
    ListModelLogRequest,
    ListModelsRequest,
    Model,
    ModelLogEntry,
    ModelState,
    PromoteModelRequest,
    RegisterModelRequest,
    RollbackModelRequest,
)
from service.config import Settings
from service.domain.errors import InvalidField

if TYPE_CHECKING:
    from paperfeed.client import Client

app = Commands(no_args_is_help=True, help="Register model bundles, and decide which of them ranks feeds.")

Version = Annotated[str, typer.Argument(help="Version of the bundle, as 'paperfeed models list' prints it.")]
Force = Annotated[bool, typer.Option("--force", help="Do it without a passed gate. The log says so.")]
Note = Annotated[str, typer.Option(help="Note for the log.")]


@app.command()
def register(
    folder: Annotated[Path, typer.Argument(help="Folder of the bundle, as 'paperfeed train' wrote it.")],
    server: ServerOptions,
    as_json: Json = False,
) -> None:
    """Copy a bundle into the registry that PAPERFEED_REGISTRY names, and register it on the server.

    The same content again changes nothing.
    """
    from ranker.bundle.bundle import bundle_files, bundle_of
    from service.bootstrap import registry_folders

    settings = Settings.read()
    if not settings.registry:
        raise InvalidField("PAPERFEED_REGISTRY", "is not set; give the folder or URL of the server's registry")
    files = bundle_files(folder)
    # The server checks the encoder. A damaged bundle is not copied at all.
    content = bundle_of(files, folder, encoder=None).manifest.content_sha256
    registry_folders(settings).put(content, files)
    with server_client(server) as client:
        found = client.models.RegisterModel(RegisterModelRequest(content_sha256=content)).model
    _show_model(found, as_json=as_json)


@app.command("list")
def list_models(server: ServerOptions, as_json: Json = False) -> None:
    """Print all registered bundles, newest first."""
    with server_client(server) as client:
        found = list(client.registered_models(ListModelsRequest(page_size=100)))
    text = "\n".join(map(_line, found)) or "no bundle is registered yet"
    show({"models": [_dict(model) for model in found]}, as_json=as_json, text=text)


@app.command("show")
def show_model(version: Version, server: ServerOptions, as_json: Json = False) -> None:
    """Print one bundle with the metrics of its training."""
    with server_client(server) as client:
        found = client.models.GetModel(GetModelRequest(model_version=version)).model
    _show_model(found, as_json=as_json)


@app.command()
def log(
    server: ServerOptions,
    version: Annotated[str, typer.Argument(help="Version of the bundle. Default: all.")] = "",
    as_json: Json = False,
) -> None:
    """Print every decision about bundles with its reasons, oldest first."""
    with server_client(server) as client:
        entries = list(client.model_log(_log_of(version)))
    show({"entries": [_dict(entry) for entry in entries]}, as_json=as_json, text="\n".join(map(_entry, entries)))


@app.command()
def promote(
    version: Version, server: ServerOptions, force: Force = False, note: Note = "", as_json: Json = False
) -> None:
    """Let a bundle rank the feeds of all users. A running canary ends."""
    request = PromoteModelRequest(model_version=version, force=force, note=note)
    with server_client(server) as client:
        found = client.models.PromoteModel(request).model
    _show_model(found, as_json=as_json)


@app.command()
def canary(
    version: Version,
    server: ServerOptions,
    share: Annotated[float, typer.Option(help="Share of the users, above 0 and below 1.")] = 0.1,
    force: Force = False,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Let a bundle rank the feeds of a share of the users, or change the share. 'models rollback' ends a canary."""
    request = PromoteModelRequest(model_version=version, canary_share=share, force=force, note=note)
    with server_client(server) as client:
        found = client.models.PromoteModel(request).model
    _show_model(found, as_json=as_json)


@app.command()
def rollback(
    version: Annotated[str, typer.Argument(help="Version of the bundle to take back: it serves, or is the canary.")],
    server: ServerOptions,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Take back a bundle: the one before it serves again, or the canary ends. Print the bundle that serves then.

    Repeating the command changes nothing.
    """
    with server_client(server) as client:
        found = client.models.RollbackModel(RollbackModelRequest(from_model_version=version, note=note)).model
    _show_model(found, as_json=as_json)


@app.command()
def prune(
    server: ServerOptions,
    days: Annotated[int, typer.Option(help="Delete what has been RETIRED or REJECTED for this many days.", min=0)] = 90,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; print what would be deleted.")] = False,
    as_json: Json = False,
) -> None:
    """Delete the files of old bundles from the registry that PAPERFEED_REGISTRY names.

    The bundles stay in the list and in the log. The serving, the previous and the canary bundle keep their files.
    'models register' brings the files of a bundle back.
    """
    from service.bootstrap import registry_folders

    settings = Settings.read()
    if not settings.registry:
        raise InvalidField("PAPERFEED_REGISTRY", "is not set; give the folder or URL of the server's registry")
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    folders = registry_folders(settings)
    with server_client(server) as client:
        found = [
            model
            for model in client.registered_models(ListModelsRequest(page_size=100))
            if model.state in {MODEL_STATE_RETIRED, MODEL_STATE_REJECTED}
            and not model.previous
            and _last_change(client, model) <= before
        ]
    removed = [model for model in found if dry_run or folders.remove(model.content_sha256)]
    size = sum(model.size_bytes for model in removed)
    done = "would be deleted" if dry_run else "deleted"
    count = f"{len(removed)} bundle{'' if len(removed) == 1 else 's'}"
    lines = [*map(_line, removed), f"{count}, {size / 1e6:.1f} MB {done}"]
    result = {"models": [model.model_version for model in removed], "size_bytes": size, "dry_run": dry_run}
    show(result, as_json=as_json, text="\n".join(lines))


def _last_change(client: "Client", model: Model) -> dt.datetime:
    """Return the time of the last entry of a model in the log."""
    times = [entry.occurred_at.ToDatetime(dt.UTC) for entry in client.model_log(_log_of(model.model_version))]
    return max(times, default=model.registered_at.ToDatetime(dt.UTC))


def _log_of(version: str) -> ListModelLogRequest:
    return ListModelLogRequest(model_version=version, page_size=100)


def _show_model(model: Model, *, as_json: bool) -> None:
    metrics = {name: value for name, value in sorted(model.metrics.items()) if isinstance(value, float)}
    lines = [
        _line(model),
        f"  encoder    {one_line(model.encoder)}",
        f"  trained    {_time(model.created_at.ToJsonString())}",
        f"  gate       {'passed' if model.gate_passed else 'not passed'}",
        f"  content    {model.content_sha256} ({model.size_bytes / 1e6:.1f} MB)",
        *(f"  {one_line(name):<10} {value:g}" for name, value in metrics.items()),
    ]
    if model.needs_retraining:
        lines.append("  a new bundle is due: the data of a deleted user were used for training")
    show(_dict(model), as_json=as_json, text="\n".join(lines))


def _line(model: Model) -> str:
    alias = " <- serving" if model.serving else " <- previous" if model.previous else ""
    share = f" for {model.canary_share:.0%} of the users" if model.canary_share else ""
    registered = _time(model.registered_at.ToJsonString())
    return f"{one_line(model.model_version)}  {_state(model.state)}{share}  registered {registered}{alias}"


def _entry(entry: ModelLogEntry) -> str:
    before = f"{_state(entry.from_state)} -> " if entry.from_state not in {0, entry.to_state} else ""
    reasons = ", ".join(f"{one_line(name)}: {_short(value)}" for name, value in _dict(entry)["evidence"].items())
    time = _time(entry.occurred_at.ToJsonString())
    change = f"{before}{_state(entry.to_state)}"
    return f"{time}  {one_line(entry.model_version)}  {change}  by {one_line(entry.actor)}  {reasons}".rstrip()


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else one_line(str(value))


def _state(state: "ModelState.ValueType") -> str:
    return ModelState.Name(state).removeprefix("MODEL_STATE_")


def _time(text: str) -> str:
    """Return an RFC 3339 time without its fraction of a second."""
    return f"{text[:10]} {text[11:19]}"


def _dict(message: Model | ModelLogEntry) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
