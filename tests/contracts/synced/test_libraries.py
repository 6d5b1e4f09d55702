"""Synced libraries as likes, on SQLite and PostgreSQL."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from service.app.libraries import import_library
from service.app.ports import Store
from service.app.synced.libraries import FoundItem, LibraryChanges, LibrarySync, find_library, sync_library
from service.domain.errors import Conflict, InvalidField
from service.domain.events import Event, EventType
from service.domain.interests import InterestOrigin, StoredInterests, merged, with_papers
from service.domain.libraries import LibraryCollection
from service.domain.papers import Paper
from tests.contracts.samples import CLOCK, HOUR, NOW, FixedClock

ZOTERO, FILE = "zotero:users/1", "file:/my papers/refs.bib"


def moss(number: int) -> Paper:
    """Return one of several papers."""
    return Paper(f"doi:10.9999/moss.{number}", f"Field notes on moss number {number}", authors=(f"Ida Noll{number}",))


@dataclass
class World:
    """A user, a clock that a test moves, and the library's items."""

    store: Store
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def sync(
        self,
        items: Sequence[tuple[str, int, dt.datetime | None]],
        source: str = ZOTERO,
        **changes: object,
    ) -> LibrarySync:
        """Sync (key, number of the paper, time of adding) an hour after the last step."""
        self.clock.time += HOUR
        before, _, _ = find_library(self.store, "ada", source)
        numbers = sorted({number for _, number, _ in items})
        found = LibraryChanges(
            papers=tuple(map(moss, numbers)),
            items=tuple(FoundItem(key, numbers.index(number), added_at) for key, number, added_at in items),
        )
        return sync_library(self.store, self.clock, "ada", source, before, replace(found, **changes))  # type: ignore[arg-type]

    def does(self, event_type: EventType, number: int) -> None:
        """Record an event of the user in paperfeed, an hour after the last step."""
        self.clock.time += HOUR
        name = f"{event_type.value}{self.clock.time}"
        with self.store.write() as tx:
            event = Event(name, "ada", moss(number).paper_id, event_type, self.clock.time)
            tx.users.record([event], self.clock.time)

    def likes(self) -> list[int]:
        """Return the numbers of the liked papers."""
        with self.store.read() as tx:
            state = tx.users.find_state("ada")
        assert state is not None
        return sorted(int(like.paper_id.rpartition(".")[2]) for like in state.likes)


@pytest.fixture
def world(store: Store) -> World:
    """A world with an empty database on each engine."""
    return World(store)


def test_likes_come_and_go(world: World) -> None:
    """The first sync likes all papers at their times, the same again does nothing, and a removed item's like ends."""
    items = [("A", 1, NOW - HOUR), ("B", 2, None), ("C", 3, NOW)]
    first = world.sync(items)
    assert (first.added_count, first.new_paper_count, first.liked_count, first.unchanged_count) == (3, 3, 3, 0)
    with world.store.read() as tx:
        state = tx.users.find_state("ada")
    assert state is not None
    assert [like.liked_at for like in state.likes] == [None, NOW - HOUR, NOW]

    again = world.sync(items)
    assert (again.added_count, again.removed_count, again.unchanged_count, again.liked_count) == (0, 0, 3, 0)
    gone = world.sync(items[1:])
    assert (gone.removed_count, gone.unliked_count, gone.unchanged_count) == (1, 1, 2)
    assert world.likes() == [2, 3]
    assert world.sync(items).liked_count == 1
    assert world.likes() == [1, 2, 3]


def test_changes_only(world: World) -> None:
    """Between whole reads, only the named items come and go; an item that cannot be read stays as it was."""
    world.sync([("A", 1, NOW), ("B", 2, NOW)])
    done = world.sync([("C", 3, NOW)], is_whole=False, removed=frozenset({"A", "X"}))
    assert (done.added_count, done.removed_count, done.unchanged_count) == (1, 1, 1)
    assert world.likes() == [2, 3]
    whole = world.sync([("C", 3, NOW)], unread=frozenset({"B"}))
    assert (whole.removed_count, whole.unchanged_count) == (0, 2)
    changed = world.sync([("C", 4, NOW)], is_whole=False)
    assert (changed.added_count, changed.removed_count, changed.liked_count, changed.unliked_count) == (1, 1, 1, 1)
    assert world.likes() == [2, 4]


