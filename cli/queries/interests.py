"""``paperfeed interests``: list and edit the interests of a user of a running server."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict

from cli.options import Commands, Json, ServerOptions, User
from cli.output import one_line, show
from cli.queries.server import server_client
from paperfeed.v1.profile_pb2 import (
    INTEREST_ORIGIN_COLLECTION,
    INTEREST_ORIGIN_LIST,
    CreateInterestRequest,
    DeleteInterestRequest,
    Interest,
    InterestOrigin,
    ListInterestsRequest,
    MergeInterestsRequest,
    SplitInterestRequest,
    UpdateInterestRequest,
)
from service.domain.errors import NotFound

if TYPE_CHECKING:
    from paperfeed.client import Client

app = Commands(no_args_is_help=True, help="List and edit the interests of a user, which feeds have sections for.")

Name = Annotated[str, typer.Argument(metavar="INTEREST", help="Id or name of the interest.")]
Papers = Annotated[list[str] | None, typer.Argument(help="Ids of papers, or other ids they are known by.")]


@app.command("list")
def list_interests(user: User, server: ServerOptions, as_json: Json = False) -> None:
    """Print a user's interests: weight, name, number of likes, id."""
    with server_client(server) as client:
        found = _interests(client, user)
    text = "\n".join(map(_line, found)) or "no interests yet: they are found when liked papers have vectors"
    show({"interests": list(map(_dict, found))}, as_json=as_json, text=text)


@app.command()
def rename(
    user: User,
    interest: Name,
    name: Annotated[str, typer.Argument(help="The new name.")],
    server: ServerOptions,
    as_json: Json = False,
) -> None:
    """Give an interest another name."""
    _change(user, interest, {"name": name}, server, as_json)


@app.command()
def weight(
    user: User,
    interest: Name,
    share: Annotated[float, typer.Argument(metavar="WEIGHT", help="Share of the feed, 0 to 1.")],
    server: ServerOptions,
    as_json: Json = False,
) -> None:
    """Set how much of the feed an interest gets. The other interests share the rest."""
    _change(user, interest, {"weight": share}, server, as_json)


@app.command()
def pause(
    user: User,
    interest: Name,
    server: ServerOptions,
    resume: Annotated[bool, typer.Option("--resume", help="End the pause.")] = False,
    as_json: Json = False,
) -> None:
    """Pause an interest: feeds are ranked as if its papers were not liked."""
    _change(user, interest, {"paused": not resume}, server, as_json)


@app.command()
def merge(
    user: User,
    interest: Name,
    merged: Annotated[list[str], typer.Argument(help="Ids or names of the interests to merge into it.")],
    server: ServerOptions,
    as_json: Json = False,
) -> None:
    """Merge interests into another one, which keeps its name."""
    with server_client(server) as client:
        known = _interests(client, user)
        request = MergeInterestsRequest(
            user_id=user,
            interest_id=_id_of(known, interest),
            merged_interest_ids=[_id_of(known, each) for each in merged],
        )
        _show(client.profiles.MergeInterests(request).interest, as_json=as_json)


@app.command()
def split(
    user: User,
    interest: Name,
    server: ServerOptions,
    papers: Papers = None,
    name: Annotated[str, typer.Option(help="Name of the new interest. Default: words of its papers' titles.")] = "",
    as_json: Json = False,
) -> None:
    """Move papers of an interest to a new one. Without papers, the interest is divided into its two main groups."""
    with server_client(server) as client:
        request = SplitInterestRequest(
            user_id=user,
            interest_id=_id_of(_interests(client, user), interest),
            paper_ids=papers or [],
            new_name=name,
        )
        answer = client.profiles.SplitInterest(request)
    _show(answer.interest, answer.new_interest, as_json=as_json)


@app.command()
def add(
    user: User,
    name: Annotated[str, typer.Argument(help="Name of the new interest.")],
    server: ServerOptions,
    papers: Papers = None,
    collection: Annotated[
        bool, typer.Option("--collection", help="The papers are a collection of a reference manager.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add an interest made of papers, liked or not."""
    origin = INTEREST_ORIGIN_COLLECTION if collection else INTEREST_ORIGIN_LIST
    wanted = Interest(name=name, origin=origin, paper_ids=papers or [])
    with server_client(server) as client:
        made = client.profiles.CreateInterest(CreateInterestRequest(user_id=user, interest=wanted)).interest
    _show(made, as_json=as_json)


@app.command()
def delete(user: User, interest: Name, server: ServerOptions, as_json: Json = False) -> None:
    """Delete an interest. Its likes stay likes, but belong to no interest."""
    with server_client(server) as client:
        interest_id = _id_of(_interests(client, user), interest)
        client.profiles.DeleteInterest(DeleteInterestRequest(user_id=user, interest_id=interest_id))
    show({"deleted": interest_id}, as_json=as_json, text=f"deleted: {interest_id}")


def _interests(client: "Client", user: str) -> list[Interest]:
    return list(client.profiles.ListInterests(ListInterestsRequest(user_id=user)).interests)


def _id_of(known: list[Interest], name: str) -> str:
    """Return the id of the interest with this id, or else with this name, whose case does not matter.

    Raises:
        NotFound: No interest has the id, and not exactly one has the name.
    """
    if any(name in {each.interest_id, *each.merged_interest_ids} for each in known):
        return name
    named = [each.interest_id for each in known if each.name.casefold() == name.strip().casefold()]
    if len(named) != 1:
        raise NotFound("interest", name, field="INTEREST")
    return named[0]


def _change(user: str, interest: str, values: dict[str, Any], server: ServerOptions, as_json: bool) -> None:
    with server_client(server) as client:
        wanted = Interest(interest_id=_id_of(_interests(client, user), interest), **values)
        request = UpdateInterestRequest(user_id=user, interest=wanted, update_mask=FieldMask(paths=list(values)))
        changed = client.profiles.UpdateInterest(request).interest
    _show(changed, as_json=as_json)


def _show(*interests: Interest, as_json: bool) -> None:
    show(
        {"interests": list(map(_dict, interests))},
        as_json=as_json,
        text="\n".join(map(_line, interests)),
    )


def _dict(interest: Interest) -> dict[str, Any]:
    found = MessageToDict(interest, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return found | {"origin": InterestOrigin.Name(interest.origin).removeprefix("INTEREST_ORIGIN_").lower()}


def _line(interest: Interest) -> str:
    paused = "  paused" if interest.paused else ""
    return f"{interest.weight:4.0%}  {one_line(interest.name)}  ({interest.like_count})  {interest.interest_id}{paused}"
