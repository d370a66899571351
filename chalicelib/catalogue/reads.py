"""What shoppers read: lists, search, a product's page, the category tree. All of it may be a second old.

An answer is remembered as it goes out, bytes and ETag, so that a hit costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chalicelib.catalogue import categories, placing, products, search, tree
from chalicelib.catalogue.products import Shelf
from chalicelib.catalogue.rules import ActivityCard, Spec
from chalicelib.catalogue.tables import CARD, Listings, Products
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.store import cache, cursor, read
from chalicelib.web.endpoint import Reply
from chalicelib.web.types import Page

#: sort asked for -> the list that holds it, and whether it is read forward
_ORDERS = {
    "default": ("default", True),
    "new": ("new", True),
    "sales": ("sales", True),
    "price_asc": ("price", True),
    "price_desc": ("price", False),
}
_encode = msgspec.json.encode


class SkuView(msgspec.Struct, kw_only=True):
    """A SKU on its product's page; `stock` is what can be bought now."""

    sku_id: str
    specs: dict[str, str]
    price_fen: int
    list_price_fen: int
    stock: int
    picture_url: str
    sku_code: str
    weight_g: int


class ProductBase(msgspec.Struct, kw_only=True):
    """What every view of a product says: its card, and all there is to know before choosing a SKU.

    `activities` are those that run or are to come, the one that ends first before the others.
    """

    product_id: str
    name: str
    brief: str
    picture_url: str
    price_fen: int
    list_price_fen: int
    sold: int
    in_stock: bool
    category_id: str | None
    gallery: list[str]
    detail: str
    specs: list[Spec]
    activities: list[ActivityCard]
    unit: str
    brand: str
    keywords: list[str]


class ProductView(ProductBase, kw_only=True):
    """A product's page."""

    skus: list[SkuView]


def listed(category_id: str | None, q: str | None, sort: str, limit: int, after: str | None) -> Reply:
    """A page of cards. Raises `cursor_invalid`, and `invalid` for a search without a word.

    One round trip when not remembered: a Query of the list; a search BatchGets the rows, and then the cards.
    """
    words = search.words(q) if q is not None else []
    if q is not None and not words:
        raise invalid("q", "needs a word")
    listing = "|".join(["products", category_id or "", sort, " ".join(words)])
    position = cursor.read(listing, after)

    def load() -> Reply:
        found = (
            _found(category_id, words, sort, limit, position) if words else _page(category_id, sort, limit, position)
        )
        cards, end = found
        next_cursor = _encode(cursor.write(listing, end)).decode()
        return _reply(f'{{"items":[{",".join(cards)}],"next_cursor":{next_cursor}}}'.encode())

    return _remember(("list", listing, str(limit), after or ""), load)


def _page(category_id: str | None, sort: str, limit: int, position: Any) -> tuple[list[str], Any]:
    """The cards, as they are stored: they go out without being decoded."""
    order, forward = _ORDERS[sort]
    scope = f"{category_id or placing.ALL}#{order}"
    after = None if position is None else {"listing": {"S": scope}, "sort_key": {"S": position}}
    items, _ = read.query(Listings, scope, forward=forward, limit=limit + 1, after=after)
    cards = [raw["card"]["S"] for raw in items[:limit]]
    return cards, items[limit - 1]["sort_key"]["S"] if len(items) > limit else None


def _found(category_id: str | None, words: list[str], sort: str, limit: int, position: Any) -> tuple[list[str], Any]:
    within = None if category_id is None else categories.remembered().subtree(category_id)
    rows, end = search.find(search.rows(), words, within, sort, position, limit)
    keys: list[read.Key] = [(Products, (row.product_id, CARD)) for row in rows]
    items = read.batch_get(keys, consistent=False)
    return [_encode(item.card).decode() for item in items if item is not None], end


def product(product_id: str) -> Reply:
    """A published product's page, in one Query when not remembered. Raises `not_found`."""
    return _remember(("product", product_id), lambda: _reply(_encode(_product(product_id))))


def _product(product_id: str) -> ProductView:
    shelf = products.load(product_id, consistent=False)
    if shelf.product is None or not shelf.product.published:
        raise MallError("not_found")
    return ProductView(**product_fields(shelf), skus=[SkuView(**sku) for sku in sku_fields(shelf)])


def product_fields(shelf: Shelf) -> dict[str, Any]:
    """What every view of a product says, save its SKUs."""
    item = shelf.product
    assert item is not None
    card = placing.card(item, shelf.sold, shelf.stocks)
    return {
        **msgspec.structs.asdict(card),
        "category_id": item.category_id,
        "gallery": shelf.detail.gallery,
        "detail": shelf.detail.detail,
        "specs": item.specs,
        "activities": _activities(shelf),
        "unit": item.unit,
        "brand": item.brand,
        "keywords": item.keywords,
    }


def _activities(shelf: Shelf) -> list[ActivityCard]:
    now = clock.now()
    cards = [card for card in shelf.activities if card.ends_at > now]
    return sorted(cards, key=lambda card: (card.ends_at, card.activity_id))


def sku_fields(shelf: Shelf) -> list[dict[str, Any]]:
    """What every view of a product says of each SKU."""
    assert shelf.product is not None
    return [
        {
            "sku_id": sku.sku_id,
            "specs": sku.specs,
            "price_fen": sku.price_fen,
            "list_price_fen": placing.list_price_fen(sku),
            "stock": shelf.stocks[sku.sku_id].free if sku.sku_id in shelf.stocks else 0,
            "picture_url": sku.picture_url or shelf.product.picture_url,
            "sku_code": sku.sku_code,
            "weight_g": sku.weight_g,
        }
        for sku in shelf.product.skus
    ]


def category_tree() -> Reply:
    """All categories, the roots with everything below them. One Get when not remembered."""

    def load() -> Reply:
        forest = categories.remembered()
        return _reply(_encode(Page([tree.node(forest, root) for root in forest.children(None)])))

    return _remember(("tree",), load)


def _remember(key: tuple[str, ...], load: Callable[[], Reply]) -> Reply:
    return cache.remember(("catalogue", *key), load)


def _reply(body: bytes) -> Reply:
    return Reply(body, headers={"ETag": f'"{ids.digest(body)}"'})
