"""One request for each RPC, as JSON, in an order in which all of them succeed. Any client can send them."""

from typing import Any

from google.protobuf.json_format import MessageToDict

PAPERS = ["graph neural networks on proteins", "protein folding with graphs", "monetary policy", "graphs of proteins"]
PAPER_IDS = [f"p{number}" for number in range(len(PAPERS))]

STEPS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "CatalogService",
        "UpsertPapers",
        {"papers": [{"paper_id": name, "title": title} for name, title in zip(PAPER_IDS, PAPERS, strict=True)]},
    ),
    ("CatalogService", "GetPaper", {"paper_id": "p0"}),
    ("CatalogService", "BatchGetPapers", {"paper_ids": PAPER_IDS, "view": "PAPER_VIEW_FULL"}),
    ("CatalogService", "SearchPapers", {"query": "proteins"}),
    ("CatalogService", "ListPapers", {"page_size": 2}),
    ("CatalogService", "ListPapers", {"page_size": 2, "page_token": "$ListPapers.next_page_token"}),
    (
        "CatalogService",
        "UpsertDigest",
        {"digest": {"digest_id": "d", "date": {"year": 2026, "month": 3, "day": 11}, "paper_ids": PAPER_IDS}},
    ),
    ("CatalogService", "GetDigest", {}),
    ("CatalogService", "ListDigests", {}),
    (
        "ProfileService",
        "RecordEvents",
        {"events": [{"event_id": "e", "user_id": "ada", "paper_id": "p0", "event_type": "EVENT_TYPE_LIKE"}]},
    ),
    ("ProfileService", "ListLikes", {"user_id": "ada"}),
    ("ProfileService", "GetProfile", {"user_id": "ada"}),
    (
        "ProfileService",
        "UpdatePreferences",
        {"user_id": "ada", "preferences": {"followed_topics": ["cs.LG"]}, "update_mask": "followedTopics"},
    ),
    (
        "ProfileService",
        "CreateInterest",
        {
            "user_id": "ada",
            "interest": {
                "interest_id": "list",
                "name": "List",
                "origin": "INTEREST_ORIGIN_LIST",
                "paper_ids": ["p0", "p1", "p2"],
            },
        },
    ),
    (
        "ProfileService",
        "UpdateInterest",
        {"user_id": "ada", "interest": {"interest_id": "list", "name": "Reading"}, "update_mask": "name"},
    ),
    (
        "ProfileService",
        "SplitInterest",
        {"user_id": "ada", "interest_id": "list", "paper_ids": ["p2"], "new_interest_id": "part", "new_name": "Part"},
    ),
    (
        "ProfileService",
        "MergeInterests",
        {"user_id": "ada", "interest_id": "list", "merged_interest_ids": ["part"]},
    ),
    ("ProfileService", "ListInterests", {"user_id": "ada"}),
    ("ProfileService", "DeleteInterest", {"user_id": "ada", "interest_id": "list"}),
    ("FeedService", "GetFeed", {"user_id": "ada", "digest_id": "d", "page_size": 1, "explain": True}),
    (
        "FeedService",
        "GetFeed",
        {
            "user_id": "ada",
            "digest_id": "d",
            "page_size": 1,
            "explain": True,
            "page_token": "$GetFeed.next_page_token",
        },
    ),
    ("FeedService", "GetSlate", {"slate_id": "$GetFeed.slate.slate_id"}),
    ("FeedService", "StreamFeeds", {"user_ids": ["ada", "bob"], "digest_ids": ["d"], "limit": 2}),
    (
        "FeedService",
        "RankPapers",
        {"liked_paper_ids": {"paper_ids": ["p0"]}, "candidate_papers": {"papers": [{"title": "protein graphs"}]}},
    ),
    ("FeedService", "FindSimilarPapers", {"paper_id": "p0", "limit": 2}),
    ("FeedService", "ExplainPaper", {"user_id": "ada", "paper_id": "p1", "digest_id": "d"}),
    ("ProfileService", "ExportUser", {"user_id": "ada"}),
    ("ProfileService", "ListSignals", {"user_id": "ada"}),
    ("ProfileService", "DeleteEvents", {"user_id": "ada", "event_ids": ["e"]}),
    ("ProfileService", "ResetSignals", {"user_id": "ada"}),
    ("ProfileService", "DeleteUser", {"user_id": "ada"}),
    ("ProfileService", "ListDeletedUsers", {}),
    ("CatalogService", "DeletePaper", {"paper_id": "p3"}),
    ("CatalogService", "DeleteDigest", {"digest_id": "d"}),
    ("ModelService", "RegisterModel", {"content_sha256": "0" * 64}),
    ("ModelService", "ListModels", {}),
    ("ModelService", "ListModelLog", {}),
    ("ModelService", "GetModel", {"model_version": "m"}),
    ("ModelService", "PromoteModel", {"model_version": "m"}),
    ("ModelService", "RollbackModel", {"from_model_version": "m"}),
    ("StatusService", "GetStatus", {}),
]
UNIMPLEMENTED = "UNIMPLEMENTED"
"""The answer of a step whose RPC the settings do not enable."""


