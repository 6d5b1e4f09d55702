"""The contract of stores for users, on SQLite and PostgreSQL."""

import datetime as dt
import secrets
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.app.ports import Store
from service.domain.errors import NotFound
from service.domain.events import (
    DeletedUser,
    Event,
    EventType,
    Like,
    OtherEvent,
    Preferences,
    default_event_id,
    user_id_hash,
)
from service.storage import open_store
from tests.contracts.samples import (
    CLOCK,
    HOUR,
    NOW,
    FixedClock,
    add_papers,
    event,
    in_threads,
    record,
    slate,
)


def last(kinds: list[EventType], *wanted: EventType) -> int:
    """Return the index of the last event of these types; -1 if there is none."""
    return max((i for i, kind in enumerate(kinds) if kind in wanted), default=-1)


def model_of_likes(kinds: list[EventType]) -> bool:
    """Return whether the events of one paper, in order, make it liked."""
    taken_back = last(kinds, EventType.UNLIKE, EventType.DISLIKE)
    return last(kinds, EventType.LIKE, EventType.SAVE) > taken_back


def model_of_dislikes(kinds: list[EventType]) -> bool:
    """Return whether the events of one paper, in order, make it disliked."""
    disliked = last(kinds, EventType.DISLIKE) > last(kinds, EventType.LIKE, EventType.UNLIKE)
    return disliked or last(kinds, EventType.DISMISS) > last(kinds, EventType.LIKE)


class TestEvents:
    def test_events_are_idempotent(self, store: Store) -> None:
        """An event id counts once, within a call and across calls, and only new events change the user's version."""
        add_papers(store, 2)
        first = event(event_id="e1", slate_id="s1")

        assert record(store, first, first, event(paper_id="p1")) == [True, False, True]
        assert record(store, replace(first), first, now=NOW + HOUR) == [False, False]

        with store.read() as tx:
            state = tx.users.find_state("ada")
        assert state is not None
        assert (state.version, state.created_at, state.updated_at) == (1, NOW, NOW)
        assert {like.paper_id for like in state.likes} == {"p0", "p1"}
        record(store, event(EventType.CLICK), now=NOW + HOUR)
        with store.read() as tx:
            assert tx.users.version("ada") == 2
            assert tx.users.version("bob") is None
            assert tx.users.find_state("bob") is None

    def test_an_event_id_belongs_to_its_user(self, store: Store) -> None:
        """Events of two users with one id are two events, within a call and across calls."""
        add_papers(store, 2)
        record(store, event(event_id="e1"))

        others = [event(EventType.SAVE, "p1", event_id="e1", user_id=user) for user in ("bob", "cleo")]
        assert record(store, *others, event(event_id="e1")) == [True, True, False]
        with store.read() as tx:
            assert [list(tx.users.events(user)) for user in ("bob", "cleo")] == [[others[0]], [others[1]]]

    @pytest.mark.parametrize(
        "other",
        [
            event(paper_id="p1", event_id="e1"),
            event(EventType.SAVE, event_id="e1"),
            event(at=NOW + HOUR, event_id="e1"),
            event(at=None, event_id="e1"),
            event(event_id="e1", slate_id="s1"),
        ],
        ids=["paper", "type", "time", "no time", "slate"],
    )
    def test_another_event_with_a_known_id_is_refused(self, store: Store, other: Event) -> None:
        """An event with the id of another event of the user is refused, and nothing of the call is stored."""
        add_papers(store, 2)
        with pytest.raises(OtherEvent) as in_one_call:
            record(store, event(paper_id="p1"), event(event_id="e1"), other)
        record(store, event(event_id="e1"))
        with pytest.raises(OtherEvent) as later:
            record(store, event(paper_id="p1"), other)

        assert (in_one_call.value.place, later.value.place) == (2, 1)
        with store.read() as tx:
            assert list(tx.users.events("ada")) == [event(event_id="e1")]

    def test_an_id_made_from_the_content_does_not_depend_on_the_slate(self, store: Store) -> None:
        """The same event without an id of its own, seen in two slates, is one event."""
        add_papers(store, 1)
        made = default_event_id("ada", "p0", EventType.LIKE, NOW)

        assert record(store, event(event_id=made, slate_id="s1"), event(event_id=made, slate_id="s2")) == [True, False]

    def test_racing_events_with_one_id(self, store: Store, store_url: str) -> None:
        """Of two different events with one id that are recorded at the same time, one is refused."""
        add_papers(store, 1)
        other = open_store(store_url)
        for number in range(10):
            refused: list[int] = []

            def write(target: Store, kind: EventType, name: str = f"e{number}", refused: list[int] = refused) -> None:
                try:
                    record(target, event(kind, event_id=name))
                except OtherEvent as error:
                    refused.append(error.place)

            in_threads(lambda: write(store, EventType.LIKE), lambda: write(other, EventType.SAVE))

            assert refused == [0]
        other.dispose()

    def test_unknown_papers_are_refused(self, store: Store) -> None:
        """An event of a deleted paper raises NotFound, and the call stores nothing."""
        add_papers(store, 1)
        with pytest.raises(NotFound, match="no paper 'gone'"):
            record(store, event(), event(paper_id="gone"))

        with store.read() as tx:
            assert tx.users.version("ada") is None

    def test_racing_recorders_lose_nothing(self, store: Store, store_url: str) -> None:
        """Two concurrent calls with overlapping events of the same users store each event once, without a deadlock."""
        add_papers(store, 1)
        other = open_store(store_url)
        events = [event(event_id=f"e{i}", user_id=f"user{i % 5}") for i in range(60)]
        results: list[bool] = []

        def write(target: Store, mine: list[Event]) -> None:
            for start in range(0, len(mine), 10):
                results.extend(record(target, *mine[start : start + 10]))

        in_threads(lambda: write(store, events), lambda: write(other, events[::-1]))

        assert sum(results) == 60
        with store.read() as tx:
            assert sum(len(list(tx.users.events(f"user{i}"))) for i in range(5)) == 60
        other.dispose()

    def test_events_in_order_of_arrival(self, store: Store) -> None:
        """The events of a user are returned as given, in order of arrival, over several batches."""
        add_papers(store, 1)
        events = [event(at=NOW - i * HOUR if i else None, event_id=f"e{i}", slate_id="s") for i in range(7)]
        record(store, *events[:3], event(user_id="bob"))
        record(store, *events[3:])

        with store.read() as tx:
            assert list(tx.users.events("ada", batch_size=2)) == events