def test_other_sources_of_a_like(world: World) -> None:
    """A removed item's like stays if the user likes the paper in paperfeed, in another item or in another library."""
    items = [("A", 1, NOW), ("B", 2, NOW), ("C", 3, NOW), ("D", 3, NOW), ("E", 4, NOW), ("F", 5, NOW)]
    world.sync(items)
    world.does(EventType.LIKE, 1)
    world.does(EventType.SAVE, 2)
    world.sync([("refs4", 4, None)], FILE)
    done = world.sync([("C", 3, NOW)])
    assert (done.removed_count, done.unliked_count) == (5, 1)
    assert set(done.kept) == {"A", "B", "D", "E"}
    assert world.likes() == [1, 2, 3, 4]
    world.sync([("refs5", 5, None)], FILE)
    assert world.likes() == [1, 2, 3, 5]


def test_a_like_taken_back_in_paperfeed_stays_so(world: World) -> None:
    """A like and an unlike in paperfeed are the user's own; a removal then takes nothing back."""
    world.sync([("A", 1, NOW), ("B", 2, NOW)])
    world.does(EventType.LIKE, 1)
    world.does(EventType.UNLIKE, 1)
    assert world.likes() == [2]
    assert world.sync([("A", 1, NOW), ("B", 2, NOW)]).liked_count == 0
    done = world.sync([("B", 2, NOW)])
    assert (done.removed_count, done.unliked_count, done.kept) == (1, 0, ())


def test_the_later_decision_counts(world: World) -> None:
    """A dislike after the time of adding stays; adding a paper after a dislike makes it a like."""
    import_library(world.store, CLOCK, "ada", [(moss(1), NOW), (moss(2), NOW)])
    world.does(EventType.DISLIKE, 1)
    world.does(EventType.DISLIKE, 2)
    late = world.clock.time + dt.timedelta(minutes=5)
    done = world.sync([("A", 1, NOW), ("B", 2, late)])
    assert (done.liked_count, done.overruled) == (1, ("A",))
    assert world.likes() == [2]


def test_a_paper_without_a_time_is_added_when_it_appears(world: World) -> None:
    """In a first sync such a like is older than everything, later it is new; another key of a paper changes nothing."""
    world.sync([("A", 1, None)], FILE)
    world.sync([("B", 2, NOW)])
    world.does(EventType.DISLIKE, 2)
    world.does(EventType.DISLIKE, 1)
    assert world.sync([("renamed", 1, None)], FILE).overruled == ("renamed",)
    assert world.sync([("renamed", 1, None), ("new", 2, None)], FILE).overruled == ()
    assert world.likes() == [2]


def test_what_comes_back_overrules_nothing_later(world: World) -> None:
    """A like that a sync took back comes back if the item does, but not over a dislike in between."""
    world.sync([("A", 1, NOW), ("B", 2, None)])
    world.sync([])
    assert world.likes() == []
    world.does(EventType.DISLIKE, 1)
    back = world.sync([("A", 1, NOW), ("B", 2, None)])
    assert back.overruled == ("A",)
    assert world.likes() == [2]
    world.sync([])
    assert world.likes() == []


def test_an_import_of_the_same_library(world: World) -> None:
    """A like that an earlier import made of the same item ends with the item; one of unknown time is the user's own."""
    import_library(world.store, CLOCK, "ada", [(moss(1), NOW - HOUR), (moss(2), None)])
    first = world.sync([("A", 1, NOW - HOUR), ("B", 2, NOW)])
    assert (first.added_count, first.new_paper_count, first.liked_count) == (2, 0, 0)
    done = world.sync([])
    assert (done.unliked_count, done.kept) == (1, ("B",))
    assert world.likes() == [2]