def filled(value: Any, answers: dict[str, Any]) -> Any:
    """Return the request with each text such as ``$GetFeed.slate.slate_id`` replaced by that part of an answer."""
    if isinstance(value, dict):
        return {key: filled(each, answers) for key, each in value.items()}
    if isinstance(value, str) and value.startswith("$"):
        rpc, *names = value[1:].split(".")
        value = answers[rpc]
        for name in names:
            value = value[name]
    return value


def plain(answer: Any) -> Any:
    """Return a message as JSON."""
    return MessageToDict(answer, preserving_proto_field_name=True)


def check(answers: dict[str, Any]) -> None:
    """Assert that each RPC gave what the steps ask for. A stream's answer is the list of its messages."""
    assert answers.keys() == {rpc for _, rpc, _ in STEPS}
    assert [paper["paper_id"] for paper in answers["ListPapers"]["papers"]] == ["p2", "p3"]
    assert {paper["paper_id"] for paper in answers["SearchPapers"]["papers"]} == {"p0", "p1", "p3"}
    assert answers["GetDigest"]["digest"]["date"] == {"year": 2026, "month": 3, "day": 11}
    assert answers["UpdatePreferences"]["preferences"] == {"followed_topics": ["cs.LG"]}
    assert answers["GetFeed"]["slate"]["items"][0]["rank"] == 2
    assert len(answers["GetSlate"]["slate"]["items"]) == 3
    assert [len(answer["slate"]["items"]) for answer in answers["StreamFeeds"]] == [2, 2]
    assert len(answers["RankPapers"]["items"]) == 1
    assert answers["ExplainPaper"]["outcome"] == "PAPER_OUTCOME_SHOWN"
    assert [signal["event"]["event_id"] for signal in answers["ListSignals"]["signals"]] == ["e"]
    assert (answers["DeleteEvents"], answers["ResetSignals"]) == ({"deleted_count": 1}, {})
    assert [each["name"] for each in answers["ListInterests"]["interests"]] == ["Reading"]
    assert answers["SplitInterest"]["new_interest"]["paper_ids"] == ["p2"]
    assert answers["MergeInterests"]["interest"]["merged_interest_ids"] == ["part"]
    assert {next(iter(record)) for record in answers["ExportUser"]} == {"profile", "interests", "event", "slate"}
    assert len(answers["ListDeletedUsers"]["deleted_users"]) == 1
    listed = {"method": "ModelService/ListModels", "code": "UNIMPLEMENTED", "count": "1"}
    assert listed in answers["GetStatus"]["calls"]
    assert {answers[rpc] for service, rpc, _ in STEPS if service == "ModelService"} == {UNIMPLEMENTED}
