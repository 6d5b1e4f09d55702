"""Interests over gRPC: ids, names, weights, pauses, lists, merges, splits, deletion and export."""

import grpc
import pytest

from paperfeed.client import Client
from paperfeed.v1.profile_pb2 import (
    INTEREST_ORIGIN_COLLECTION,
    INTEREST_ORIGIN_FOUND,
    INTEREST_ORIGIN_LIST,
    DeleteInterestRequest,
    DeleteUserRequest,
    ExportUserRequest,
    GetProfileRequest,
    ListInterestsRequest,
)
from testing.calls import MONDAY, failing, fresh, make_papers, record, upsert_ready
from testing.servers import Service
from tests.rpc.interests.calls import change, create, interests, merge, split, two_interests

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


@pytest.fixture
def service(each_engine: Service) -> Service:
    return each_engine


def delete(client: Client, user: str, interest_id: str) -> None:
    client.profiles.DeleteInterest(DeleteInterestRequest(user_id=user, interest_id=interest_id))


def test_found_interests_have_ids(client: Client) -> None:
    """Interests of a user without edits have ids, all their papers and an origin; GetProfile lists three papers."""
    user, strong, weak = two_interests(client)

    found = interests(client, user)

    assert [list(each.paper_ids) for each in found] == [strong[::-1], weak[::-1]]
    assert {each.origin for each in found} == {INTEREST_ORIGIN_FOUND}
    assert len({each.interest_id for each in found}) == 2
    assert interests(client, user) == found
    profile = client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile
    assert [list(each.paper_ids) for each in profile.interests] == [strong[:-4:-1], weak[::-1]]


def test_rename_keeps_ids_and_papers(client: Client) -> None:
    """A rename changes the name alone, also after new likes, which join the interest that they are similar to."""
    user, strong, weak = two_interests(client)
    before = interests(client, user)

    renamed = change(client, user, before[1].interest_id, name=" Seeing machines ")

    assert renamed.name == "Seeing machines"
    more = upsert_ready(client, [*make_papers(2), *make_papers(1, "audio")])
    record(client, user, "like", *more, when=MONDAY)
    audio, vision = interests(client, user)
    assert (audio.interest_id, vision.interest_id) == tuple(each.interest_id for each in before)
    assert (audio.name, vision.name) == (before[0].name, "Seeing machines")
    assert set(vision.paper_ids) == {*weak, *more[:2]}
    assert set(audio.paper_ids) == {*strong, more[2]}


def test_likes_of_a_new_field_are_a_new_interest(client: Client) -> None:
    """After an edit, likes that are similar to no interest form a new one, which gets an id that stays."""
    user, *_ = two_interests(client)
    first = interests(client, user)[0].interest_id
    change(client, user, first, name="Sound")
    robots = upsert_ready(client, make_papers(3, "robots"))
    record(client, user, "like", *robots, when=MONDAY)

    new = interests(client, user)[2]

    assert list(new.paper_ids) == robots[::-1]
    assert new.name
    assert change(client, user, new.interest_id, name="Robots").interest_id == new.interest_id
    assert [each.name for each in interests(client, user)][::2] == ["Sound", "Robots"]


def test_weight(client: Client) -> None:
    """A new weight holds after new likes; the others share the rest."""
    user, *_ = two_interests(client)
    strong, weak = interests(client, user)
    assert strong.weight == pytest.approx(0.8, abs=0.01)

    assert change(client, user, weak.interest_id, weight=0.5).weight == pytest.approx(0.5)

    record(client, user, "like", *upsert_ready(client, make_papers(5, "audio")), when=MONDAY)
    assert [each.weight for each in interests(client, user)] == pytest.approx([0.5, 0.5])
    assert change(client, user, weak.interest_id, weight=1).weight == 1
    assert change(client, user, weak.interest_id, weight=0.25).weight == pytest.approx(0.25)
    assert interests(client, user)[0].weight == pytest.approx(0.75)


def test_lists_and_collections(client: Client) -> None:
    """A list holds the named papers, liked or not, and attracts likes; a repeat of its creation changes nothing."""
    user = fresh("user")
    papers = upsert_ready(client, make_papers(4, "robots"))

    made = create(client, user, "Robots", papers[:2], origin=INTEREST_ORIGIN_COLLECTION, interest_id="zotero-1")

    assert (made.interest_id, made.like_count, made.weight) == ("zotero-1", 0, 1)
    assert set(made.paper_ids) == set(papers[:2])
    assert create(client, user, "Robots", papers[:2], origin=INTEREST_ORIGIN_COLLECTION, interest_id="zotero-1") == made
    record(client, user, "like", papers[3], papers[0], when=MONDAY)
    (robots,) = interests(client, user)
    assert list(robots.paper_ids) == [papers[0], papers[3], papers[1]]
    assert robots.like_count == 2
    other = create(client, user, "Reading", papers[1:2])
    assert create(client, user, "Reading", papers[1:2]) == other
    with failing(INVALID, field="interest_id"):
        create(client, user, "Reading", papers[2:3])


def test_papers_of_an_interest(client: Client) -> None:
    """A liked paper that is taken out belongs to no interest; a paper that is moved leaves the interest it was in."""
    user, strong, weak = two_interests(client)
    audio, vision = interests(client, user)

    change(client, user, audio.interest_id, paper_ids=strong[1:])

    assert set(interests(client, user)[0].paper_ids) == set(strong[1:])
    change(client, user, vision.interest_id, paper_ids=[*weak, strong[1], strong[0]])
    audio, vision = interests(client, user)
    assert set(audio.paper_ids) == set(strong[2:])
    assert set(vision.paper_ids) == {*weak, *strong[:2]}


