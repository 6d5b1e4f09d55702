"""What a bundle was trained on, as far as its manifest tells."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from ranker.bundle.learned_users import LEARNED_USERS, learned_users
from ranker.bundle.manifest import Manifest
from ranker.types import Int64Array

KNOWN_UNTIL = "known_until"
"""Parameter of the manifest, also within the recipe: Unix seconds; nothing dated at or after it was seen."""
LEARNED = "feedback"
"""The recipe name of bundles trained on slates, with which their versions begin."""


def known_until(manifest: Manifest) -> float:
    """Return the Unix seconds from which on the bundle can know nothing: its limit, or the time of its training."""
    limits = [dt.datetime.fromisoformat(manifest.created_at).timestamp()]
    recipe = manifest.params.get("recipe")
    if isinstance(found := manifest.params.get(KNOWN_UNTIL), int | float):
        limits.append(float(found))
    # A recipe's limit holds for papers and likes; training on slates does not use it.
    elif manifest.recipe != LEARNED and isinstance(recipe, dict) and isinstance(recipe.get(KNOWN_UNTIL), int | float):
        limits.append(float(recipe[KNOWN_UNTIL]))
    return min(limits)


def learned_params(sources: Sequence[tuple[str, Int64Array]], base: Manifest | None = None) -> dict[str, Any]:
    """Return the parameter of a manifest that says which users a bundle was trained on.

    Args:
        sources: Name and (users,) codes of each source that names users of a service.
        base: Manifest of the bundle that the training started from, whose users the new bundle inherits. If that one
            does not say which users it was trained on, neither can the new one: the parameter is left out.
    """
    inherited = [] if base is None else base.params.get(LEARNED_USERS)
    if inherited is None:
        return {}
    return {LEARNED_USERS: [*inherited, *(learned_users(name, codes) for name, codes in sources)]}
