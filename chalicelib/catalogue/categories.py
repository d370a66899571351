"""Categories: create, change, delete, import. All of them are one item; whoever was slower reads it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chalicelib.catalogue import placing, rules
from chalicelib.catalogue.jobs import REINDEX_CATEGORY
from chalicelib.catalogue.rules import Category
from chalicelib.catalogue.tables import TREE, USED, Categories, Tree
from chalicelib.catalogue.tree import Forest
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.jobs.queue import schedule
from chalicelib.store import cache, read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import ConditionFailed, Transaction

TRIES = 12
_MOVED_MAX = 40


class Busy(Exception):
    """Somebody else wrote between our read and our write: read again."""


def load(consistent: bool = True) -> tuple[Forest, int]:
    """All categories, and the version of the tree (0: there is none yet)."""
    item = read.get(Categories, TREE, consistent=consistent)
    return (Forest([]), 0) if item is None else (Forest(item.tree.categories), int(item.version))


def remembered() -> Forest:
    """All categories, possibly a second old."""
    return cache.remember(("catalogue", "forest"), lambda: load(consistent=False)[0])


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
    forest = retry_busy(lambda: _change_tree(edit, deleted), Busy, TRIES)
    cache.forget("catalogue")
    return forest


def _change_tree(edit: Callable[[Forest], Forest], deleted: str | None) -> Forest:
    before, version = load()
    after = edit(before)
    if after.by_id == before.by_id:
        return after
    tx = Transaction()
    item = Categories(TREE, tree=Tree(list(after.by_id.values())), version=version + 1)
    tx.put(item, Categories.version == version if version else Categories.part.does_not_exist(), Busy)
    if deleted is not None:
        unused = Categories.products.does_not_exist() | (Categories.products == 0)
        tx.delete(Categories, (USED + deleted,), unused, MallError("category_in_use"))
    moved = after.moved(before)
    for scope in moved if len(moved) <= _MOVED_MAX else [placing.ALL]:
        schedule(tx, REINDEX_CATEGORY, scope)
    commit(tx)
    return after


def commit(tx: Transaction) -> None:
    """Commit. Raises Busy when another writer was quicker, else the refusal that a condition stands for."""
    try:
        tx.commit()
    except ConditionFailed as fault:
        refusals = [reason for reason in fault.failed if isinstance(reason, MallError)]
        if Busy in fault.failed or not refusals:
            raise Busy from fault
        raise refusals[0] from fault


def guard(tx: Transaction, version: int) -> None:
    """Commit `tx` only while the tree is the one of this version."""
    there = Categories.version == version if version else Categories.part.does_not_exist()
    tx.check(Categories, (TREE,), there, Busy)


def count(tx: Transaction, before: str | None, after: str | None) -> None:
    """Keep the number of products in each category, as part of a `tx` that is guarded by the tree's version."""
    if before == after:
        return
    if before is not None:
        tx.update(Categories, (USED + before,), [Categories.products.add(-1)])
    if after is not None:
        tx.update(Categories, (USED + after,), [Categories.products.add(1)])