def test_merge(client: Client) -> None:
    """A merged interest has the papers and weights of all; the old ids name it, also when the call is repeated."""
    user, strong, weak = two_interests(client)
    audio, vision = interests(client, user)

    whole = merge(client, user, vision.interest_id, audio.interest_id)

    assert (whole.interest_id, whole.name, whole.weight) == (vision.interest_id, vision.name, 1)
    assert set(whole.paper_ids) == {*strong, *weak}
    assert list(whole.merged_interest_ids) == [audio.interest_id]
    assert merge(client, user, vision.interest_id, audio.interest_id) == whole
    assert change(client, user, audio.interest_id, name="All").interest_id == vision.interest_id
    assert [each.name for each in interests(client, user)] == ["All"]


def test_split(client: Client) -> None:
    """A split without papers finds the two groups; with papers, it moves these; both can be repeated."""
    user, strong, weak = two_interests(client)
    audio, vision = interests(client, user)
    merge(client, user, audio.interest_id, vision.interest_id)

    found = split(client, user, audio.interest_id, new_interest_id="apart", new_name="Apart")

    assert (found.new_interest.name, found.new_interest.origin) == ("Apart", INTEREST_ORIGIN_FOUND)
    assert set(found.interest.paper_ids) == set(strong)
    assert set(found.new_interest.paper_ids) == set(weak)
    assert found.new_interest.weight == pytest.approx(0.2, abs=0.01)
    assert split(client, user, audio.interest_id, new_interest_id="apart") == found
    some = split(client, user, audio.interest_id, paper_ids=strong[:3])
    assert set(some.new_interest.paper_ids) == set(strong[:3])
    assert some.new_interest.name
    assert split(client, user, audio.interest_id, paper_ids=strong[:3]) == some
    assert len(interests(client, user)) == 3
    with failing(INVALID, field="paper_ids"):
        split(client, user, "apart", paper_ids=weak)


def test_deleted_interest_stays_away(client: Client) -> None:
    """The likes of a deleted interest stay likes, and found no new interest; deleting it again does nothing."""
    user, strong, weak = two_interests(client)
    audio, vision = interests(client, user)

    delete(client, user, vision.interest_id)
    delete(client, user, vision.interest_id)

    (left,) = interests(client, user)
    assert (left.interest_id, left.weight, left.like_count) == (audio.interest_id, 1, len(strong))
    profile = client.profiles.GetProfile(GetProfileRequest(user_id=user)).profile
    assert profile.like_count == len(strong) + len(weak)
    exported = [each.interests for each in client.profiles.ExportUser(ExportUserRequest(user_id=user))]
    (held,) = [each for each in exported if each.interests]
    assert list(held.interests) == [left]
    assert list(held.unsorted_paper_ids) == sorted(weak)


def test_export_without_edits_has_no_interests(client: Client) -> None:
    """Users without edits have interests in the profile of an export alone."""
    user, *_ = two_interests(client)
    records = list(client.profiles.ExportUser(ExportUserRequest(user_id=user)))
    assert not any(each.HasField("interests") for each in records)
    assert len(records[0].profile.interests) == 2


def test_deleting_a_user_deletes_interests(client: Client) -> None:
    """A user who is deleted and comes back has no edited interests."""
    user, _, weak = two_interests(client)
    change(client, user, interests(client, user)[1].interest_id, name="Gone")

    client.profiles.DeleteUser(DeleteUserRequest(user_id=user))

    with failing(NOT_FOUND, field="user_id"):
        client.profiles.ListInterests(ListInterestsRequest(user_id=user))
    record(client, user, "like", *weak, when=MONDAY)
    assert "Gone" not in [each.name for each in interests(client, user)]


def test_bad_edits_name_the_field(client: Client) -> None:
    """Each wrong value is refused with the field's name, and nothing changes."""
    user, strong, _ = two_interests(client)
    found = interests(client, user)
    first, second = (each.interest_id for each in found)

    with failing(NOT_FOUND, field="interest_id"):
        change(client, user, "no-such", name="x")
    with failing(NOT_FOUND, field="user_id"):
        change(client, fresh("nobody"), first, name="x")
    with failing(INVALID, field="update_mask"):
        change(client, user, first, like_count=3)
    for weight in (-0.1, 1.5, float("nan")):
        with failing(INVALID, field="interest.weight"):
            change(client, user, first, weight=weight)
    with failing(INVALID, field="interest.name"):
        change(client, user, first, name="  ")
    with failing(NOT_FOUND, field="interest.paper_ids[1]"):
        change(client, user, first, paper_ids=[strong[0], "no-such-paper"])
    with failing(INVALID, field="interest.origin"):
        create(client, user, "x", strong, origin=INTEREST_ORIGIN_FOUND)
    with failing(INVALID, field="interest.origin"):
        create(client, user, "x", strong, origin=77)
    with failing(INVALID, field="merged_interest_ids"):
        merge(client, user, first)
    with failing(NOT_FOUND, field="merged_interest_ids[1]"):
        merge(client, user, first, second, "no-such")
    assert interests(client, user) == found


def test_at_most_fifty(client: Client) -> None:
    """The fifty-first interest is refused."""
    user = fresh("user")
    papers = upsert_ready(client, make_papers(1))
    for number in range(50):
        create(client, user, f"List {number}", papers)

    with failing(INVALID, field="interest"):
        create(client, user, "One more", papers)

    assert len(interests(client, user)) == 50
    assert {each.origin for each in interests(client, user)} == {INTEREST_ORIGIN_LIST}
