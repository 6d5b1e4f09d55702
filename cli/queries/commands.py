"""``paperfeed feed``, ``search``, ``similar``, ``profile`` and ``status``: ask a running server."""

import datetime as dt
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.rpc.code_pb2 import Code

from cli.options import Json, ServerOptions, User
from cli.output import one_line, show, show_text
from cli.queries.reasons import all_in_words, fallback_in_words
from cli.queries.server import asks_health, server_client
from paperfeed.v1.catalog_pb2 import Paper, SearchPapersRequest
from paperfeed.v1.feed_pb2 import FallbackReason, FeedItem, FindSimilarPapersRequest, GetFeedRequest, Slate
from paperfeed.v1.profile_pb2 import GetProfileRequest
from paperfeed.v1.status_pb2 import FallbackCount, GetStatusRequest, GetStatusResponse
from service.domain.errors import BundleUnusable
from service.process.failures import note

Size = Annotated[int, typer.Option("-n", "--size", min=1, max=100, help="Number of papers, 1 to 100.")]


def feed(
    user: User,
    server: ServerOptions,
    digest: Annotated[str, typer.Option(help="Id of the digest. Default: the newest.")] = "",
    size: Size = 20,
    by_interest: Annotated[
        bool, typer.Option("--by-interest", help="Print a section for each of the user's interests.")
    ] = False,
    interest: Annotated[
        str, typer.Option(help="Id of an interest, as 'paperfeed interests list' prints it: rank for it alone.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Print a user's ranked feed: title, reasons, id, link and score of each paper."""
    with server_client(server) as client:
        request = GetFeedRequest(
            user_id=user,
            digest_id=digest,
            page_size=size,
            explain=True,
            by_interest=by_interest,
            interest_id=interest,
        )
        answer = client.feeds.GetFeed(request)
    if as_json:
        show(MessageToDict(answer, preserving_proto_field_name=True), as_json=True, text="")
        return
    slate = answer.slate
    if not slate.digest_ids:
        show_text("there is no digest yet; import one with: paperfeed digest import")
        return
    note = fallback_in_words(slate)
    show_text(f"{slate.digest_ids[0]}  ({slate.model_version}){f'  {note}' if note else ''}")
    for name, items in _sections(slate):
        if name:
            show_text(f"\n{one_line(name)}", style="bold")
        for item in items:
            show_text(f"{item.rank:3d}. {one_line(item.paper.title)}")
            if why := all_in_words(item):
                show_text(f"     {why}", style="dim")
            show_text(f"     {_named(item.paper)}  score {item.score:.3f}", style="dim")


def _sections(slate: Slate) -> list[tuple[str, list[FeedItem]]]:
    """Return the name and the items of each section that has any; one section without a name for a single list."""
    names = [(each.interest_id, each.name) for each in slate.sections] or [("", "")]
    found = [(name, [item for item in slate.items if item.interest_id == key]) for key, name in names]
    return [(name, items) for name, items in found if items]


def _named(paper: Paper) -> str:
    """Return the id and the address of a paper, which other commands and browsers take."""
    return "  ".join(one_line(part) for part in (paper.paper_id, paper.url) if part)


def search(
    words: Annotated[
        list[str],
        typer.Argument(
            help="Words of titles, authors and abstracts; '\"two words\"' is a phrase, -word excludes papers."
        ),
    ],
    server: ServerOptions,
    size: Size = 10,
    as_json: Json = False,
) -> None:
    """Print the papers of the catalog that contain all the words, the best match first.

    Put -- in front of the words if one of them begins with a minus.
    """
    with server_client(server) as client:
        answer = client.catalog.SearchPapers(SearchPapersRequest(query=" ".join(words), page_size=size))
    text = "\n".join(f"{one_line(paper.title)}\n       {_named(paper)}" for paper in answer.papers)
    result = MessageToDict(answer, preserving_proto_field_name=True)
    show({"papers": result.get("papers", [])}, as_json=as_json, text=text or "no paper contains all of these words")


def similar(
    paper: Annotated[str, typer.Argument(help="Id of the paper, or another id it is known by.")],
    server: ServerOptions,
    size: Size = 10,
    as_json: Json = False,
) -> None:
    """Print the papers that are most similar to one paper."""
    with server_client(server) as client:
        answer = client.feeds.FindSimilarPapers(FindSimilarPapersRequest(paper_id=paper, limit=size))
    found: list[dict[str, Any]] = [
        {
            "paper_id": each.paper.paper_id,
            "title": each.paper.title,
            "url": each.paper.url,
            "similarity": round(each.similarity, 4),
        }
        for each in answer.papers
    ]
    text = "\n".join(
        f"{each.similarity:.3f}  {one_line(each.paper.title)}\n       {_named(each.paper)}" for each in answer.papers
    )
    show({"papers": found}, as_json=as_json, text=text or "this paper has no vector yet; try again later")


def profile(user: User, server: ServerOptions, as_json: Json = False) -> None:
    """Print a user's profile: number of likes, interests and preferences."""
    with server_client(server) as client:
        found = client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile
    lines = [f"{found.user_id}: {found.like_count} likes, {found.dislike_count} dislikes"]
    lines += [f"  {each.weight:4.0%}  {one_line(each.name)}  ({each.like_count})" for each in found.interests]
    asked = MessageToDict(found.preferences, preserving_proto_field_name=True)
    lines += [f"{name.replace('_', ' ')}: {', '.join(map(one_line, values))}" for name, values in asked.items()]
    result = MessageToDict(found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    show(result, as_json=as_json, text="\n".join(lines))


def _counted(answer: GetStatusResponse) -> str:
    """Return the statistics of the catalog that a server ranks with, in words."""
    if not answer.statistics_version:
        return "version 0, the bundle's own statistics alone"
    counted_at = answer.statistics_counted_at.ToDatetime(dt.UTC)
    papers = f"a catalog of {answer.statistics_paper_count} papers"
    return f"version {answer.statistics_version}, of {papers} at {counted_at:%Y-%m-%d %H:%M:%S} UTC"


def _canary(answer: GetStatusResponse) -> str:
    return f"{one_line(answer.canary_model_version)} for {answer.canary_share:.0%} of the users"


def _reason(fallback: FallbackCount) -> str:
    return FallbackReason.Name(fallback.reason).removeprefix("FALLBACK_REASON_")


def status(
    server: ServerOptions,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 5.0,
    ready: Annotated[
        bool, typer.Option("--ready", help="Ask only whether the server is ready. This needs no API key.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print a server's counters: calls, errors, fallbacks and queues.

    Exits with 1 if the server does not answer. It also does if the server has no usable bundle, unless the server runs
    with PAPERFEED_ALLOW_COSINE=true.
    """
    if ready:
        is_ready = asks_health(server, timeout=timeout)
        show({"is_ready": is_ready}, as_json=as_json, text="ready" if is_ready else "not ready")
        raise typer.Exit(0 if is_ready else 1)
    with server_client(server, timeout=timeout) as client:
        answer = client.status.GetStatus(GetStatusRequest())
    result = MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    lines = [
        f"paperfeed {answer.version}, up {dt.timedelta(seconds=answer.uptime.seconds)}",
        *([f"process  {answer.worker} of {answer.worker_count}"] if answer.worker_count > 1 else []),
        f"model    {answer.model_version or 'none: ' + answer.model_problem}",
        *([f"canary   {_canary(answer)}"] if answer.canary_model_version else []),
        *([f"problem  {one_line(answer.model_load_problem)}"] if answer.model_load_problem else []),
        f"catalog  {_counted(answer)}",
        f"encoder  {answer.encoder}",
        f"papers   {f'unknown: {answer.storage_problem}' if answer.storage_problem else answer.paper_count}",
        *(f"queue    {queue.queue}: {queue.length}" for queue in answer.queues),
        *(f"call     {call.method} {Code.Name(call.code)}: {call.count}" for call in answer.calls),
        *(f"feeds    {_reason(fallback)}: {fallback.count}" for fallback in answer.fallbacks),
        *([f"feeds    of a stale digest: {answer.stale_feed_count}"] if answer.stale_feed_count else []),
    ]
    show(result, as_json=as_json, text="\n".join(lines))
    if not answer.is_ready:
        note(f"{answer.model_problem}; {BundleUnusable.REMEDY}")
        raise typer.Exit(1)
