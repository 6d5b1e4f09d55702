"""Names for groups of papers: the words and phrases of their titles that tell most about them, as people write them."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from ranker.spaces.terms import STOP_WORDS, pair_bucket, word_bucket, word_key
from ranker.types import Float32Array, Float64Array, IndexArray, Int64Array

MAX_PHRASE_WORDS = 3
MAX_NAME_WORDS = 3
SEVERAL_TITLES = 3
"""Papers that make a topic; fewer are named one by one."""
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
# Words of every field: a name never begins with one, and is never made of one alone.
_VAGUE = frozenset(
    """
    able across against among analysis application applied approach approaches aspect based benchmark better beyond
    building case challenge challenges characterization combining comparative comparing comparison complete concept
    conference construction context data dealing decision design designing detecting detection determination development
    different discovery distribution dynamic dynamics early effect effective effects efficient efficiently empirical
    enhanced evaluating evaluation evidence experiment experimental exploring extended extending extraction fast first
    framework functional further future general generation global good guide high identification identifying impact
    implementation implications improve improved improving increasing influence information integrated integrating
    international introduction investigation issue issues journal key large learn learning level local long low making
    measure measuring mechanism method methodology methods model modeling modelling models multi multiple need novel
    open optimal order overview paper part performance perspective practice predicting prediction preliminary principle
    problem problems proceedings process processes properties proposal quality quantitative rapid real recent relevant
    report research result results review role scale second series set simple simulation single small some special
    specific state statistics step strategy structure structures studies study survey system systems task technique
    techniques test theoretical theory three through time to tool toolkit tools toward towards type understanding
    universal user using variation via view vs way web within without workshop world year years
    """.split()  # noqa: SIM905
)
# Vague words that make a name of the word before: "operating systems", "deep learning".
_HEADS = frozenset({"analysis", "learning", "models", "systems", "theory"})
# BibTeX keeps capitals in braces, in the middle of words.
_BRACES = str.maketrans("", "", "{}")
_LENGTH_BONUS = np.array([0.0, 1.0, 1.5, 1.6])
"""By the number of words."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Some neighbouring words of a title.

    Attributes:
        key: Equal for phrases that differ only in case and plural.
        text: As it stands in the title, in lower case.
        buckets: The hashed terms it is made of: its word, or its pairs of neighbours.
    """

    key: tuple[int, ...]
    text: str
    buckets: tuple[int, ...]


# A title takes 20 microseconds; the same papers come up in the profiles of many readers.
@lru_cache(maxsize=16_384)
def phrases(title: str) -> tuple[Phrase, ...]:
    """All distinct phrases of one to three words of a title that could be a name."""
    found: dict[tuple[int, ...], Phrase] = {}
    for run in _runs(title.lower().translate(_BRACES)):
        keys = [word_key(word) for word in run]
        for size in range(1, MAX_PHRASE_WORDS + 1):
            for start in range(len(run) - size + 1):
                words, key = run[start : start + size], tuple(keys[start : start + size])
                if not _is_name(words):
                    continue
                pairs = tuple(pair_bucket(a, b) for a, b in pairwise(key))
                found.setdefault(key, Phrase(key, " ".join(words), pairs or (word_bucket(key[0]),)))
    return tuple(found.values())


def name_groups(
    groups: Sequence[Sequence[str]], idf: Float32Array | None, *, max_phrases: int = 2, least_titles: int = 1
) -> tuple[str, ...]:
    """A name for each group of titles, no two alike; empty where the titles have no telling word.

    A name is one phrase of two or three words, or single words side by side, most telling first. What tells is to stand
    in many titles of the group, in few of the other groups, and in few papers at large. Of two groups with one name in
    common it goes to the one that makes a topic (``SEVERAL_TITLES``), else to the first.

    Args:
        groups: Titles of each group; a title counts once.
        idf: (buckets,) of the bundle; None where there is none and all terms weigh the same.
        least_titles: Smaller groups get no name; at most ``SEVERAL_TITLES`` leaves the other names as they are.
    """
    sizes = list(map(len, groups))
    names = [""] * len(groups)
    named = [place for place, size in enumerate(sizes) if size >= max(least_titles, 1)]
    # Most readers like some papers alone; nothing is counted where no group is to be named.
    if not named:
        return tuple(names)
    counted = _Counted.of([_read(title) for titles in groups for title in titles], sizes, idf)
    for place in sorted(named, key=lambda place: sizes[place] < SEVERAL_TITLES):
        names[place] = _chosen(counted.best_first(place), frozenset(names) - {""}, max_phrases)
    return tuple(names)


class _Title(NamedTuple):
    """The phrases of a title.

    Attributes:
        table: (4, k) for each phrase a number that stands for its key, two buckets, the same one twice where it has but
            one, and its words.
    """

    phrases: tuple[Phrase, ...]
    table: Int64Array


@lru_cache(maxsize=16_384)
def _read(title: str) -> _Title:
    found = phrases(title)
    # Of whole numbers Python makes the same 64 bits in every process.
    rows = [(hash(phrase.key), phrase.buckets[0], phrase.buckets[-1], len(phrase.key)) for phrase in found]
    return _Title(found, np.array(rows, dtype=np.int64).reshape(-1, 4).T.copy())


@dataclass(frozen=True)
class _Counted:
    """The phrases of all groups, k pairs of a phrase and a group that has it.

    Attributes:
        first: (k,) the phrase as it stands in the first title of the group that has it, counted through all titles.
        title_starts: Where in that count each title begins.
        groups: (k,)
        counts: (k,) titles of the group that have the phrase.
        worth: (k,) how much it tells about the group.
        words: (k,)
    """

    titles: Sequence[_Title]
    title_starts: Sequence[int]
    first: IndexArray
    groups: IndexArray
    counts: IndexArray
    worth: Float64Array
    words: IndexArray

    @classmethod
    def of(cls, titles: Sequence[_Title], sizes: Sequence[int], idf: Float32Array | None) -> "_Counted":
        """Counts the titles of groups of these sizes."""
        lengths = [len(title.phrases) for title in titles]
        table = np.concatenate([title.table for title in titles], axis=1)
        count = table.shape[1]
        # Side by side what is the same phrase, and there the titles in their order, told by the last bits: to sort
        # numbers is several times faster than to sort places by them.
        bits = count.bit_length()
        ordered = np.sort(table[0] >> bits << bits | np.arange(count))
        entries, numbers = ordered & (1 << bits) - 1, ordered >> bits
        owners = np.repeat(np.repeat(np.arange(len(sizes)), sizes), lengths)[entries]
        is_other, is_pair = np.ones(count, dtype=np.bool_), np.ones(count, dtype=np.bool_)
        np.not_equal(numbers[1:], numbers[:-1], out=is_other[1:])
        np.logical_or(is_other[1:], owners[1:] != owners[:-1], out=is_pair[1:])
        starts = np.flatnonzero(is_pair)
        counts = np.append(starts[1:], count) - starts
        first, groups = entries[starts], owners[starts]
        phrase = np.cumsum(is_other[starts]) - 1
        _, one, other, words = table[:, first]
        rarity = 1.0 if idf is None else (idf[one].astype(np.float64) + idf[other]) / 2
        shares = counts / np.array(sizes)[groups]
        own = shares / np.bincount(phrase, shares)[phrase]
        worth = counts * rarity * own * _LENGTH_BONUS[words]
        return cls(titles, [0, *accumulate(lengths)], first, groups, counts, worth, words)

    def best_first(self, group: int) -> Iterator[tuple[Phrase, float]]:
        """What may name a group, and what each phrase is worth.

        What stands in a single title of several names the group only where nothing stands in two.
        """
        own = np.flatnonzero(self.groups == group)
        shared = own[self.counts[own] > 1]
        own = shared if len(shared) else own
        worth, words, first = self.worth[own], self.words[own], self.first[own].tolist()
        order = np.lexsort((-words, -worth)).tolist()
        ranks = list(zip(worth.tolist(), words.tolist(), strict=True))
        # Few are ever looked at, so few are fetched.
        for rank, alike in groupby(order, key=ranks.__getitem__):
            for phrase in sorted((self._phrase(first[place]) for place in alike), key=attrgetter("text")):
                yield phrase, rank[0]

    def _phrase(self, number: int) -> Phrase:
        title = bisect_right(self.title_starts, number) - 1
        return self.titles[title].phrases[number - self.title_starts[title]]


def _chosen(best_first: Iterable[tuple[Phrase, float]], taken: frozenset[str], max_phrases: int) -> str:
    """The best phrases that share no word, at most three words together, that make a name nobody has yet."""
    parts: list[Phrase] = []
    words: set[int] = set()
    best = 0.0
    for phrase, score in best_first:
        if words.intersection(phrase.key) or len(words) + len(phrase.key) > MAX_NAME_WORDS:
            continue
        # A weak second phrase would blur a good name.
        if parts and score < 0.3 * best and ", ".join(part.text for part in parts) not in taken:
            break
        parts.append(phrase)
        words.update(phrase.key)
        best = best or score
        if len(parts) >= max_phrases and ", ".join(part.text for part in parts) not in taken:
            break
    name = ", ".join(part.text for part in parts)
    return "" if name in taken else name


def _runs(text: str) -> Iterator[list[str]]:
    """Runs of words without a stop word, punctuation or number between them."""
    run: list[str] = []
    end = 0
    for match in _WORD.finditer(text):
        word = match.group()
        if run and text[end : match.start()].strip():
            yield run
            run = []
        end = match.end()
        if word in STOP_WORDS or len(word) < 2 or word.isdigit():
            if run:
                yield run
            run = []
        else:
            run.append(word)
    if run:
        yield run


def _is_name(words: Sequence[str]) -> bool:
    """Whether the words can name something: alone never a vague one, together none at the beginning."""
    if words[0] in _VAGUE:
        return False
    if len(words) == 1:
        return len(words[0]) > 2
    return words[-1] in _HEADS or any(word not in _VAGUE for word in words[1:])
