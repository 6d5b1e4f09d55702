"""Names for groups of papers: the words and phrases of their titles that tell most about them, as people write them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

from ranker.terms import STOP_WORDS, pair_bucket, word_bucket, word_key
from ranker.types import Float32Array

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
_LENGTH_BONUS = (0.0, 1.0, 1.5, 1.6)


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
    # Most readers like some papers alone; nothing is counted where no group is to be named.
    named = [place for place, titles in enumerate(groups) if len(titles) >= max(least_titles, 1)]
    names = [""] * len(groups)
    if not named:
        return tuple(names)
    counted = [_Group.of(titles) for titles in groups]
    for place in sorted(named, key=lambda place: len(groups[place]) < SEVERAL_TITLES):
        own = counted[place]
        texts = own.texts()
        everywhere = dict.fromkeys(texts, 0.0)
        for group in counted:
            counts, title_count = group.counts, len(group.titles)
            for key in group.keys & own.shared:
                everywhere[key] += counts.get(key, 1) / title_count
        counts, title_count = own.counts, len(own.titles)
        scores = {
            key: _worth(counts.get(key, 1), title_count, everywhere[key], phrase, idf) for key, phrase in texts.items()
        }
        names[place] = _chosen(scores, texts, frozenset(names) - {""}, max_phrases)
    return tuple(names)


@dataclass(frozen=True)
class _Title:
    """The phrases of a title, each by a number that stands for its key.

    Sets of numbers are several times faster than sets of keys, and to count with sets faster than one by one.
    """

    phrases: Mapping[int, Phrase]
    keys: frozenset[int]


@dataclass(frozen=True)
class _Group:
    """The phrases of some titles, as of ``_Title``.

    Attributes:
        keys: Of all titles.
        counts: Of those that stand in two titles or more, in how many.
        shared: These, or all where there are none: what stands in a single title of several names the group only where
            nothing stands in two.
    """

    titles: tuple[_Title, ...]
    keys: AbstractSet[int]
    counts: Mapping[int, int]
    shared: AbstractSet[int]

    @classmethod
    def of(cls, titles: Sequence[str]) -> "_Group":
        found = tuple(map(_read, titles))
        keys: set[int] = set()
        twice: set[int] = set()
        for title in found:
            twice |= title.keys & keys
            keys |= title.keys
        counts = Counter(chain.from_iterable([title.keys & twice for title in found])) if twice else {}
        return cls(found, keys, counts, twice or keys)

    def texts(self) -> dict[int, Phrase]:
        """Each shared phrase as it stands in the first title that has it."""
        found: dict[int, Phrase] = {}
        for title in reversed(self.titles):
            for key in title.keys & self.shared:
                found[key] = title.phrases[key]
        return found


@lru_cache(maxsize=16_384)
def _read(title: str) -> _Title:
    # Of whole numbers Python makes the same 64 bits in every process.
    found = {hash(phrase.key): phrase for phrase in phrases(title)}
    return _Title(found, frozenset(found))


def _worth(count: int, title_count: int, share_everywhere: float, phrase: Phrase, idf: Float32Array | None) -> float:
    buckets = phrase.buckets
    rarity = 1.0 if idf is None else sum(map(idf.item, buckets)) / len(buckets)
    own = (count / title_count) / max(share_everywhere, 1e-9)
    return count * rarity * own * _LENGTH_BONUS[len(phrase.key)]


def _chosen(scores: dict[int, float], texts: dict[int, Phrase], taken: frozenset[str], max_phrases: int) -> str:
    """The best phrases that share no word, at most three words together, that make a name nobody has yet."""
    parts: list[Phrase] = []
    words: set[int] = set()
    best = 0.0
    for number in sorted(scores, key=lambda number: (-scores[number], -len(texts[number].key), texts[number].text)):
        phrase, score = texts[number], scores[number]
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
