"""The users whose rows a bundle was trained on, as a set that gives no false negatives and needs no list of users.

The manifest holds a Bloom filter (Bloom 1970). It is asked with the hash of a user id, which is all that a service
keeps of a deleted user. A user in the training data is always found. Another user is found by chance: with one in ten
thousand after 100,000 users, one in a hundred after 200,000, and three in ten after 500,000.
"""

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ranker.types import BoolArray, Int64Array

LEARNED_USERS = "learned_users"
"""Parameter of the manifest. It is missing if it is not known which users a bundle was trained on."""
_BITS = 2**21
"""Fixed, so that filters can be joined. Compressed, the filter of a few users takes a few bytes."""
_HASH_COUNT = 8


def user_code(user_id_hash: str) -> int:
    """Return the code of a user from the SHA-256 of the id in hexadecimal: its first 64 bits, never 0."""
    return int.from_bytes(bytes.fromhex(user_id_hash[:16]), "big", signed=True) or 1


def code_of_id(user_id: str) -> int:
    """Return the code of a user from the id."""
    return user_code(hashlib.sha256(user_id.encode()).hexdigest())


def learned_params(sources: Sequence[tuple[str, Int64Array]], base: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the parameter of a manifest that says which users a bundle was trained on.

    Args:
        sources: Name and (users,) codes of each source that names users of a service, see ``user_code``.
        base: Parameters of the bundle that the training started from, whose users the new bundle inherits. If that one
            does not say which users it was trained on, neither can the new one: the result is empty.

    Raises:
        ValueError: The filter of the base is damaged.
    """
    bits, names = np.zeros(_BITS, dtype=np.bool_), [name for name, _ in sources]
    if base is not None:
        if LEARNED_USERS not in base:
            return {}
        bits |= _bits_of(base[LEARNED_USERS])
        names = sorted({*names, *base[LEARNED_USERS]["sources"]})
    for _, codes in sources:
        bits[_places(codes)] = True
    data = base64.b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode()
    return {LEARNED_USERS: {"sources": names, "filter": data}}


def which_learned(params: Mapping[str, Any], user_id_hashes: Sequence[str]) -> list[str] | None:
    """Return those of the users whose rows a bundle was trained on, in their order. A user may be found by chance.

    Args:
        params: Parameters of the bundle's manifest.
        user_id_hashes: SHA-256 of each user id in hexadecimal.

    Returns:
        None if the manifest does not say which users it was trained on, as those of earlier versions do not.

    Raises:
        ValueError: The filter is damaged.
    """
    if LEARNED_USERS not in params:
        return None
    codes = np.array([user_code(each) for each in user_id_hashes], dtype=np.int64)
    found = _bits_of(params[LEARNED_USERS])[_places(codes)].all(axis=1)
    return [each for each, is_found in zip(user_id_hashes, found.tolist(), strict=True) if is_found]


def _bits_of(entry: Mapping[str, Any]) -> BoolArray:
    try:
        # Hardly more than the filter's size is unpacked, whatever the data claim.
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(entry["filter"], validate=True), _BITS // 8 + 1)
        if not unpacker.eof:
            raise ValueError("it is cut off")  # noqa: TRY301 (one error for every kind of damage)
        return np.unpackbits(np.frombuffer(data, dtype=np.uint8)).astype(np.bool_).reshape(_BITS)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"the filter of learned users is damaged ({error!r})") from error


def _places(codes: Int64Array) -> Any:
    """Return the (users, hashes) bits of each code, by double hashing (Kirsch and Mitzenmacher 2006)."""
    words = codes.astype(np.int64).view(np.uint64)
    low, high = words & np.uint64(0xFFFFFFFF), (words >> np.uint64(32)) | np.uint64(1)
    steps = np.arange(_HASH_COUNT, dtype=np.uint64)
    return ((low[:, None] + steps * high[:, None]) % np.uint64(_BITS)).astype(np.intp)
