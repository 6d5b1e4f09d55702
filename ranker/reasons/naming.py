"""Names for groups of papers, made of the most characteristic words and phrases of their titles."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from ranker.reasons.words import BOUND_HEADS, BREAKS, HEADS, VAGUE, is_gerund, is_modifier
from ranker.spaces.terms import STOP_WORDS, pair_bucket, word_bucket, word_key
from ranker.types import Float32Array, Float64Array, IndexArray, Int64Array

MAX_PHRASE_WORDS = 3
MAX_NAME_WORDS = 3
SEVERAL_TITLES = 3
"""Least number of titles of a group that counts as a topic."""
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
# BibTeX protects capitals with braces, even within words.
_BRACES = str.maketrans("", "", "{}")
_LENGTH_BONUS = np.array([0.0, 1.0, 1.5, 1.6])
"""Factor for phrases of 0, 1, 2 and 3 words."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One to three neighbouring words of a title.

    Attributes:
        key: One number for each word; equal for phrases that differ only in case and plural.
        text: The words as in the title, in lower case.
        buckets: Buckets of its hashed terms: of its word, or of its pairs of neighbouring words.
    """

    key: tuple[int, ...]
    text: str
    buckets: tuple[int, ...]


# A title takes 20 microseconds, and the same papers are in the profiles of many users.
@lru_cache(maxsize=16_384)
def phrases(title: str) -> tuple[Phrase, ...]:
    """Return all distinct phrases of a title that may be part of a name; see ``ranker.reasons.words``."""
    found: dict[tuple[int, ...], Phrase] = {}
    for opens_title, run in _runs(title.lower().translate(_BRACES)):
        # A verb with its object or its preposition: "scaling networks", "growing a language".
        least_start = int(is_gerund(run[0]) and (opens_title or len(run) > 1))
        keys = [word_key(word) for word in run]
        for size in range(1, MAX_PHRASE_WORDS + 1):
            for start in range(least_start, len(run) - size + 1):
                words, key = run[start : start + size], tuple(keys[start : start + size])
                is_cut = size < MAX_PHRASE_WORDS and not BOUND_HEADS.isdisjoint(run[start + size : start + size + 1])
                if is_cut or not _is_name(words):
                    continue
                pairs = tuple(pair_bucket(a, b) for a, b in pairwise(key))
                found.setdefault(key, Phrase(key, " ".join(words), pairs or (word_bucket(key[0]),)))
    return tuple(found.values())


def name_groups(
    groups: Sequence[Sequence[str]], idf: Float32Array | None, *, max_phrases: int = 2, least_titles: int = 1
) -> tuple[str, ...]:
    """Return a name for each group of titles. Names are distinct, or empty if no phrase is left.

    A name consists of one or more phrases, the most characteristic first. A phrase is characteristic if it occurs in
    many titles of the group, in few titles of the other groups and in few papers at large. If two groups would get the
    same name, a group of at least ``SEVERAL_TITLES`` titles gets it, else the first group.

    Args:
        groups: Titles of each group.
        idf: (buckets,) inverse document frequencies of the bundle; None gives all terms the same weight.
        max_phrases: Most phrases in a name, unless more are needed to make it distinct.
        least_titles: Groups with fewer titles get no name. A value up to ``SEVERAL_TITLES`` does not change the names
            of the other groups.
    """
    sizes = list(map(len, groups))
    names = [""] * len(groups)
    named = [place for place, size in enumerate(sizes) if size >= max(least_titles, 1)]
    # Many users have only small groups, so this case is worth a shortcut.
    if not named:
        return tuple(names)
    counted = _Counted.of([_read(title) for titles in groups for title in titles], sizes, idf)
    for place in sorted(named, key=lambda place: sizes[place] < SEVERAL_TITLES):
        names[place] = _chosen(counted.best_first(place), frozenset(names) - {""}, max_phrases)
    return tuple(names)


class _Title(NamedTuple):
    """The phrases of a title.

    Attributes:
        table: (4, k) a hash of the key, the first and the last bucket, and the number of words of each phrase.
    """

    phrases: tuple[Phrase, ...]
    table: Int64Array


@lru_cache(maxsize=16_384)
def _read(title: str) -> _Title:
    found = phrases(title)
    # Python's hash of a tuple of integers is the same in every process.
    rows = [(hash(phrase.key), phrase.buckets[0], phrase.buckets[-1], len(phrase.key)) for phrase in found]
    return _Title(found, np.array(rows, dtype=np.int64).reshape(-1, 4).T.copy())


@dataclass(frozen=True)
class _Counted:
    """The k distinct pairs of a group and a phrase of its titles.

    The phrases of all titles are numbered one title after another.

    Attributes:
        sizes: Number of titles of each group.
        title_starts: Number of the first phrase of each title.
        first: (k,) number of the phrase in the first title of the group that has it.
        groups: (k,) the group.
        counts: (k,) number of titles of the group that have the phrase.
        worth: (k,) how characteristic the phrase is of the group.
        words: (k,) number of words of the phrase.
    """

    titles: Sequence[_Title]
    sizes: Sequence[int]
    title_starts: Sequence[int]
    first: IndexArray
    groups: IndexArray
    counts: IndexArray
    worth: Float64Array
    words: IndexArray

    @classmethod
    def of(cls, titles: Sequence[_Title], sizes: Sequence[int], idf: Float32Array | None) -> "_Counted":
        """Return the counts for groups of these sizes, whose titles come one group after another."""
        lengths = [len(title.phrases) for title in titles]
        table = np.concatenate([title.table for title in titles], axis=1)
        count = table.shape[1]
        # Sort the phrases by hash and, within equal hashes, by number, which replaces the last bits of the hash.
        # Sorting one array is several times faster than sorting indices by it.
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
        return cls(titles, sizes, [0, *accumulate(lengths)], first, groups, counts, worth, words)

    def best_first(self, group: int) -> Iterator[tuple[Phrase, float]]:
        """Yield the phrases that may name a group and how characteristic they are, best first.

        In a group of at least ``SEVERAL_TITLES`` titles only phrases of several titles may, because a phrase of one
        title would be wrong for the rest; in a smaller group, others may if there is none.
        """
        own = np.flatnonzero(self.groups == group)
        shared = own[self.counts[own] > 1]
        own = shared if len(shared) or self.sizes[group] >= SEVERAL_TITLES else own
        worth, words, first = self.worth[own], self.words[own], self.first[own].tolist()
        order = np.lexsort((-words, -worth)).tolist()
        ranks = list(zip(worth.tolist(), words.tolist(), strict=True))
        # Few phrases are ever used, so they are fetched one by one.
        for rank, alike in groupby(order, key=ranks.__getitem__):
            for phrase in sorted((self._phrase(first[place]) for place in alike), key=attrgetter("text")):
                yield phrase, rank[0]

    def _phrase(self, number: int) -> Phrase:
        """Return the phrase with this number."""
        title = bisect_right(self.title_starts, number) - 1
        return self.titles[title].phrases[number - self.title_starts[title]]


def _chosen(best_first: Iterable[tuple[Phrase, float]], taken: frozenset[str], max_phrases: int) -> str:
    """Return the best phrases, without common words and of at most three words, that form a name not yet taken."""
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


def _runs(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield runs of words without a stop word, punctuation mark or number between them.

    Yields:
        Whether the run begins with the first word of the text, and its words.
    """
    run: list[str] = []
    end, opens, is_first = 0, False, True
    for match in _WORD.finditer(text):
        word = match.group()
        if run and text[end : match.start()].strip():
            yield opens, run
            run = []
        end = match.end()
        if word in STOP_WORDS or word in BREAKS or len(word) < 2 or word.isdigit():
            if run:
                yield opens, run
            run = []
        else:
            opens = opens if run else is_first
            run.append(word)
        is_first = False
    if run:
        yield opens, run


def _is_name(words: Sequence[str]) -> bool:
    """Return whether the words may be part of a name: the first is not vague, the last is a noun with three letters."""
    first, last = words[0], words[-1]
    if first in VAGUE or (len(words) == 1 and len(last) < 3):
        return False
    return last in HEADS or (last not in VAGUE and not is_modifier(last))
