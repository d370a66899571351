"""Whether what others name is there: the scope of a coupon, the SKUs of a promotion."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.commerce.catalogue.rules import Named, product_of
from chalicelib.commerce.catalogue.tables import TREE, Categories, product_key
from chalicelib.core.errors import FieldError, MallError
from chalicelib.platform.store import read


def check(named: Iterable[Named]) -> None:
    """Raises `invalid`, with every field that names what there is not. One BatchGet, and none where nothing is named.

    A product that is not published is there.
    """
    asked = list(named)
    keys = list(dict.fromkeys(_key(each) for each in asked))
    found = dict(zip(keys, read.batch_get(keys), strict=True))
    faults = [FieldError(each.field, f"no such {each.kind}") for each in asked if not _is_in(each, found[_key(each)])]
    if faults:
        raise MallError("invalid", errors=tuple(faults))


def _key(named: Named) -> read.Key:
    if named.kind == "category":
        return Categories, (TREE,)
    return product_key(product_of(named.id) if named.kind == "SKU" else named.id)


def _is_in(named: Named, item: object) -> bool:
    """Whether it is in the item at its key, which is None where there is none."""
    if isinstance(item, Categories):
        return any(each.category_id == named.id for each in item.tree.categories)
    return item is not None and (named.kind != "SKU" or item.product.sku(named.id) is not None)  # type: ignore[attr-defined]
