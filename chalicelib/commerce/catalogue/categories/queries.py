"""Reads of the category tree: as it is now, and as this process remembers it."""

from __future__ import annotations

from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.tables import TREE, Categories
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.versioned import Versioned


def load(consistent: bool = True) -> Versioned[Forest]:
    """Read all categories, under the version of the tree (0: there is none yet)."""
    item = read.get(Categories, TREE, consistent=consistent)
    return Versioned(Forest([]), 0) if item is None else Versioned(Forest(item.tree.categories), int(item.version))


def remembered() -> Forest:
    """Give all categories, possibly a second old."""
    return cache.remember(("catalogue", "forest"), lambda: load(consistent=False).value)
