"""The category tree as a value: paths, subtrees, and what a change to it must respect. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.commerce.catalogue.rules import CATEGORIES_MAX, CATEGORY_DEPTH_MAX, Category
from chalicelib.core.errors import MallError, invalid


class Forest:
    """All categories, by id. A change gives a new one; the old one stays as it was."""

    def __init__(self, categories: Iterable[Category]) -> None:
        self.by_id = {category.category_id: category for category in categories}
        self._by_code = {code_of(category): category for category in self.by_id.values()}
        self._below: dict[str | None, list[Category]] = {}
        for category in sorted(self.by_id.values(), key=lambda each: each.sort):
            self._below.setdefault(category.parent_id, []).append(category)

    def find(self, code: str) -> Category | None:
        """The category with that code (or, where it has none, that id)."""
        return self._by_code.get(code)

    def path(self, category_id: str | None) -> list[str]:
        """The ids from the category up to its root; nothing for None or a category that is gone."""
        path: list[str] = []
        while category_id is not None and category_id in self.by_id and category_id not in path:
            path.append(category_id)
            category_id = self.by_id[category_id].parent_id
        return path

    def children(self, category_id: str | None) -> list[Category]:
        """The categories right below (None: the roots), in the merchant's order."""
        return self._below.get(category_id, [])

    def subtree(self, category_id: str) -> set[str]:
        """The category's id and those of everything below it; nothing when there is no such category."""
        if category_id not in self.by_id:
            return set()
        found = {category_id}
        for child in self.children(category_id):
            found |= self.subtree(child.category_id)
        return found

    def put(self, category: Category) -> Forest:
        """The forest with this category added or changed.

        Raises `code_taken`, and `invalid` for a parent that is not there, is below it, or would make it too deep.
        """
        namesake = self._by_code.get(code_of(category))
        if namesake is not None and namesake.category_id != category.category_id:
            raise MallError("code_taken", taken=code_of(category))
        if category.parent_id is not None and category.parent_id not in self.by_id:
            raise invalid("parent_id", "no such category")
        if category.parent_id in self.subtree(category.category_id):
            raise invalid("parent_id", "a category cannot be below itself")
        changed = Forest([*(self.by_id | {category.category_id: category}).values()])
        if len(changed.by_id) > CATEGORIES_MAX:
            raise invalid("name", f"at most {CATEGORIES_MAX} categories")
        if any(len(changed.path(node)) > CATEGORY_DEPTH_MAX for node in changed.subtree(category.category_id)):
            raise invalid("parent_id", f"at most {CATEGORY_DEPTH_MAX} levels")
        return changed

    def without(self, category_id: str) -> Forest:
        """The forest without this category. Raises `not_found`, and `category_in_use` when it has children."""
        if category_id not in self.by_id:
            raise MallError("not_found")
        if self.children(category_id):
            raise MallError("category_in_use")
        return Forest(category for category in self.by_id.values() if category.category_id != category_id)

    def moved(self, before: Forest) -> list[str]:
        """The categories that were somewhere else before, not counting those that went along with their parent."""
        return [
            category.category_id
            for category in self.by_id.values()
            if (old := before.by_id.get(category.category_id)) is not None and old.parent_id != category.parent_id
        ]


def code_of(category: Category) -> str:
    """What a file calls the category: its code, or its id where the merchant gave none."""
    return category.code or category.category_id
