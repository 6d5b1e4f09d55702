"""Cutting sequences into parts, by size or by number."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size_of: Callable[[Item], int], limit: int) -> Iterator[list[Item]]:
    """Yield the items in their order, in lists of at most ``limit`` size.

    No list is empty. An item larger than the limit gets a list of its own.
    """
    chunk: list[Item] = []
    size = 0
    for item in items:
        own = size_of(item)
        if chunk and size + own > limit:
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += own
    if chunk:
        yield chunk


def pages(items: Sequence[Item], count: int) -> Iterator[Sequence[Item]]:
    """Yield the items in their order, ``count`` at a time."""
    return (items[start : start + count] for start in range(0, len(items), count))
