"""Libraries as likes, on SQLite and PostgreSQL."""

from service.app.libraries import import_library
from service.app.ports import Store
from service.domain.events import Event, EventType, default_event_id, next_event_id
from service.domain.papers import Paper
from tests.contracts.samples import CLOCK, HOUR, NOW

MOSS = Paper("arxiv:1011.1669", "Moss clocks of the wall", authors=("Ida Noll",), url="https://doi.org/10.9999/moss")


def stored(store: Store) -> dict[str, str]:
    """Return titles by paper id."""
    with store.read() as tx:
        return {paper.paper_id: paper.title for paper in tx.papers.page(after="", limit=100)}


def test_known_papers_are_matched_and_not_changed(store: Store) -> None:
    """A paper is found by any of its names; the library of one user does not change what all see."""
    import_library(store, CLOCK, "ada", [(MOSS, None)])
    entries = [
        (Paper("doi:10.9999/moss", "Moss clocks"), NOW - HOUR),
        (Paper("title:a", "Moss Clocks of the Wall!"), None),
        (
            Paper("doi:10.9999/other", "Another paper of Noll", authors=("I. Noll",), url="arxiv.org/abs/1011.1669"),
            None,
        ),
        (Paper("doi:10.9999/new", "Lichen"), None),
    ]
    done = import_library(store, CLOCK, "ben", entries)

    assert (done.added_count, done.matched_count, done.liked_count, done.liked_before_count) == (1, 3, 2, 0)
    assert stored(store) == {"arxiv:1011.1669": MOSS.title, "doi:10.9999/new": "Lichen"}
    assert not done.conflicts


def test_wrong_ids_of_the_library_are_left_out(store: Store) -> None:
    """An id that the catalog has for quite another paper is left out, and what is left finds the paper again."""
    import_library(store, CLOCK, "ada", [(MOSS, None)])
    wind = Paper("arxiv:1011.1669", "Wind over the plain", authors=("Ben Orr",), url="https://doi.org/10.9999/wind")
    sand = Paper("doi:10.9999/moss", "Sand of the coast", authors=("Cy Poe",), url="https://doi.org/10.9999/moss")
    first = import_library(store, CLOCK, "ben", [(wind, None), (sand, None)])
    second = import_library(store, CLOCK, "ben", [(wind, None), (sand, None)])

    assert first.conflicts == second.conflicts == ((0, "arxiv:1011.1669"), (1, "doi:10.9999/moss"))
    assert (first.added_count, second.matched_count) == (2, 2)
    ids = sorted(stored(store))
    assert ids[:2] == ["arxiv:1011.1669", "doi:10.9999/wind"]
    assert ids[2].startswith("title:")


def test_new_likes_are_counted(store: Store) -> None:
    """Only papers that the user did not like before count as new likes; a time in the future is no time."""
    lichen = Paper("doi:10.9999/new", "Lichen")
    import_library(store, CLOCK, "ada", [(MOSS, None)])
    done = import_library(store, CLOCK, "ada", [(MOSS, NOW - HOUR), (lichen, NOW + 24 * HOUR), (lichen, None)])

    assert (done.liked_count, done.liked_before_count) == (1, 1)
    with store.read() as tx:
        state = tx.users.find_state("ada")
    assert state is not None
    assert {like.paper_id: like.liked_at for like in state.likes}["doi:10.9999/new"] is None


def test_the_id_of_a_like_may_be_taken(store: Store) -> None:
    """A paper is liked although the user gave the derived ids to other events; a second import changes nothing."""
    import_library(store, CLOCK, "ben", [(MOSS, None)])
    derived = default_event_id("ada", MOSS.paper_id, EventType.LIKE, None)
    taken = [Event(name, "ada", MOSS.paper_id, EventType.CLICK, NOW) for name in (derived, next_event_id(derived))]
    with store.write() as tx:
        tx.users.record(taken, NOW)
    first = import_library(store, CLOCK, "ada", [(MOSS, None)])
    second = import_library(store, CLOCK, "ada", [(MOSS, None)])

    assert (first.liked_count, second.liked_count, second.liked_before_count) == (1, 0, 1)
    with store.read() as tx:
        assert [event.event_type for event in tx.users.events("ada")] == [
            EventType.CLICK,
            EventType.CLICK,
            EventType.LIKE,
        ]
