"""What shoppers read: lists, search, a product's page, the category tree. All of it may be a second old.

An answer is remembered as it goes out, bytes and ETag, so that a hit costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories import views as categories_views
from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.products.views import ProductView, SkuView, product_fields, sku_fields
from chalicelib.commerce.catalogue.refusals import NOT_ON_SALE
from chalicelib.commerce.catalogue.search import queries as search_rows
from chalicelib.commerce.catalogue.search import rules as search_rules
from chalicelib.commerce.catalogue.tables import CARD, Listings, Products
from chalicelib.core import ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import EMPTY
from chalicelib.platform.store import cache, cursors, read
from chalicelib.platform.web.endpoint import Reply
from chalicelib.platform.web.types import Page

#: sort asked for -> the list that holds it, and whether it is read forward
_ORDERS = {
    "default": ("default", True),
    "new": ("new", True),
    "sales": ("sales", True),
    "price_asc": ("price", True),
    "price_desc": ("price", False),
}
_encode = msgspec.json.encode


def listed(category_id: str | None, q: str | None, sort: str, limit: int, cursor: str | None) -> Reply:
    """Give a page of cards. Raises `cursor_invalid`, and `invalid` for a search without a word.

    One round trip when not remembered: a Query of the list; a search BatchGets the rows, and then the cards.
    """
    words = search_rules.words(q) if q is not None else []
    if q is not None and not words:
        raise invalid(EMPTY.at("q"))
    listing = "|".join(["products", category_id or "", sort, " ".join(words)])
    position = cursors.read(listing, cursor)

    def load() -> Reply:
        found = (
            _found(category_id, words, sort, limit, position) if words else _page(category_id, sort, limit, position)
        )
        cards, end = found
        next_cursor = _encode(cursors.write(listing, end)).decode()
        return _reply(f'{{"items":[{",".join(cards)}],"next_cursor":{next_cursor}}}'.encode())

    return _remember(("list", listing, str(limit), cursor or ""), load)


def _page(category_id: str | None, sort: str, limit: int, position: Any) -> tuple[list[str], Any]:
    """Read the cards as they are stored: they go out without being decoded."""
    order, forward = _ORDERS[sort]
    scope = f"{category_id or listing_keys.ALL}#{order}"
    after = None if position is None else {"listing": {"S": scope}, "sort_key": {"S": position}}
    items, _ = read.query(Listings, scope, forward=forward, limit=limit + 1, after=after)
    cards = [_whole(raw["card"]["S"]) for raw in items[:limit]]
    return cards, items[limit - 1]["sort_key"]["S"] if len(items) > limit else None


def _whole(card: str) -> str:
    """The card as it is stored; one of before cards named their category says that it names none."""
    return card if '"category_id":' in card else f'{card[:-1]},"category_id":null}}'


def _found(category_id: str | None, words: list[str], sort: str, limit: int, position: Any) -> tuple[list[str], Any]:
    within = None if category_id is None else category_queries.remembered().subtree(category_id)
    rows, end = search_rules.find(search_rows.rows(), words, within, sort, position, limit)
    keys: list[read.Key] = [(Products, (row.product_id, CARD)) for row in rows]
    items = read.batch_get(keys, consistent=False)
    return [_encode(item.card).decode() for item in items if item is not None], end


def product(product_id: str) -> Reply:
    """Give a published product's page, in one Query when not remembered. Raises `not_found`."""
    return _remember(("product", product_id), lambda: _reply(_encode(_product(product_id))))


def _product(product_id: str) -> ProductView:
    aggregate = product_queries.load(product_id, consistent=False)
    if aggregate.product is None or not aggregate.product.published:
        raise MallError("not_found", errors=(NOT_ON_SALE.at("product_id"),))
    return ProductView(**product_fields(aggregate), skus=[SkuView(**sku) for sku in sku_fields(aggregate)])


def category_tree() -> Reply:
    """Give all categories, the roots with everything below them. One Get when not remembered."""

    def load() -> Reply:
        forest = category_queries.remembered()
        return _reply(_encode(Page([categories_views.node(forest, root) for root in forest.children(None)])))

    return _remember(("tree",), load)


def _remember(key: tuple[str, ...], load: Callable[[], Reply]) -> Reply:
    return cache.remember(("catalogue", *key), load)


def _reply(body: bytes) -> Reply:
    return Reply(body, headers={"ETag": f'"{ids.digest(body)}"'})
