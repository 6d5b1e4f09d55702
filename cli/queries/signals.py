"""``paperfeed signals``: list what shapes a user's feeds, and take it back, in a running server."""

from typing import TYPE_CHECKING, Annotated

import typer
from google.protobuf.json_format import MessageToDict

from cli.options import Commands, Json, ServerOptions, User
from cli.output import one_line, show
from cli.queries.server import server_client
from paperfeed.v1.profile_pb2 import (
    DeleteEventsRequest,
    EventType,
    GetProfileRequest,
    ListSignalsRequest,
    Preferences,
    ResetSignalsRequest,
    Signal,
    SignalEffect,
    UpdatePreferencesRequest,
)
from service.domain.errors import InvalidField, NotFound

if TYPE_CHECKING:
    from paperfeed.client import Client

app = Commands(help="List what shapes a user's feeds, and take it back.", no_args_is_help=True)

_EFFECTS = {
    SignalEffect.SIGNAL_EFFECT_MORE_SIMILAR: "more like it",
    SignalEffect.SIGNAL_EFFECT_FEWER_SIMILAR: "less like it",
    SignalEffect.SIGNAL_EFFECT_HIDES_PAPER: "feeds omit it",
    SignalEffect.SIGNAL_EFFECT_TAKES_BACK: "takes back earlier reactions",
    SignalEffect.SIGNAL_EFFECT_TREND: "counts for its trend",
}


@app.callback()
def signals() -> None:
    """List what shapes a user's feeds, and take it back."""


@app.command("list")
def list_signals(
    user: User,
    server: ServerOptions,
    size: Annotated[int, typer.Option("-n", "--size", min=1, help="Number of events, the newest.")] = 100,
    as_json: Json = False,
) -> None:
    """Print a user's preferences and events, newest first, with what each event does and its id for 'undo'."""
    found: list[Signal] = []
    preferences, token = Preferences(), ""
    with server_client(server) as client:
        while len(found) < size:
            request = ListSignalsRequest(user_id=user, page_size=min(size, 100), page_token=token)
            answer = client.profiles.ListSignals(request)
            found += answer.signals
            preferences.MergeFrom(answer.preferences)
            token = answer.next_page_token
            if not token:
                break
    plain = [MessageToDict(each, preserving_proto_field_name=True) for each in found[:size]]
    asked = MessageToDict(preferences, preserving_proto_field_name=True)
    lines = [f"{name}={one_line(value)}" for name, values in asked.items() for value in values]
    lines += [line for each in found[:size] for line in _lines(each)]
    result = {"signals": plain, "preferences": asked, "has_more": bool(token) or len(found) > size}
    show(result, as_json=as_json, text="\n".join(lines) or f"{one_line(user)}: nothing")


@app.command("undo")
def undo(
    user: User,
    names: Annotated[
        list[str],
        typer.Argument(help="Ids of events, or preferences such as muted_topics=cs.CV, as 'signals list' prints them."),
    ],
    server: ServerOptions,
    as_json: Json = False,
) -> None:
    """Take back events or preferences of a user: feeds are then as if they had never been recorded."""
    lists = Preferences.DESCRIPTOR.fields_by_name
    preferences = [each for each in names if each.partition("=")[0] in lists and "=" in each]
    event_ids = [each for each in names if each not in preferences]
    with server_client(server) as client:
        if preferences:
            _remove_preferences(client, user, preferences)
        count = len(preferences)
        if event_ids:
            request = DeleteEventsRequest(user_id=user, event_ids=event_ids)
            count += client.profiles.DeleteEvents(request).deleted_count
    show({"undone": count}, as_json=as_json, text=f"{one_line(user)}: {count} of {len(names)} taken back")
    if count < len(set(names)):
        raise typer.Exit(1)


@app.command("reset")
def reset(
    user: User,
    server: ServerOptions,
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm that all events, preferences and interests are to be deleted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete all events, preferences and interests of a user, who then starts again as a new one."""
    if not yes:
        raise InvalidField("yes", "give --yes to delete all events, preferences and interests; this cannot be undone")
    with server_client(server) as client:
        count = client.profiles.ResetSignals(ResetSignalsRequest(user_id=user)).deleted_count
    text = f"{one_line(user)}: {count} events deleted, with all preferences and interests"
    show({"deleted_events": count}, as_json=as_json, text=text)


def _lines(signal: Signal) -> tuple[str, str]:
    kind = EventType.Name(signal.event.event_type).removeprefix("EVENT_TYPE_").lower()
    does = ", ".join(_EFFECTS.get(effect, "") for effect in signal.effects) or "no effect now"
    at = f"{signal.recorded_at.ToDatetime():%Y-%m-%d %H:%M}"
    return f"{at}  {kind:10}  {one_line(signal.title)}", f"    {does}  ({one_line(signal.event.event_id)})"


def _remove_preferences(client: "Client", user: str, names: list[str]) -> None:
    """Remove entries such as ``muted_topics=cs.CV`` from the user's preferences.

    Raises:
        NotFound: The user has no such preference; nothing is removed.
    """
    stored = client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile.preferences
    changed = []
    for each in names:
        name, _, value = each.partition("=")
        entries = getattr(stored, name)
        if value not in entries:
            raise NotFound("preference", each)
        entries.remove(value)
        changed.append(name)
    request = UpdatePreferencesRequest(user_id=user, preferences=stored)
    request.update_mask.paths.extend(dict.fromkeys(changed))
    client.profiles.UpdatePreferences(request)
