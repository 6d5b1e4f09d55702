"""Papers, digests and the limits of their fields."""

import datetime as dt
import enum
import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from service.domain.errors import InvalidField
from service.domain.identifiers import (
    MAX_ID_LENGTH,
    aliases_of,
    are_different,
    derived_paper_id,
    is_by_title,
    normalised_title,
    share_a_name,
)

MAX_TITLE_LENGTH = 2_000
# An answer of at most 32 MiB must hold 100 papers, the maximum number; these limits allow 300 kB for each.
MAX_ABSTRACT_LENGTH = 40_000
MAX_URL_LENGTH = 2_000
MAX_AUTHORS = 5_000
MAX_AUTHOR_LENGTH = 500
MAX_AUTHOR_BYTES = 100_000
MAX_CATEGORIES = 50
MAX_CATEGORY_LENGTH = 200
MAX_UPVOTES = 1_000_000_000
EARLIEST_DIGEST_DATE = dt.date(1990, 1, 1)
# A source in a time zone east of UTC may already have a page dated tomorrow.
MAX_DIGEST_DAYS_AHEAD = 1
# Fields that a later description of a paper may replace.
REPLACEABLE_FIELDS = ("title", "abstract", "authors", "categories", "url", "published_at", "upvotes")


class EmbeddingState(enum.Enum):
    """State of a paper's vector."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class UpsertOutcome(enum.Enum):
    """Result of writing a paper or a digest."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper.

    Attributes:
        paper_id: Canonical id of a stored paper; before that, the id given by the source.
        published_at: UTC; None if the source gives no date.
        first_seen_at: UTC time at which paperfeed first received the paper; None before it is stored.
        upvotes: Last known number; None if the source has no upvotes, which differs from 0.
    """

    paper_id: str
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    url: str = ""
    published_at: dt.datetime | None = None
    first_seen_at: dt.datetime | None = None
    upvotes: int | None = None
    embedding_state: EmbeddingState = EmbeddingState.PENDING

    @property
    def aliases(self) -> tuple[str, ...]:
        """All aliases of this paper, its own id first."""
        return aliases_of(self.paper_id, self.title, self.url)

    def is_other_than(self, other: "Paper", shared: str, *, names: Iterable[str] | None = None) -> bool:
        """Return whether two papers are different although both have the alias ``shared``.

        Many papers share a title: they differ if their arXiv ids differ, or their DOIs and all of their authors. A
        shared arXiv id or DOI is wrong if the titles, all authors and all other ids differ.

        Args:
            names: All aliases of the other paper; None means those in its description.
        """
        others = set(other.aliases if names is None else names)
        have_other_authors = not share_a_name(self.authors, other.authors)
        if is_by_title(shared):
            differ = are_different("doi", self.aliases, others) and have_other_authors
            return differ or are_different("arxiv", self.aliases, others)
        mine, theirs = (set(normalised_title(paper.title).split()) for paper in (self, other))
        share_more = others.intersection(self.aliases) - {shared}
        return have_other_authors and not share_more and not (mine <= theirs or theirs <= mine)

    def without(self, alias: str) -> "Paper":
        """Return the paper without one of its aliases, which is an arXiv id or a DOI."""
        url = "" if alias in aliases_of("", "", self.url) else self.url
        is_id = alias in aliases_of(self.paper_id, "")
        return replace(self, paper_id=derived_paper_id(self.title, url) if is_id else self.paper_id, url=url)

    @property
    def text_hash(self) -> str:
        """SHA-256 of the embedding text."""
        return text_hash(embedding_text(self.title, self.abstract))

    def merged_into(self, stored: "Paper", fields: Collection[str] = ()) -> "Paper":
        """Return the stored paper, updated with the fields of this newer description of it.

        The canonical id and first_seen_at stay.

        Args:
            fields: Names of ``REPLACEABLE_FIELDS`` to replace, also with empty values. Without names, each field with a
                value is replaced, so that a source with less information erases nothing.
        """
        given = {name: getattr(self, name) for name in (fields or REPLACEABLE_FIELDS)}
        return replace(
            stored, **{name: value for name, value in given.items() if fields or value not in {None, "", ()}}
        )


def embedding_text(title: str, abstract: str) -> str:
    """Return the text to embed: the title and, on the next line, the abstract if there is one."""
    title, abstract = title.strip(), abstract.strip()
    return f"{title}\n{abstract}" if abstract else title


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def check_text(value: str, name: str, *, max_length: int, required: bool = False) -> str:
    """Return ``value`` without leading and trailing white space.

    Raises:
        InvalidField: The value is required but empty, too long, or contains NUL or a lone surrogate.
    """
    value = value.strip()
    if required and not value:
        raise InvalidField(name, "must not be empty")
    if len(value) > max_length:
        raise InvalidField(name, f"has {len(value)} characters; at most {max_length} are allowed")
    if _NOT_TEXT.search(value):
        raise InvalidField(name, "contains characters that are not text (NUL or a lone surrogate)")
    return value


def check_id(value: str, name: str) -> str:
    """Return ``value`` if it has 1 to 200 printable characters and no white space; raise InvalidField otherwise."""
    value = check_text(value, name, max_length=MAX_ID_LENGTH, required=True)
    if not value.isprintable() or any(character.isspace() for character in value):
        raise InvalidField(name, "must contain only printable characters and no white space")
    return value


def check_paper(paper: Paper, path: str) -> Paper:
    """Return ``paper`` with trimmed texts; errors name it by ``path``, such as ``papers[3]``.

    Raises:
        InvalidField: A field breaks a rule; the error names it, such as ``papers[3].title``.
    """

    def texts(values: tuple[str, ...], name: str, at_most: int, max_length: int) -> tuple[str, ...]:
        if len(values) > at_most:
            raise InvalidField(f"{path}.{name}", f"has {len(values)} entries; at most {at_most} are allowed")
        checked = (check_text(value, f"{path}.{name}[{i}]", max_length=max_length) for i, value in enumerate(values))
        return tuple(dict.fromkeys(value for value in checked if value))

    authors = texts(paper.authors, "authors", MAX_AUTHORS, MAX_AUTHOR_LENGTH)
    if (size := sum(len(author.encode()) for author in authors)) > MAX_AUTHOR_BYTES:
        raise InvalidField(f"{path}.authors", f"have {size} bytes; at most {MAX_AUTHOR_BYTES} are allowed")
    if paper.upvotes is not None and not 0 <= paper.upvotes <= MAX_UPVOTES:
        raise InvalidField(f"{path}.upvotes", f"must lie between 0 and {MAX_UPVOTES}")
    return replace(
        paper,
        paper_id=check_id(paper.paper_id, f"{path}.paper_id"),
        title=check_text(paper.title, f"{path}.title", max_length=MAX_TITLE_LENGTH, required=True),
        abstract=check_text(paper.abstract, f"{path}.abstract", max_length=MAX_ABSTRACT_LENGTH),
        url=check_text(paper.url, f"{path}.url", max_length=MAX_URL_LENGTH),
        authors=authors,
        categories=texts(paper.categories, "categories", MAX_CATEGORIES, MAX_CATEGORY_LENGTH),
    )


class PaperMark(NamedTuple):
    """The properties of a paper that a profile depends on; while they are equal, a cached row stays valid.

    Attributes:
        has_vector: Whether the requested encoder has embedded the present text.
    """

    text_hash: str
    categories: tuple[str, ...]
    has_vector: bool


def check_digest_date(date: dt.date, now: dt.datetime, field: str) -> dt.date:
    """Return ``date`` if it lies between 1990 and one day after ``now`` (aware); raise InvalidField otherwise."""
    if date < EARLIEST_DIGEST_DATE:
        raise InvalidField(field, f"{date} is before {EARLIEST_DIGEST_DATE}")
    if date > now.astimezone(dt.UTC).date() + dt.timedelta(days=MAX_DIGEST_DAYS_AHEAD):
        raise InvalidField(field, f"{date} lies in the future")
    return date


@dataclass(frozen=True, slots=True)
class Digest:
    """A dated set of candidate papers.

    Attributes:
        digest_id: Unique; by default ``<source>-<date>``.
        date: UTC date of the digest.
        source: Name of its source, such as ``hf-trending``.
        version: Increases whenever the digest's papers, their texts or their vectors change. Begins at a random number,
            so that a digest that is deleted and stored again has no version of the old one.
        paper_ids: Distinct canonical ids in the source's order.
    """

    digest_id: str
    date: dt.date
    title: str = ""
    source: str = ""
    version: int = 0
    created_at: dt.datetime | None = None
    paper_ids: tuple[str, ...] = field(default=())
