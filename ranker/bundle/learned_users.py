"""The users whose rows a bundle was trained on, as sets that give no false negatives and need no list of users.

A manifest holds one Bloom filter (Bloom 1970) for each source of users. Whether a user is in a filter can be asked with
the hash of the user id, which is all that a service keeps of a deleted user. A user in the training data is always
found. A user who is not is found with a probability of about one in a hundred.
"""

import base64
import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ranker.types import Int64Array

LEARNED_USERS = "learned_users"
"""Parameter of the manifest: a list of filters, one for each source; empty if no source names users of a service."""
_BITS_PER_USER = 10
_HASH_COUNT = 7
"""The best number of hashes for ten bits per user; 0.8 % of other users are then found too."""
_MOST_BITS = 2**21
"""So that the manifest stays small. Beyond 200,000 users more of the other users are found too."""


def user_code(user_id_hash: str) -> int:
    """Return the code of a user from the SHA-256 of the id in hexadecimal: its first 64 bits, never 0."""
    return int.from_bytes(bytes.fromhex(user_id_hash[:16]), "big", signed=True) or 1


def code_of_id(user_id: str) -> int:
    """Return the code of a user from the id."""
    return user_code(hashlib.sha256(user_id.encode()).hexdigest())


def learned_users(source: str, codes: Int64Array) -> dict[str, Any]:
    """Return the filter of the users of a source for the manifest.

    Args:
        codes: (users,) codes, see ``user_code``.
    """
    known = np.unique(codes)
    size = min(8 * math.ceil(_BITS_PER_USER * max(len(known), 1) / 8), _MOST_BITS)
    bits = np.zeros(size, dtype=np.bool_)
    bits[_places(known, size)] = True
    data = base64.b64encode(np.packbits(bits).tobytes()).decode()
    return {"source": source, "users": len(known), "filter": data}


def was_learned(params: Mapping[str, Any], user_id_hash: str) -> bool | None:
    """Return whether a bundle was trained on rows of a user; if True, it is wrong for about one user in a hundred.

    Args:
        params: Parameters of the bundle's manifest.
        user_id_hash: SHA-256 of the user id in hexadecimal.

    Returns:
        None if the manifest does not say which users it was trained on, as those of earlier versions do not.

    Raises:
        ValueError: A filter is damaged.
    """
    filters = params.get(LEARNED_USERS)
    if filters is None:
        return None
    code = np.array([user_code(user_id_hash)], dtype=np.int64)
    return any(_holds(each, code) for each in filters)


def _holds(entry: Mapping[str, Any], code: Int64Array) -> bool:
    try:
        bits = np.unpackbits(np.frombuffer(base64.b64decode(entry["filter"], validate=True), dtype=np.uint8))
        return bool(bits[_places(code, len(bits))].all())
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"a filter of learned users is damaged ({error!r})") from error


def _places(codes: Int64Array, size: int) -> Any:
    """Return the (users, hashes) bits of each code, by double hashing (Kirsch and Mitzenmacher 2006)."""
    words = codes.view(np.uint64)
    low, high = words & np.uint64(0xFFFFFFFF), (words >> np.uint64(32)) | np.uint64(1)
    steps = np.arange(_HASH_COUNT, dtype=np.uint64)
    return ((low[:, None] + steps * high[:, None]) % np.uint64(size)).astype(np.intp)
