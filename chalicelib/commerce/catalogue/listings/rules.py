"""Where a product stands in lists and in search, and what it shows there. Pure.

A sort key is text of fixed width that sorts as the list reads, and ends in the product's id. Numbers that read from
large to small are turned round, so that every list but `price_desc` is read forward.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

from chalicelib.commerce.catalogue.rules import Card, Product, Row, Sku, Stock

ALL = "all"
ADMIN = "admin"
#: Before the id of a freight template: no category's id has the colon.
FREIGHT = "freight:"
_MS_MAX = 9_999_999_999_999
_SOLD_MAX = 9_999_999_999


def cheapest(product: Product) -> Sku:
    """Find the SKU whose price stands for the product in lists."""
    return min(product.skus, key=lambda sku: sku.price_fen)


def list_price_fen(sku: Sku) -> int:
    """Give the price to strike through; the price itself when the merchant named none."""
    return sku.list_price_fen or sku.price_fen


def card(product: Product, sold: int, stocks: Mapping[str, Stock]) -> Card:
    """Make the card of a product, as lists show it."""
    sku = cheapest(product)
    return Card(
        product_id=product.product_id,
        name=product.name,
        brief=product.brief,
        picture_url=product.picture_url,
        price_fen=sku.price_fen,
        list_price_fen=list_price_fen(sku),
        sold=sold,
        in_stock=any(stocks[each.sku_id].free > 0 for each in product.skus if each.sku_id in stocks),
        category_id=product.category_id,
    )


def entries(product: Product, sold: int, path: Sequence[str]) -> list[tuple[str, str]]:
    """List the keys of the product's entries: `path` are its category and the ones above it.

    Every product stands in the operators' lists, also in that of the freight template it names; the published ones
    also in the shoppers'.
    """
    newest = f"{_MS_MAX - ms(product.created_at):013d}"
    sort_keys = {ADMIN: admin_sort_key(product)}
    if product.published:
        sort_keys |= {
            "default": f"{product.sort:07d}|{newest}|{product.product_id}",
            "new": f"{newest}|{product.product_id}",
            "sales": f"{_SOLD_MAX - min(sold, _SOLD_MAX):010d}|{newest}|{product.product_id}",
            "price": f"{cheapest(product).price_fen:010d}|{product.product_id}",
        }
    keys = [(f"{scope}#{order}", sort_key) for scope in (ALL, *path) for order, sort_key in sort_keys.items()]
    if product.freight_template_id is not None:
        keys.append((f"{FREIGHT}{product.freight_template_id}#{ADMIN}", sort_keys[ADMIN]))
    return keys


def admin_sort_key(product: Product) -> str:
    """Give the product's place in operators' lists."""
    return f"{_MS_MAX - ms(product.created_at):013d}|{product.product_id}"


def row(product: Product, sold: int) -> Row:
    """Make the row of a product, as search sees it."""
    return Row(
        product_id=product.product_id,
        name=fold(product.name),
        keywords=fold(" ".join(product.keywords)),
        brief=fold(product.brief),
        category_id=product.category_id or "",
        sort=product.sort,
        created_ms=ms(product.created_at),
        sold=_rounded(sold),
        price_fen=cheapest(product).price_fen,
    )


def fold(text: str) -> str:
    """Fold text as search compares it: full-width and half-width, upper and lower case are the same."""
    return unicodedata.normalize("NFKC", text).casefold()


def ms(instant: datetime) -> int:
    """Give the instant in Unix milliseconds."""
    return round(instant.timestamp() * 1000)


def _rounded(sold: int) -> int:
    """Two leading digits are enough to rank by, and spare the chunk a write for nearly every sale."""
    digits = str(sold)
    return int(digits[:2].ljust(len(digits), "0"))
