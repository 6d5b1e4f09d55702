"""``paperfeed feed`` and ``paperfeed similar``: ask a running server."""

from typing import Annotated, Any

import typer

from cli.options import Json, Server
from cli.output import show, show_text
from cli.queries.server import server_client


def feed(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    digest: Annotated[str, typer.Option(help="Id of the digest. Default: the newest.")] = "",
    size: Annotated[int, typer.Option("-n", "--size", min=1, max=100, help="Number of papers, 1 to 100.")] = 20,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Print a user's ranked feed, with the reason for each paper."""
    from google.protobuf.json_format import MessageToDict

    from cli.queries.reasons import all_in_words, fallback_in_words
    from paperfeed.v1.feed_pb2 import GetFeedRequest

    with server_client(server) as client:
        request = GetFeedRequest(user_id=user, digest_id=digest, page_size=size, explain=True)
        answer = client.feeds.GetFeed(request)
    if as_json:
        show(MessageToDict(answer, preserving_proto_field_name=True), as_json=True, text="")
        return
    if not answer.digest_id:
        show_text("there is no digest yet; import one with: paperfeed digest import")
        return
    note = fallback_in_words(answer.fallback_reason)
    show_text(f"{answer.digest_id}  ({answer.model_version}){f'  {note}' if note else ''}")
    for item in answer.items:
        show_text(f"{item.rank:3d}. {item.paper.title}")
        if why := all_in_words(item):
            show_text(f"     {why}", style="dim")


def similar(
    paper: Annotated[str, typer.Argument(help="Id of the paper, or another id it is known by.")],
    size: Annotated[int, typer.Option("-n", "--size", min=1, max=100, help="Number of papers, 1 to 100.")] = 10,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Print the papers that are most similar to one paper."""
    from paperfeed.v1.feed_pb2 import FindSimilarPapersRequest

    with server_client(server) as client:
        answer = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=paper, page_size=size))
    found: list[dict[str, Any]] = [
        {"paper_id": each.paper.paper_id, "title": each.paper.title, "similarity": round(each.similarity, 4)}
        for each in answer.papers
    ]
    text = "\n".join(f"{each['similarity']:.3f}  {each['title']}" for each in found)
    show({"papers": found}, as_json=as_json, text=text or "this paper has no vector yet; try again later")