def test_state_and_collections(world: World) -> None:
    """The version, the chosen collections and all collections with their members are remembered."""
    walls, sand = LibraryCollection("W", "Walls", "T"), LibraryCollection("S", "Sand")
    item = FoundItem("A", 0, NOW, ("W",))
    changes = LibraryChanges((moss(1),), (item,), version=7, chosen=("W",), reached=("W",), collections=(sand, walls))
    sync_library(world.store, CLOCK, "ada", ZOTERO, None, changes)
    before, collections, count = find_library(world.store, "ada", ZOTERO)
    assert before is not None
    assert (before.version, before.chosen, before.synced_at, count) == (7, ("W",), NOW, 1)
    assert collections == [sand, walls]
    with world.store.read() as tx:
        assert tx.libraries.items("ada", ZOTERO)["A"].collections == ("W",)
    sync_library(world.store, CLOCK, "ada", ZOTERO, before, replace(changes, collections=(walls,)))
    assert find_library(world.store, "ada", ZOTERO)[1] == [walls]
    assert find_library(world.store, "ben", ZOTERO) == (None, [], 0)


WALLS, SAND = LibraryCollection("W", "Walls"), LibraryCollection("S", "Sand")


@dataclass
class Shelf:
    """A library whose collections are interests, and the user's interests."""

    world: World

    def put(self, names: Sequence[LibraryCollection], *items: tuple[int, str]) -> LibrarySync:
        """Sync (number of the paper, keys of its collections as letters)."""
        self.world.clock.time += HOUR
        before, _, _ = find_library(self.world.store, "ada", ZOTERO)
        numbers = [number for number, _ in items]
        changes = LibraryChanges(
            papers=tuple(map(moss, numbers)),
            items=tuple(
                FoundItem(f"I{number}", place, NOW + number * HOUR / 100, tuple(keys))
                for place, (number, keys) in enumerate(items)
            ),
            collections=tuple(names),
            as_interests=True,
        )
        return sync_library(self.world.store, self.world.clock, "ada", ZOTERO, before, changes)

    def stored(self) -> StoredInterests:
        """Return what is written down."""
        with self.world.store.read() as tx:
            state = tx.users.find_state("ada")
        return state.interests if state and state.interests else StoredInterests()

    def edit(self, wanted: StoredInterests) -> None:
        """Store what the user made of the interests."""
        with self.world.store.write() as tx:
            tx.users.save_interests("ada", wanted, self.world.clock.time)

    def shown(self) -> dict[str, tuple[str, list[int]]]:
        """Return name and numbers of the papers, in order, by interest."""
        return {
            each.interest_id.removeprefix(f"{ZOTERO}/"): (
                each.name,
                [int(paper_id.rpartition(".")[2]) for paper_id in each.paper_ids],
            )
            for each in self.stored().interests
        }


def test_interests_follow_collections(world: World) -> None:
    """Interests have the papers and the name of their collections, newest first, and end when they are empty."""
    shelf = Shelf(world)
    shelf.put([WALLS, SAND, LibraryCollection("E", "Empty")], (1, "W"), (2, "WS"), (3, ""))
    assert shelf.shown() == {"W": ("Walls", [2, 1]), "S": ("Sand", [2])}
    assert {each.origin for each in shelf.stored().interests} == {InterestOrigin.COLLECTION}
    version = shelf.stored()
    shelf.put([WALLS, SAND], (1, "W"), (2, "WS"), (3, ""))
    assert shelf.stored() == version
    shelf.put([replace(WALLS, name="Old  walls"), SAND], (2, "W"), (3, "W"))
    assert shelf.shown() == {"W": ("Old walls", [3, 2])}
    assert world.likes() == [2, 3]


