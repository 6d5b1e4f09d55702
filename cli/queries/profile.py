"""``paperfeed profile``: ask a running server about a user."""

from typing import Annotated

import typer

from cli.options import Json, Server
from cli.output import show
from cli.queries.server import server_client


def profile(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Print a user's profile: number of likes, interests and preferences."""
    from google.protobuf.json_format import MessageToDict

    from paperfeed.v1.profile_pb2 import GetProfileRequest

    with server_client(server) as client:
        found = client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile
    lines = [f"{found.user_id}: {found.like_count} likes, {found.dislike_count} dislikes"]
    lines += [f"  {each.weight:4.0%}  {each.name}  ({each.like_count})" for each in found.interests]
    asked = MessageToDict(found.preferences, preserving_proto_field_name=True)
    lines += [f"{name.replace('_', ' ')}: {', '.join(values)}" for name, values in asked.items()]
    result = MessageToDict(found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    show(result, as_json=as_json, text="\n".join(lines))
