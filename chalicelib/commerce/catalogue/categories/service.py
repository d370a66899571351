"""Categories: create, change, delete, import. All of them are one item; whoever was slower reads it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.categories.queries import load
from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.jobs import REINDEX_CATEGORY
from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.rules import Category
from chalicelib.commerce.catalogue.tables import TREE, USED, Categories, Tree
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import cache
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, commit, retry

_MOVED_MAX = 40


def create(fields: dict[str, Any]) -> Category:
    """Add a category. Raises `code_taken`, and `invalid` for its parent."""
    code = fields.get("code")
    category_id = rules.category_id(code) if code else ids.new("c")
    category = Category(category_id=category_id, **fields)

    def added(forest: Forest) -> Forest:
        if category_id in forest.by_id:
            raise MallError("code_taken", taken=code)
        return forest.put(category)

    change_tree(added)
    return category


def change(category_id: str, fields: dict[str, Any]) -> Category:
    """Change what `fields` name. Raises `not_found`, and `invalid` for its parent."""

    def changed(forest: Forest) -> Forest:
        if category_id not in forest.by_id:
            raise MallError("not_found")
        return forest.put(msgspec.structs.replace(forest.by_id[category_id], **fields))

    return change_tree(changed).by_id[category_id]


def delete(category_id: str) -> None:
    """Delete a category that nothing is in. Raises `not_found` and `category_in_use`."""
    change_tree(lambda forest: forest.without(category_id), deleted=category_id)


def change_tree(edit: Callable[[Forest], Forest], deleted: str | None = None) -> Forest:
    """Replace the tree by what `edit` makes of it; nothing is written when that is the same.

    `edit` is called again on the newer tree when another writer was quicker. The products of a category that moved
    are listed anew by jobs owed in the same transaction.
    """
    forest = retry(lambda: _change_tree(edit, deleted), TRIES_CROWDED)
    cache.forget("catalogue")
    return forest


def _change_tree(edit: Callable[[Forest], Forest], deleted: str | None) -> Forest:
    before, version = load()
    after = edit(before)
    if after.by_id == before.by_id:
        return after
    tx = Transaction()
    item = Categories(TREE, tree=Tree(list(after.by_id.values())), version=version + 1)
    tx.put(item, Categories.version == version if version else Categories.part.does_not_exist(), Conflict)
    if deleted is not None:
        unused = Categories.products.does_not_exist() | (Categories.products == 0)
        tx.delete(Categories, (USED + deleted,), unused, MallError("category_in_use"))
    moved = after.moved(before)
    for scope in moved if len(moved) <= _MOVED_MAX else [listing_keys.ALL]:
        schedule(tx, REINDEX_CATEGORY, scope)
    commit(tx)
    return after


def guard(tx: Transaction, version: int) -> None:
    """Commit `tx` only while the tree is the one of this version."""
    there = Categories.version == version if version else Categories.part.does_not_exist()
    tx.check(Categories, (TREE,), there, Conflict)


def count(tx: Transaction, before: str | None, after: str | None) -> None:
    """Keep the number of products in each category, as part of a `tx` that is guarded by the tree's version."""
    if before == after:
        return
    if before is not None:
        tx.update(Categories, (USED + before,), [Categories.products.add(-1)])
    if after is not None:
        tx.update(Categories, (USED + after,), [Categories.products.add(1)])
