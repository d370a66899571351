"""What a category, a product, a SKU and a card are, and how products are ordered and found. Pure."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.core import ids

#: Limits, so that a product fits its item and its creation one transaction.
SKUS_MAX = 60
SPECS_MAX = 4
CATEGORY_DEPTH_MAX = 3
#: The whole tree is one item of at most 400 KB.
CATEGORIES_MAX = 1000


class Category(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node of the category tree. `code` is the merchant's own, unique where given."""

    category_id: str
    name: str
    parent_id: str | None = None
    code: str | None = None
    sort: int = 0
    picture_url: str = ""
    description: str = ""


class Spec(msgspec.Struct, frozen=True):
    """A dimension in which the SKUs of a product differ, and the values it has."""

    name: str
    values: list[str]


class Sku(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that can be bought. Prices in fen, weight in grams."""

    sku_id: str
    sku_code: str
    specs: dict[str, str]
    price_fen: int
    list_price_fen: int = 0
    weight_g: int = 0
    picture_url: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What shoppers saw of a product when it was taken off sale: all that they may know of it until it is on sale
    again."""

    name: str
    picture_url: str = ""
    skus: list[Sku]


class Product(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the mall knows of a product, save its long texts and pictures (`Detail`) and its stock.

    `role` (traffic, hit, profit, new, image) and `values` (practical, experience, added, other) are the
    merchant's view of it; `freight_template_id` None means the mall's default template. The limits are in pieces of all
    its SKUs: what a member buys in all, and in one order; None: without. `shown`: of one that was taken off sale; None
    of one that is on sale, or never was.
    """

    product_id: str
    product_code: str
    name: str
    skus: list[Sku]
    category_id: str | None = None
    brief: str = ""
    keywords: list[str] = []
    unit: str = ""
    brand: str = ""
    picture_url: str = ""
    specs: list[Spec] = []
    sort: int = 0
    role: str = ""
    values: list[str] = []
    freight_template_id: str | None = None
    commission_bp: int | None = None
    limit_per_member: int | None = None
    limit_per_order: int | None = None
    published: bool = False
    shown: Shown | None = None
    created_at: datetime
    updated_at: datetime

    def sku(self, sku_id: str) -> Sku | None:
        """Find the SKU of that id, or None."""
        return next((sku for sku in self.skus if sku.sku_id == sku_id), None)


def with_shown(before: Product, after: Product) -> Product:
    """Give the product after a change what shoppers saw of it last: of one that leaves sale, what it was before."""
    if after.published:
        return msgspec.structs.replace(after, shown=None)
    if before.published:
        shown = Shown(name=before.name, picture_url=before.picture_url, skus=before.skus)
        return msgspec.structs.replace(after, shown=shown)
    return after


class Stock(msgspec.Struct, frozen=True):
    """Pieces of one SKU: free to sell, taken by orders or set aside for activities, and both (supplied)."""

    free: int
    taken: int = 0
    supplied: int = 0


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """The long part of a product, read for its page only."""

    gallery: list[str] = []
    detail: str = ""


class ActivityCard(msgspec.Struct, frozen=True, kw_only=True):
    """An activity as a product's page shows it.

    `kind` is "fixed", "ladder" or "lottery"; `sizes` are the numbers of people that make a group; `price_fen` is the
    lowest price in a group, null when it is not the same for all of its members.
    """

    activity_id: str
    kind: str
    starts_at: datetime
    ends_at: datetime
    sizes: list[int]
    price_fen: int | None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A product in a list. `sold` and `in_stock` may be a minute old; `category_id` is null where it has none."""

    product_id: str
    name: str
    brief: str
    picture_url: str
    price_fen: int
    list_price_fen: int
    sold: int
    in_stock: bool
    category_id: str | None = None


class Named(msgspec.Struct, frozen=True):
    """A category, product or SKU that something outside the catalogue names, and the field that names it."""

    field: str
    kind: Literal["category", "product", "SKU"]
    id: str


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A published product as search sees it; texts are folded (`fold` in listings/rules.py), `sold` is rounded down."""

    product_id: str
    name: str
    keywords: str
    brief: str
    category_id: str
    sort: int
    created_ms: int
    sold: int
    price_fen: int


def tidy(text: str) -> str:
    """Give a name or a code as it is kept: in Unicode's composed form, without blanks around."""
    return unicodedata.normalize("NFC", text).strip()


def category_id(category_code: str) -> str:
    """Derive the id of the category with the merchant's code."""
    return ids.derived("c", category_code)


def product_id(product_code: str) -> str:
    """Derive the id of a product from the merchant's code: the same code is the same product, imported or made."""
    return ids.derived("p", product_code)


def sku_id(product: str, sku_code: str) -> str:
    """Derive the id of a SKU: its product's id and its own mark, so that its stock is found without asking."""
    return f"{product}-{ids.derived('', sku_code)[:10]}"


def product_of(sku: str) -> str:
    """Give the product's id within a SKU's id."""
    return sku.partition("-")[0]
