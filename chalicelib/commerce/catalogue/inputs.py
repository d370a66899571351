"""What shoppers and operators send about the catalogue; what describes a product stands in products/inputs.py."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.commerce.catalogue.products.inputs import Sort
from chalicelib.platform.web.types import Cleaned, Code, Id, Line64, PageQuery, ShortText, Text256, Url


class ProductsQuery(PageQuery, kw_only=True):
    """Which products, in which order; `q` are words that must all be in the name, the keywords or the brief."""

    category_id: Id | None = None
    q: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    sort: Literal["default", "new", "sales", "price_asc", "price_desc"] = "default"


class CategoryChangeInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of a category: what is left out stays as it is."""

    name: ShortText | UnsetType = UNSET
    parent_id: Id | UnsetType | None = UNSET
    sort: Sort | UnsetType = UNSET
    picture_url: Url | UnsetType = UNSET
    description: Text256 | UnsetType = UNSET


class CategoryInput(CategoryChangeInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new category. `category_code` is the merchant's own, unique and for ever; without it the id stands for it."""

    category_code: Code | UnsetType = UNSET
    name: ShortText


class StockInput(Cleaned, frozen=True, forbid_unknown_fields=True):
    """Pieces to add, or below zero to take away, and why."""

    quantity: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
    reason: Annotated[Line64, Meta(min_length=1)]


class ShardsInput(msgspec.Struct, frozen=True):
    """A SKU's free pieces: in its own item, and in each of its `shards`."""

    shards: int
    own: int
    free: list[int]


class AdminProductsQuery(PageQuery, kw_only=True):
    """Which products: of a category with everything below it, published or not."""

    category_id: Id | None = None
    published: bool | None = None
