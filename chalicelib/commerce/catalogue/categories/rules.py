"""The category tree as a value: paths, subtrees, and what a change to it must respect. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.commerce.catalogue.refusals import BELOW_ITSELF, CATEGORY_IN_USE, TOO_DEEP, TOO_MANY_CATEGORIES
from chalicelib.commerce.catalogue.rules import CATEGORIES_MAX, CATEGORY_DEPTH_MAX, Category
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import NO_SUCH


class Forest:
    """All categories, by id. A change gives a new forest; the old one stays as it was."""

    def __init__(self, categories: Iterable[Category]) -> None:
        self.by_id = {category.category_id: category for category in categories}
        self._by_code = {code_of(category): category for category in self.by_id.values()}
        self._below: dict[str | None, list[Category]] = {}
        for category in sorted(self.by_id.values(), key=lambda each: each.sort):
            self._below.setdefault(category.parent_id, []).append(category)

    def find(self, code: str) -> Category | None:
        """Find the category with that code (or, where it has none, that id)."""
        return self._by_code.get(code)

    def path(self, category_id: str | None) -> list[str]:
        """List the ids from the category up to its root; none for None or a category that is not there."""
        path: list[str] = []
        while category_id in self.by_id and category_id not in path:
            path.append(category_id)
            category_id = self.by_id[category_id].parent_id
        return path

    def children(self, category_id: str | None) -> list[Category]:
        """List the categories right below (None: the roots), in the merchant's order."""
        return self._below.get(category_id, [])

    def subtree(self, category_id: str) -> set[str]:
        """Give the category's id and those of everything below it; nothing when there is no such category."""
        if category_id not in self.by_id:
            return set()
        found = {category_id}
        for child in self.children(category_id):
            found |= self.subtree(child.category_id)
        return found

    def put(self, category: Category) -> Forest:
        """Add or change this category; the forest with it.

        Raises `code_taken`, and `invalid` for a parent that is not there, is below it, or would make it too deep.
        """
        namesake = self._by_code.get(code_of(category))
        if namesake is not None and namesake.category_id != category.category_id:
            raise MallError("code_taken", taken=code_of(category))
        if category.parent_id is not None and category.parent_id not in self.by_id:
            raise invalid(NO_SUCH.at("parent_id"))
        if category.parent_id in self.subtree(category.category_id):
            raise invalid(BELOW_ITSELF.at("parent_id"))
        changed = Forest([*(self.by_id | {category.category_id: category}).values()])
        if len(changed.by_id) > CATEGORIES_MAX:
            raise invalid(TOO_MANY_CATEGORIES.at("name", limit=CATEGORIES_MAX))
        if any(len(changed.path(node)) > CATEGORY_DEPTH_MAX for node in changed.subtree(category.category_id)):
            raise invalid(TOO_DEEP.at("parent_id", limit=CATEGORY_DEPTH_MAX))
        return changed

    def without(self, category_id: str) -> Forest:
        """Remove a category; the forest without it. Raises `not_found`, and `category_in_use` where it has children."""
        if category_id not in self.by_id:
            raise no_such_category()
        if self.children(category_id):
            raise in_use()
        return Forest(category for category in self.by_id.values() if category.category_id != category_id)

    def moved(self, before: Forest) -> list[str]:
        """List the categories that had another parent before; those that went along with theirs do not count."""
        return [
            category.category_id
            for category in self.by_id.values()
            if (old := before.by_id.get(category.category_id)) is not None and old.parent_id != category.parent_id
        ]


def no_such_category() -> MallError:
    """Refuse a category of the path that is not there."""
    return MallError("not_found", errors=(NO_SUCH.at("category_id"),))


def in_use() -> MallError:
    """Refuse to delete a category that has products or children."""
    return MallError("category_in_use", errors=(CATEGORY_IN_USE.at("category_id"),))


def code_of(category: Category) -> str:
    """Give what a file calls the category: its code, or its id where the merchant gave none."""
    return category.code or category.category_id