class TestState:
    @pytest.mark.parametrize(
        ("events", "liked"),
        [
            ([(EventType.LIKE, NOW), (EventType.UNLIKE, NOW)], False),
            ([(EventType.UNLIKE, NOW), (EventType.LIKE, NOW)], True),
            ([(EventType.LIKE, NOW + HOUR), (EventType.UNLIKE, NOW)], True),
            ([(EventType.LIKE, NOW), (EventType.UNLIKE, None)], True),
            ([(EventType.LIKE, None), (EventType.UNLIKE, None)], False),
            ([(EventType.UNLIKE, None), (EventType.LIKE, None)], True),
            ([(EventType.UNLIKE, NOW), (EventType.LIKE, None)], False),
        ],
    )
    def test_likes_follow_time_then_arrival(
        self, store: Store, events: list[tuple[EventType, dt.datetime | None]], liked: bool
    ) -> None:
        """The latest of LIKE and UNLIKE decides; equal times go by arrival; unknown times come first."""
        add_papers(store, 1)
        record(store, *(event(event_type, at=at) for event_type, at in events))

        with store.read() as tx:
            state = tx.users.find_state("ada")
        assert state is not None
        assert [like.paper_id for like in state.likes] == (["p0"] if liked else [])
        assert ("p0" in state.hidden_paper_ids) == liked

    def test_likes_are_ordered_by_time(self, store: Store) -> None:
        """Likes are ordered by time, unknown times first, ties by arrival."""
        add_papers(store, 5)
        times = [NOW, None, NOW - HOUR, NOW, None]
        record(store, *(event(paper_id=f"p{i}", at=at) for i, at in enumerate(times)))

        with store.read() as tx:
            state = tx.users.find_state("ada")
        assert state is not None
        assert [like.paper_id for like in state.likes] == ["p1", "p4", "p2", "p0", "p3"]
        assert state.likes[2] == Like("p2", NOW - HOUR)

    def test_many_states_are_those_of_each(self, store: Store) -> None:
        """States of many users read together equal those read one by one (every tenth); unknown users are left out."""
        add_papers(store, 3)
        names = [f"user-{number:04d}" for number in range(1_000)]
        kinds = [EventType.LIKE, EventType.DISLIKE, EventType.SAVE, EventType.CLICK, EventType.SENT]
        for step, kind in enumerate(kinds):
            at = NOW - HOUR * step if step % 2 else None
            record(store, *(event(kind, f"p{step % 3}", at=at, user_id=name) for name in names[step::4]))
        with store.write() as tx:
            tx.users.save_preferences("user-0001", Preferences(followed_topics=("cs.IR",)), NOW)
            tx.users.save_preferences("silent", Preferences(muted_authors=("A B",)), NOW)

        asked = [*names, "silent", "nobody"]
        with store.read() as tx:
            states = tx.users.find_states(asked)
            counts = tx.users.event_counts(asked)
            alone = {name: tx.users.find_state(name) for name in asked[::10]}
            events = {name: len(list(tx.users.events(name))) for name in asked[::10]}
        assert {name: states[name] for name in alone} == alone
        assert {name: counts.get(name, 0) for name in events} == events
        assert states.keys() == {*names, "silent"}
        assert counts.keys() == set(names)
        assert states["silent"].preferences.muted_authors == ("A B",)

    def test_preferences(self, store: Store) -> None:
        """Preferences create the user, are replaced as a whole and give a new version."""
        add_papers(store, 1)
        with store.write() as tx:
            tx.users.save_preferences("ada", Preferences(("nlp",), muted_authors=("Bob, “B”",)), NOW)
            tx.users.save_preferences("ada", Preferences(muted_keywords=("gan",)), NOW + HOUR)
            state = tx.users.find_state("ada")
        record(store, event(user_id="bob"))

        assert state is not None
        assert (state.version, state.created_at, state.updated_at) == (2, NOW, NOW + HOUR)
        assert state.preferences == Preferences(muted_keywords=("gan",))
        with store.read() as tx:
            bob = tx.users.find_state("bob")
            assert tx.users.page_ids(after="", limit=9) == ["ada", "bob"]
            assert tx.users.page_ids(after="ada", limit=1) == ["bob"]
        assert bob is not None
        assert bob.preferences == Preferences()

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        events=st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from(EventType), st.none() | st.integers(0, 3)), max_size=14
        )
    )
    def test_any_history_agrees_with_a_simple_model(
        self, store: Store, events: list[tuple[int, EventType, int | None]]
    ) -> None:
        """After any history, the state equals the rules applied to each paper by itself."""
        # Hypothesis runs its examples in one database, so each needs a new user.
        number = secrets.token_hex(8)
        user_id = f"user-{number}"
        add_papers(store, 3)
        history = [
            event(kind, f"p{p}", at=None if t is None else NOW + t * HOUR, event_id=f"{number}-{i}", user_id=user_id)
            for i, (p, kind, t) in enumerate(events)
        ]
        record(store, *history)
        with store.read() as tx:
            state = tx.users.find_state(user_id)

        if not events:
            assert state is None
            return
        assert state is not None
        ordered = sorted(history, key=lambda one: (one.occurred_at is not None, one.occurred_at or NOW))
        for paper_id in ("p0", "p1", "p2"):
            kinds = [one.event_type for one in ordered if one.paper_id == paper_id]
            liked, disliked = model_of_likes(kinds), model_of_dislikes(kinds)
            is_out = EventType.SENT in kinds or EventType.COMPLAINT in kinds
            assert (paper_id in {like.paper_id for like in state.likes}) == liked
            assert (paper_id in {like.paper_id for like in state.dislikes}) == (disliked and not liked)
            assert (paper_id in state.hidden_paper_ids) == (liked or disliked or is_out)


