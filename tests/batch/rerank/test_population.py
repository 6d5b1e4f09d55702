from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.rerank.database import DatabaseSource, pages_of_ids
from batch.rerank.population import EVENT_BYTES, USER_BYTES, Population, partitions_of, read_population
from service.domain.errors import InvalidField
from service.storage import open_store
from tests.batch.worlds import World

counted = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 500), max_size=40)


class TestPartitions:
    """Partitions of a population."""

    @given(counted, st.integers(1, 10 * EVENT_BYTES))
    def test_every_user_is_in_one(self, counts: dict[str, int], partition_bytes: int) -> None:
        """Every user is in one partition; each keeps to the size, unless one user alone is larger."""
        users = sorted(counts)

        partitions = partitions_of(iter(sorted(counts.items())), partition_bytes)

        members = [[user for user in users if each.after < user <= each.until] for each in partitions]
        assert [user for part in members for user in part] == users
        assert [len(part) for part in members] == [each.user_count for each in partitions]
        assert [each.number for each in partitions] == list(range(len(partitions)))
        sizes = [sum(USER_BYTES + EVENT_BYTES * counts[user] for user in part) for part in members]
        assert all(size <= partition_bytes or len(part) == 1 for size, part in zip(sizes, members, strict=True))

    def test_no_users(self) -> None:
        """Without users there is no partition."""
        assert partitions_of(iter(())) == []

    def test_list_follows_the_cuts(self) -> None:
        """The users of a list fall into the partitions that were cut for them."""
        population = Population(tuple("abcdefg"))

        partitions = partitions_of(((user, 0) for user in "abcdefg"), 3 * USER_BYTES)

        assert [population.ids_in(each) for each in partitions] == [("a", "b", "c"), ("d", "e", "f"), ("g",)]
        assert Population().ids_in(partitions[0]) is None


class TestStored:
    """Users in a database."""

    def test_pages_in_order(self, any_world: World) -> None:
        """A range gives exactly its users, ascending; counts are those of all users, or of the listed ones."""
        store = open_store(any_world.url)
        pages = list(pages_of_ids(store, None, after="u00010", until="u00040"))
        store.dispose()
        source = DatabaseSource(any_world.url)
        counts = dict(source.counts(None))
        listed = list(source.counts(("nobody", "u00001")))
        source.close()

        assert [user for page in pages for user in page] == [f"u{number:05d}" for number in range(11, 41)]
        assert list(counts) == sorted(any_world.user_ids)
        assert listed == [("nobody", 0), ("u00001", counts["u00001"])]


class TestFiles:
    """Users listed in a file."""

    def test_is_read(self, tmp_path: Path) -> None:
        """Blank lines, order and repeated ids do not matter."""
        file = tmp_path / "users.txt"
        file.write_text("zoe\n\n ada \nbob\nada\n", encoding="utf-8")

        assert read_population(str(file)).user_ids == ("ada", "bob", "zoe")
        assert read_population("all") == Population()

    def test_file_from_windows(self, tmp_path: Path) -> None:
        """A byte order mark and Windows line ends are no part of an id."""
        file = tmp_path / "users.txt"
        file.write_bytes(b"\xef\xbb\xbfzoe\r\nada\r\n")

        assert read_population(str(file)).user_ids == ("ada", "zoe")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (b"\n \n", "names no user"),
            (b"ada\nbob smith\n", "line 2"),
            (b"\xff\xfe", "is not UTF-8"),
            (None, "No such"),
        ],
    )
    def test_nonsense_is_refused(self, tmp_path: Path, text: bytes | None, problem: str) -> None:
        """A file without users, with an invalid id, or that cannot be read is refused with the reason."""
        file = tmp_path / "users.txt"
        if text is not None:
            file.write_bytes(text)

        with pytest.raises(InvalidField, match=problem):
            read_population(str(file))

    def test_names_of_lists(self) -> None:
        """Equal lists have equal names, different lists have different names."""
        assert Population(("a", "b")).name == Population(("a", "b")).name
        assert len({Population(("a", "b")).name, Population(("ab",)).name, Population().name}) == 3
