"""``paperfeed feed`` and ``paperfeed similar``: read from a running server."""

from typing import Annotated, Any

import typer

from cli.options import Json, Server
from cli.output import console, show
from cli.queries.server import asked_server


def feed(
    user: Annotated[str, typer.Argument(help="Whose feed.")],
    digest: Annotated[str, typer.Option(help="Digest id; default: the newest.")] = "",
    size: Annotated[int, typer.Option("-n", "--size", min=1, max=100, help="Number of papers, at most 100.")] = 20,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Print a user's feed with the reason for each paper."""
    from google.protobuf.json_format import MessageToDict

    from cli.queries.reasons import all_in_words, fallback_in_words
    from paperfeed.v1.feed_pb2 import GetFeedRequest

    with asked_server(server) as client:
        request = GetFeedRequest(user_id=user, digest_id=digest, page_size=size, explain=True)
        answer = client.feeds.GetFeed(request)
    if as_json:
        show(MessageToDict(answer, preserving_proto_field_name=True), as_json=True, text="")
        return
    if not answer.digest_id:
        console.print("there is no digest yet; import one with: paperfeed digest import", markup=False, soft_wrap=True)
        return
    note = fallback_in_words(answer.fallback_reason)
    console.print(
        f"{answer.digest_id}  ({answer.model_version}){f'  {note}' if note else ''}", markup=False, soft_wrap=True
    )
    for item in answer.items:
        console.print(f"{item.rank:3d}. {item.paper.title}", markup=False, soft_wrap=True)
        if why := all_in_words(item):
            console.print(f"     {why}", markup=False, soft_wrap=True, style="dim")


def similar(
    paper: Annotated[str, typer.Argument(help="Id or alias of a paper.")],
    size: Annotated[int, typer.Option("-n", "--size", min=1, max=100, help="Number of papers, at most 100.")] = 10,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Print the papers of the catalog nearest to one."""
    from paperfeed.v1.feed_pb2 import FindSimilarPapersRequest

    with asked_server(server) as client:
        answer = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=paper, page_size=size))
    found: list[dict[str, Any]] = [
        {"paper_id": each.paper.paper_id, "title": each.paper.title, "similarity": round(each.similarity, 4)}
        for each in answer.papers
    ]
    text = "\n".join(f"{each['similarity']:.3f}  {each['title']}" for each in found) or "no vector for this paper yet"
    show({"papers": found}, as_json=as_json, text=text)