class TestDeletedUsers:
    def test_deleting_reaches_everything(self, store: Store) -> None:
        """Deleting a user deletes events, preferences and slates, keeps a tombstone, and changes no other user."""
        add_papers(store, 1)
        record(store, event(), event(user_id="bob"))
        with store.write() as tx:
            tx.users.save_preferences("ada", Preferences(("nlp",)), NOW)
            tx.slates.add(slate())
            tx.slates.add(slate("s2", "bob"))

            assert tx.users.delete("ada", CLOCK)
            assert not tx.users.delete("ada", FixedClock(NOW + HOUR))
            assert not tx.users.delete("nobody", CLOCK)

        with store.read() as tx:
            assert tx.users.find_state("ada") is None
            assert list(tx.users.events("ada")) == []
            assert tx.slates.find("s1") is None
            assert tx.slates.find("s2") is not None
            assert tx.users.version("bob") == 1
            assert tx.users.deleted(since=None, after=None, limit=9) == [DeletedUser(user_id_hash("ada"), NOW)]

    def test_someone_known_by_slates_only(self, store: Store) -> None:
        """A user with slates only can be deleted."""
        with store.write() as tx:
            tx.slates.add(slate())
            assert tx.users.delete("ada", CLOCK)

    def test_a_user_may_come_back(self, store: Store) -> None:
        """A user who comes back starts empty, at a version above all earlier ones."""
        add_papers(store, 2)
        record(store, event())
        record(store, event(EventType.DISLIKE))
        with store.write() as tx:
            tx.users.delete("ada", CLOCK)

        assert record(store, event(paper_id="p1")) == [True]
        with store.write() as tx:
            state = tx.users.find_state("ada")
            assert state is not None
            assert state.version > 2
            assert [like.paper_id for like in state.likes] == ["p1"]
            assert state.dislikes == ()
            tx.users.delete("ada", FixedClock(NOW + HOUR))
            assert [user.deleted_at for user in tx.users.deleted(since=None, after=None, limit=9)] == [NOW + HOUR]

    def test_pages_of_tombstones(self, store: Store) -> None:
        """Tombstones are ordered by time, ties by hash; ``since`` is inclusive and ``after`` exclusive."""
        with store.write() as tx:
            for i in range(5):
                tx.users.save_preferences(f"u{i}", Preferences(), NOW)
                tx.users.delete(f"u{i}", FixedClock(NOW + i // 2 * HOUR))
            every = tx.users.deleted(since=None, after=None, limit=9)
            first = tx.users.deleted(since=NOW + HOUR, after=None, limit=1)
            rest = tx.users.deleted(since=None, after=(first[0].deleted_at, first[0].user_id_hash), limit=9)

        assert every == sorted(every, key=lambda user: (user.deleted_at, user.user_id_hash))
        assert first == [every[2]]
        assert rest == every[3:]
