"""``paperfeed explain``: ask a running server why a paper is shown to a user, or why not."""

from collections.abc import Iterator
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict

from cli.options import Json, ServerOptions, User
from cli.output import one_line, show
from cli.queries.reasons import in_words, obstacle_in_words
from cli.queries.server import server_client
from paperfeed.v1.catalog_pb2 import EMBEDDING_STATE_PENDING
from paperfeed.v1.feed_pb2 import ExplainPaperRequest, ExplainPaperResponse
from service.domain.errors import InvalidField


def explain(
    user: User,
    paper: Annotated[str, typer.Argument(help="Id of the paper, or another id it is known by.")],
    server: ServerOptions,
    digest: Annotated[str, typer.Option(help="Id of the digest to rank anew. Default: the newest.")] = "",
    slate: Annotated[str, typer.Option(help="Id of a slate that was served to the user, instead of a digest.")] = "",
    min_probability: Annotated[
        float | None,
        typer.Option(help="Lowest probability, 0 to 1, of a paper in the feed. Default: no limit. Not with --slate."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print why a paper is at its rank in a user's feed, or what keeps it out."""
    if digest and slate:
        raise InvalidField("slate", "cannot be given together with --digest")
    request = ExplainPaperRequest(user_id=user, paper_id=paper, min_probability=min_probability)
    if slate:
        request.slate_id = slate
    else:
        request.digest_id = digest
    with server_client(server) as client:
        found = client.feeds.ExplainPaper(request)
    result = MessageToDict(found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    show(result, as_json=as_json, text="\n".join(_lines(found)))


def _lines(found: ExplainPaperResponse) -> Iterator[str]:
    yield one_line(found.paper.title)
    obstacle = obstacle_in_words(found)
    place = f"rank {found.rank} of {found.total_size}, score {found.score:.3f}"
    if obstacle:
        yield f"left out: {obstacle}" + (f"; without this: {place}" if found.rank else "")
    else:
        yield f"shown: {place}"
    if found.HasField("probability"):
        yield f"probability {found.probability:.3f} that the user likes or saves it"
    if found.rank:
        yield f"ranked by   {found.model_version}" + "".join(f"  {one_line(name)}" for name in found.digest_ids)
        yield from _moves(found)
    if found.paper.embedding_state == EMBEDDING_STATE_PENDING:
        yield "no vector   the server is still computing the paper's vector; it may rank higher with it"
    if why := ", ".join(filter(None, map(in_words, found.reasons))):
        yield f"reasons     {why}"
    strongest = sorted(found.contributions, key=lambda part: -abs(part.weighted_sum + part.trees))
    if strongest:
        yield f"{found.base_score:+11.3f}  every paper of this model"
    yield from (
        f"{part.weighted_sum + part.trees:+11.3f}  {part.family}: weighted sum {part.weighted_sum:+.3f}, trees "
        f"{part.trees:+.3f}"
        for part in strongest
    )
    yield from (f"{like.similarity:11.3f}  like “{one_line(like.title)}”" for like in found.nearest_likes)


def _moves(found: ExplainPaperResponse) -> Iterator[str]:
    """Yield how the paper came from its rank by score to its rank, if it moved."""
    steps = [("by score", found.rank_by_score)]
    if found.rank_without_topic_limit:
        steps.append(("after diversity", found.rank_without_topic_limit))
        steps.append(("after the limit for topics", found.rank_before_exploration))
    else:
        steps.append(("after diversity", found.rank_before_exploration))
    steps.append(("after exploration", found.rank))
    if len({rank for _, rank in steps}) > 1:
        yield "moved       " + ", ".join(f"{rank} {step}" for step, rank in steps)
