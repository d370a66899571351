"""The category tree as shoppers see it."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.catalogue.categories.rules import Forest, code_of
from chalicelib.commerce.catalogue.rules import Category


class CategoryNode(msgspec.Struct, kw_only=True):
    """A category with everything below it."""

    category_id: str
    name: str
    parent_id: str | None
    children: list[CategoryNode]
    category_code: str
    sort: int
    picture_url: str
    description: str


def node(forest: Forest, category: Category) -> CategoryNode:
    """Show the category with everything below it, in the merchant's order."""
    return CategoryNode(
        category_id=category.category_id,
        name=category.name,
        parent_id=category.parent_id,
        children=[node(forest, child) for child in forest.children(category.category_id)],
        category_code=code_of(category),
        sort=category.sort,
        picture_url=category.picture_url,
        description=category.description,
    )
