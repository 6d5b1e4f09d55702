"""The contract of edited interests and of sections in slates, on SQLite and PostgreSQL."""

from dataclasses import replace

from service.app.interests import InterestChange, Interests
from service.app.ports import Store
from service.app.ranking.prepared_users import PreparedUsers
from service.app.ranking.serving import ServingSlot
from service.domain.errors import BundleUnusable
from service.domain.feeds import SlateSection
from service.domain.interests import InterestOrigin, StoredInterest, StoredInterests
from tests.contracts.samples import CLOCK, HOUR, NOW, add_papers, embed, event, in_threads, record, slate

STORED = StoredInterests(
    (
        StoredInterest("found-1", "Café “é”", InterestOrigin.FOUND, ("p1", "p0"), 1 / 3, True, ("a", "b")),
        StoredInterest("zotero-1", "Empty", InterestOrigin.COLLECTION, ()),
        StoredInterest("list-1", "Named", InterestOrigin.LIST, ("p2",), 0.0),
    ),
    frozenset({"p3", "p4"}),
)


def test_stored_as_given(store: Store) -> None:
    """Interests come back as they were saved, in their order, and replace those saved before."""
    with store.write() as tx:
        tx.users.save_interests("ada", STORED, NOW)
        tx.users.save_interests("bob", StoredInterests(), NOW)
    with store.write() as tx:
        tx.users.save_interests("bob", replace(STORED, interests=STORED.interests[1:]), NOW)

    with store.read() as tx:
        states = tx.users.find_states(["ada", "bob"])
    assert states["ada"].interests == STORED
    assert states["bob"].interests == replace(STORED, interests=STORED.interests[1:])


def test_none_without_an_edit(store: Store) -> None:
    """A user with likes and preferences has no stored interests; an empty list is something else than none."""
    add_papers(store, 1)
    record(store, event())
    with store.read() as tx:
        state = tx.users.find_state("ada")
        assert state is not None
        assert state.interests is None
    with store.write() as tx:
        tx.users.save_interests("ada", StoredInterests(), NOW)
    with store.read() as tx:
        state = tx.users.find_state("ada")
        assert state is not None
        assert state.interests == StoredInterests()
        assert len(state.likes) == 1


def test_a_new_version(store: Store) -> None:
    """Saving creates a missing user, gives a new version and time, and leaves preferences and others alone."""
    add_papers(store, 1)
    record(store, event(user_id="bob"))
    with store.write() as tx:
        before, other = tx.users.version("ada"), tx.users.version("bob")
        tx.users.save_interests("ada", STORED, NOW)
        first = tx.users.version("ada")
        tx.users.save_interests("ada", STORED, NOW + HOUR)
    with store.read() as tx:
        assert before is None
        assert first is not None
        assert (tx.users.version("ada") or 0) > first
        assert tx.users.version("bob") == other
        state = tx.users.find_state("ada")
    assert state is not None
    assert (state.created_at, state.updated_at) == (NOW, NOW + HOUR)


def test_deleted_with_the_user(store: Store) -> None:
    """A deletion removes the interests; the user may come back without them."""
    with store.write() as tx:
        tx.users.save_interests("ada", STORED, NOW)
        assert tx.users.delete("ada", CLOCK)
    add_papers(store, 1)
    record(store, event())
    with store.read() as tx:
        state = tx.users.find_state("ada")
    assert state is not None
    assert state.interests is None


def test_slates_keep_sections(store: Store) -> None:
    """A slate keeps its sections and the interest of each item, with features or without; others have none."""
    plain = slate()
    sections = (SlateSection("found-1", "Café", 0.75), SlateSection("list-1", "Named", 0.25))
    items = (plain.items[0]._replace(interest_id="list-1"), plain.items[1])
    mixed = replace(plain, slate_id="s2", items=items, sections=sections)
    with store.write() as tx:
        tx.slates.add(plain)
        tx.slates.add(mixed)

    with store.read() as tx:
        assert tx.slates.find("s2", with_features=True) == mixed
        found = tx.slates.find("s1", with_features=True)
        assert found == plain
        assert {each.slate_id: each.sections for each in tx.slates.of_user("ada")} == {"s1": (), "s2": sections}


def test_two_edits_at_once(store: Store) -> None:
    """Two threads that rename two interests of one user at the same time both succeed."""
    ids = add_papers(store, 2)
    embed(store, ids)
    record(store, event(paper_id="p0"), event(paper_id="p1", event_id="e2"))

    def no_bundle(_: str) -> None:
        raise BundleUnusable("none in this test")

    serving = ServingSlot(store, "mini", no_bundle, allow_cosine=True)  # type: ignore[arg-type]
    interests = Interests(store, CLOCK, serving, PreparedUsers())
    for name in ("one", "two"):
        interests.create("ada", name, name, InterestOrigin.LIST, ["p0"])

    in_threads(
        lambda: interests.update("ada", "one", InterestChange(name="first")),
        lambda: interests.update("ada", "two", InterestChange(name="second")),
    )

    names = {each.interest_id: each.name for each in interests.of_user("ada")}
    assert (names["one"], names["two"]) == ("first", "second")
