"""What a bundle was trained on, as far as its manifest tells."""

import datetime as dt

from ranker.bundle.manifest import Manifest

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