def test_edits_of_interests_stay(world: World) -> None:
    """A name, a merge, a part and a deletion by the user outlive later syncs, which bring only what is new."""
    shelf = Shelf(world)
    names = [WALLS, SAND, LibraryCollection("D", "Dunes")]
    shelf.put(names, (1, "W"), (2, "W"), (3, "S"), (4, "D"))
    walls, sand, dunes = (f"{ZOTERO}/{key}" for key in "WSD")
    stored = shelf.stored()
    stored = stored.put(replace(stored.interests[0], name="My walls", paused=True))
    stored = merged(stored, dunes, [sand], dict.fromkeys([walls, sand, dunes], 1 / 3))
    shelf.edit(with_papers(stored, walls, [moss(2).paper_id], [moss(1).paper_id]))
    shelf.put(
        [replace(each, name=f"New {each.name}") for each in names], (1, "W"), (2, "W"), (5, "W"), (6, "S"), (4, "D")
    )
    assert shelf.shown() == {"W": ("My walls", [5, 2]), "D": ("New Dunes", [6, 4])}
    assert shelf.stored().interests[0].paused
    shelf.edit(shelf.stored().without([walls]))
    shelf.put(names, (1, "W"), (5, "W"), (7, "W"), (6, "S"), (4, "D"))
    assert shelf.shown() == {"D": ("Dunes", [6, 4])}


def test_more_collections_than_interests(world: World) -> None:
    """The largest collections become interests, as many as a user may have; the others are counted."""
    names = [LibraryCollection(f"{number}", f"Shelf {number}") for number in range(52)]
    world.clock.time += HOUR
    items = [FoundItem("A", 0, NOW, tuple(each.collection_key for each in names)), FoundItem("B", 1, NOW, ("51",))]
    changes = LibraryChanges((moss(1), moss(2)), tuple(items), collections=tuple(names), as_interests=True)
    done = sync_library(world.store, world.clock, "ada", ZOTERO, None, changes)
    assert done.roomless_count == 2
    stored = Shelf(world).stored()
    assert len(stored.interests) == 50
    assert stored.interests[0].name == "Shelf 51"


def test_two_syncs_at_the_same_time(world: World) -> None:
    """The second of two syncs that began with the same state is refused, and stores nothing."""
    changes = LibraryChanges((moss(1),), (FoundItem("A", 0, NOW),), version=1)
    sync_library(world.store, CLOCK, "ada", ZOTERO, None, changes)
    other = LibraryChanges((moss(2),), (FoundItem("B", 0, NOW),), version=2)
    with pytest.raises(Conflict, match="library 'zotero:users/1' was changed at the same time; try again"):
        sync_library(world.store, CLOCK, "ada", ZOTERO, None, other)
    with world.store.read() as tx:
        assert tx.papers.find_many([moss(2).paper_id]) == {}


def test_a_bad_paper_stores_nothing(world: World) -> None:
    """One paper that breaks a rule refuses the whole sync."""
    changes = LibraryChanges((moss(1), replace(moss(2), title="")), (FoundItem("A", 0, NOW), FoundItem("B", 1, NOW)))
    with pytest.raises(InvalidField, match=r"papers\[1\]"):
        sync_library(world.store, CLOCK, "ada", ZOTERO, None, changes)
    assert find_library(world.store, "ada", ZOTERO) == (None, [], 0)


def test_deletions(world: World) -> None:
    """The items of a deleted paper and everything of a deleted user are gone; a sync then begins anew."""
    world.sync([("A", 1, NOW), ("B", 2, NOW)], collections=(LibraryCollection("S", "Sand"),))
    with world.store.write() as tx:
        tx.papers.delete(moss(1).paper_id)
        assert list(tx.libraries.items("ada", ZOTERO)) == ["B"]
        tx.users.delete("ada", world.clock)
    assert find_library(world.store, "ada", ZOTERO) == (None, [], 0)
    assert world.sync([("A", 1, NOW), ("B", 2, NOW)]).liked_count == 2
