"""Categories: create, change, delete, import. All of them are one item, and change under its version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.categories.queries import load
from chalicelib.commerce.catalogue.categories.rules import Forest, in_use, no_such_category
from chalicelib.commerce.catalogue.jobs import REINDEX_CATEGORY
from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.rules import Category
from chalicelib.commerce.catalogue.tables import TREE, USED, Categories, Tree
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.mall.files import service as files
from chalicelib.mall.files.service import Kept
from chalicelib.mall.files.tables import OPERATORS
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import cache, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, Versioned

_MOVED_MAX = 40


def create(fields: dict[str, Any]) -> Category:
    """Add a category. Raises `code_taken`, and `invalid` for its parent."""
    fields = _tidy(fields)
    code = fields.get("code")
    category_id = rules.category_id(code) if code else ids.new("c")
    category = Category(category_id=category_id, **fields)
    kept = _published(fields)

    def added(forest: Forest) -> Forest:
        if category_id in forest.by_id:
            raise MallError("code_taken", taken=code)
        return forest.put(category)

    change_tree(added, kept=kept)
    return category


def change(category_id: str, fields: dict[str, Any]) -> Category:
    """Change what `fields` name. Raises `not_found`, and `invalid` for its parent."""

    def changed(forest: Forest) -> Forest:
        if category_id not in forest.by_id:
            raise no_such_category()
        return forest.put(msgspec.structs.replace(forest.by_id[category_id], **_tidy(fields)))

    return change_tree(changed, kept=_published(fields)).by_id[category_id]


def _published(fields: dict[str, Any]) -> list[Kept]:
    """Make the shop's own upload public, where the picture is one. Raises `invalid`, naming the picture."""
    url = fields.get("picture_url")
    kept = files.publish(OPERATORS, "product", url, "picture_url") if url else None
    return [] if kept is None else [kept]


def _tidy(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {name: rules.tidy(fields[name]) for name in ("name", "code", "description") if fields.get(name)}


def delete(category_id: str) -> None:
    """Delete a category that nothing is in. Raises `not_found` and `category_in_use`."""
    change_tree(lambda forest: forest.without(category_id), deleted=category_id)


def change_tree(edit: Callable[[Forest], Forest], deleted: str | None = None, kept: Sequence[Kept] = ()) -> Forest:
    """Replace the tree by what `edit` makes of it; nothing is written when that is the same.

    `edit` is called again on the newer tree when another writer was quicker. The products of a category that moved
    are listed anew by jobs owed in the same transaction; uploads that are `kept` are used from then on. Raises what
    `edit` raises, `conflict`, and `category_in_use` when there are products in the category that is `deleted`.
    """

    def decide(before: Forest, tx: Transaction) -> Forest:
        after = edit(before)
        if after.by_id == before.by_id:
            return before
        if deleted is not None:
            unused = Categories.products.does_not_exist() | (Categories.products == 0)
            tx.delete(Categories, (USED + deleted,), unused, in_use())
        for one in kept:
            files.keep(tx, one)
        moved = after.moved(before)
        for scope in moved if len(moved) <= _MOVED_MAX else [listing_keys.ALL]:
            schedule(tx, REINDEX_CATEGORY, scope)
        return after

    forest = versioned.change(load, decide, _write, tries=TRIES_CROWDED)
    cache.forget("catalogue")
    return forest


def _write(tx: Transaction, before: Versioned[Forest], after: Forest) -> None:
    item = Categories(TREE, tree=Tree(list(after.by_id.values())), version=before.version + 1)
    tx.put(item, _is_of(before.version), Conflict)


def _is_of(version: int) -> Condition:
    """The tree is the one of this version (0: there is none)."""
    return Categories.version == version if version else Categories.part.does_not_exist()


def guard(tx: Transaction, version: int) -> None:
    """Commit `tx` only while the tree is the one of this version."""
    tx.check(Categories, (TREE,), _is_of(version), Conflict)


def count(tx: Transaction, before: str | None, after: str | None) -> None:
    """Keep the number of products in each category, as part of a `tx` that is guarded by the tree's version."""
    if before == after:
        return
    if before is not None:
        tx.update(Categories, (USED + before,), [Categories.products.add(-1)])
    if after is not None:
        tx.update(Categories, (USED + after,), [Categories.products.add(1)])
