"""Whether what others name is there: the scope of a coupon, the SKUs of a promotion; and which products name theirs."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.refusals import KINDS, NO_SUCH_KIND
from chalicelib.commerce.catalogue.rules import Named, Product, product_of
from chalicelib.commerce.catalogue.tables import TREE, Categories, Listings, product_key
from chalicelib.core.errors import invalid
from chalicelib.platform.store import read


def check(named: Iterable[Named]) -> None:
    """Refuse what names something that is not there. One BatchGet, and none where nothing is named.

    A product that is not published is there. Raises `invalid`, with every field that names what is not.
    """
    asked = list(named)
    keys = list(dict.fromkeys(_key(each) for each in asked))
    found = dict(zip(keys, read.batch_get(keys), strict=True))
    missing = [each for each in asked if not _is_in(each, found[_key(each)])]
    if missing:
        raise invalid(*(NO_SUCH_KIND.at(each.field, kind=KINDS[each.kind]) for each in missing))


def _key(named: Named) -> read.Key:
    if named.kind == "category":
        return Categories, (TREE,)
    return product_key(product_of(named.id) if named.kind == "SKU" else named.id)


def _is_in(named: Named, item: object) -> bool:
    """Whether it is in the item at its key, which is None where there is none."""
    if isinstance(item, Categories):
        return any(each.category_id == named.id for each in item.tree.categories)
    return item is not None and (named.kind != "SKU" or item.product.sku(named.id) is not None)  # type: ignore[attr-defined]


def products_sent_by(template_id: str, first: int) -> tuple[int, list[Product]]:
    """Count the products that name this freight template, published or not, and give the `first` of them, the newest
    before others. What a commit made before is in it."""
    scope = f"{listing_keys.FREIGHT}{template_id}#{listing_keys.ADMIN}"
    product_ids = [item.product_id for item in read.query_all(Listings, scope)]
    found = read.batch_get([product_key(product_id) for product_id in product_ids[:first]])
    return len(product_ids), [item.product for item in found if item is not None]
