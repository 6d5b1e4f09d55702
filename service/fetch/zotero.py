"""A Zotero library, read through Zotero's API. Nothing in the library is changed."""

import json
import re
from collections.abc import Iterator

from service.domain.errors import InvalidField
from service.fetch.http import Http, check_json
from service.ingest.source import decode_utf8

PAGE_SIZE = 100
"""Items per request; the API sends no more."""
MAX_PAGES = 1_000
_LIBRARY = re.compile(r"(users|groups)/[0-9]{1,12}")


def zotero_pages(http: Http, base_url: str, library: str) -> Iterator[tuple[str, str]]:
    """Yield the address and the JSON text of each page of the library's top-level items, oldest item first.

    Args:
        library: ``users/NUMBER`` or ``groups/NUMBER``.

    Raises:
        InvalidField: The library is of another form.
        SourceUnavailable: Zotero does not answer, or refuses the key (403).
    """
    check_zotero_library("zotero", library)
    url = f"{base_url.rstrip('/')}/{library}/items/top"
    for start in range(0, MAX_PAGES * PAGE_SIZE, PAGE_SIZE):
        params = {"format": "json", "limit": str(PAGE_SIZE), "start": str(start), "sort": "dateAdded", "v": "3"}
        text = decode_utf8(http.get(url, params | {"direction": "asc"}, check=check_json), url)
        yield f"{url} from {start}", text
        items = json.loads(text)
        if not isinstance(items, list) or len(items) < PAGE_SIZE:
            return


def check_zotero_library(field: str, library: str) -> None:
    """Check the name of a library.

    Raises:
        InvalidField: It is not ``users/NUMBER`` or ``groups/NUMBER``.
    """
    if not _LIBRARY.fullmatch(library):
        raise InvalidField(
            field, f"'{library}' is not users/NUMBER or groups/NUMBER, as zotero.org/settings/keys shows"
        )
