"""Traces as text."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind


def tree(spans: Sequence[ReadableSpan]) -> str:
    """Return a line for each span in order of start, indented below its parent, with its kind unless it is internal.

    Spans with one name that follow one another below one parent become one line with their number, if they have no
    children.
    """
    ids = {span.context.span_id for span in spans}
    below: dict[int, list[ReadableSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda each: each.start_time or 0):
        below[span.parent.span_id if span.parent and span.parent.span_id in ids else 0].append(span)

    def lines(parent: int, depth: int) -> Iterator[str]:
        children = below[parent]
        while children:
            first = children[0]
            count = next(
                (i for i, each in enumerate(children) if each.name != first.name or below[each.context.span_id]),
                len(children),
            )
            kind = "" if first.kind is SpanKind.INTERNAL else f"  ({first.kind.name.lower()})"
            yield "  " * depth + first.name + kind + (f"  x {count}" if count > 1 else "")
            yield from lines(first.context.span_id, depth + 1)
            children = children[max(count, 1) :]

    return "\n".join(lines(0, 0))
