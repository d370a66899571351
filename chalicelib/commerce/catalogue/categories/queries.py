"""Reads of the category tree: as it is now, and as this process remembers it."""

from __future__ import annotations

from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.tables import TREE, Categories
from chalicelib.platform.store import cache, read


def load(consistent: bool = True) -> tuple[Forest, int]:
    """All categories, and the version of the tree (0: there is none yet)."""
    item = read.get(Categories, TREE, consistent=consistent)
    return (Forest([]), 0) if item is None else (Forest(item.tree.categories), int(item.version))


def remembered() -> Forest:
    """All categories, possibly a second old."""
    return cache.remember(("catalogue", "forest"), lambda: load(consistent=False)[0])
