"""Papers and digests, as the service knows them."""

import datetime as dt
import enum
import hashlib
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from service.domain.errors import InvalidField
from service.domain.identifiers import MAX_ID_LENGTH, aliases_of

MAX_TITLE_LENGTH = 2_000
MAX_ABSTRACT_LENGTH = 50_000
MAX_URL_LENGTH = 2_000
MAX_LIST_LENGTH = 5_000
MAX_LIST_ITEM_LENGTH = 500
MAX_UPVOTES = 1_000_000_000


class EmbeddingState(enum.Enum):
    """Where a paper's vector stands."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class UpsertOutcome(enum.Enum):
    """What writing a paper did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper as written by a source.

    Attributes:
        paper_id: Canonical id once stored; the source's own id before.
        published_at: UTC, None where the source gives no date.
        first_seen_at: UTC, when paperfeed first had it; None before it is stored.
        upvotes: As last seen; None where the source has none (not the same as 0).
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
        """All names that lead to this paper, its own id first."""
        return aliases_of(self.paper_id, self.title, self.url)

    @property
    def text_hash(self) -> str:
        """Names the text that was embedded; changes exactly when the embedding text changes."""
        return text_hash(embedding_text(self.title, self.abstract))

    def merged_into(self, stored: "Paper") -> "Paper":
        """What ``stored`` becomes when this newer description of the same paper is written over it.

        The canonical id and first_seen_at stay. A field that the newer source leaves empty keeps its old value, so that
        a source that knows less does not erase what another knew.
        """
        return replace(
            stored,
            title=self.title or stored.title,
            abstract=self.abstract or stored.abstract,
            authors=self.authors or stored.authors,
            categories=self.categories or stored.categories,
            url=self.url or stored.url,
            published_at=self.published_at or stored.published_at,
            upvotes=stored.upvotes if self.upvotes is None else self.upvotes,
        )


def embedding_text(title: str, abstract: str) -> str:
    """The text an encoder sees: the title, and on the next line the abstract when there is one."""
    title, abstract = title.strip(), abstract.strip()
    return f"{title}\n{abstract}" if abstract else title


def text_hash(text: str) -> str:
    """SHA-256 of the text, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_text(value: str, name: str, *, max_length: int, required: bool = False) -> str:
    """``value`` without outer white space.

    Raises:
        InvalidField: Empty though required, too long, or with characters that no store or e-mail can carry.
    """
    value = value.strip()
    if required and not value:
        raise InvalidField(name, "must not be empty")
    if len(value) > max_length:
        raise InvalidField(name, f"has {len(value)} characters; at most {max_length} are allowed")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidField(name, "has characters that are not text (NUL or a lone surrogate)")
    return value


def check_id(value: str, name: str) -> str:
    """A valid id: 1 to 200 characters, printable, no white space inside."""
    value = check_text(value, name, max_length=MAX_ID_LENGTH, required=True)
    if not value.isprintable() or any(character.isspace() for character in value):
        raise InvalidField(name, "must be printable and without white space")
    return value


def check_paper(paper: Paper, path: str) -> Paper:
    """``paper`` with trimmed texts; ``path`` is what errors call it, e.g. ``papers[3]``.

    Raises:
        InvalidField: Names the field at fault, e.g. ``papers[3].title``.
    """

    def texts(values: tuple[str, ...], name: str) -> tuple[str, ...]:
        if len(values) > MAX_LIST_LENGTH:
            raise InvalidField(f"{path}.{name}", f"has {len(values)} entries; at most {MAX_LIST_LENGTH} are allowed")
        checked = (
            check_text(value, f"{path}.{name}[{i}]", max_length=MAX_LIST_ITEM_LENGTH) for i, value in enumerate(values)
        )
        return tuple(dict.fromkeys(value for value in checked if value))

    if paper.upvotes is not None and not 0 <= paper.upvotes <= MAX_UPVOTES:
        raise InvalidField(f"{path}.upvotes", f"must lie between 0 and {MAX_UPVOTES}")
    return replace(
        paper,
        paper_id=check_id(paper.paper_id, f"{path}.paper_id"),
        title=check_text(paper.title, f"{path}.title", max_length=MAX_TITLE_LENGTH, required=True),
        abstract=check_text(paper.abstract, f"{path}.abstract", max_length=MAX_ABSTRACT_LENGTH),
        url=check_text(paper.url, f"{path}.url", max_length=MAX_URL_LENGTH),
        authors=texts(paper.authors, "authors"),
        categories=texts(paper.categories, "categories"),
    )


class PaperMark(NamedTuple):
    """What a profile is made from as far as a paper goes; equal as long as nothing of it changes.

    Attributes:
        has_vector: Of the encoder asked about.
    """

    text_hash: str
    categories: tuple[str, ...]
    has_vector: bool


@dataclass(frozen=True, slots=True)
class Digest:
    """A dated candidate set.

    Attributes:
        digest_id: Unique; by default ``<source>-<date>``.
        date: The day the digest is of (UTC).
        source: Where it came from, e.g. ``hf-trending``.
        version: Grows whenever the digest's papers, their texts or their vectors change.
        paper_ids: Canonical ids in the source's order, without repeats.
    """

    digest_id: str
    date: dt.date
    title: str = ""
    source: str = ""
    version: int = 0
    created_at: dt.datetime | None = None
    paper_ids: tuple[str, ...] = field(default=())
