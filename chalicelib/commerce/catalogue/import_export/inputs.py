"""What operators ask of an import or an export, and what a line of a file says."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.commerce.catalogue.products.inputs import (
    BasisPoints,
    Gallery,
    Keywords,
    LongText,
    MemberLimit,
    OrderLimit,
    Role,
    Skus,
    Sort,
    Specs,
    Unit,
    Values,
)
from chalicelib.platform.web.types import Code, Cursor, Id, ShortText, Text256, Url

Format = Literal["jsonl", "csv"]

#: Bytes of a file in one call: a few products with long details.
FILE_MAX = 1024 * 1024


class FormatQuery(msgspec.Struct, kw_only=True):
    """Which format the file has."""

    format: Format = "jsonl"


class ImportQuery(FormatQuery, kw_only=True):
    """Which format the file has, and which of a CSV's columns is which of ours: JSON, or `ours=theirs,ours=theirs`."""

    columns: Annotated[str, Meta(max_length=6000)] = ""


class CatalogueExportQuery(FormatQuery, kw_only=True):
    """Which format, and where to go on: the answer's header `X-Next-Cursor`, which the last page has not."""

    cursor: Cursor | None = None


class ProductLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product in a file; what is left out stays as it is, or has its default in a new product.

    `is_hot` is role "hit", `is_new` role "new", the first before the second; `role` says it outright. `stock` of a
    SKU is its first supply: that of a SKU which exists is left alone; so is `created_at`, by which new products are
    listed before older ones, of a product that exists.
    """

    product_code: Code
    name: ShortText
    skus: Skus
    category_code: Code | UnsetType | None = UNSET
    brief: Text256 | UnsetType = UNSET
    keywords: Keywords | UnsetType = UNSET
    unit: Unit | UnsetType = UNSET
    on_sale: bool | UnsetType = UNSET
    is_new: bool | UnsetType = UNSET
    is_hot: bool | UnsetType = UNSET
    sort: Sort | UnsetType = UNSET
    picture_url: Url | UnsetType = UNSET
    gallery: Gallery | UnsetType = UNSET
    specs: Specs | UnsetType = UNSET
    brand: Text256 | UnsetType = UNSET
    detail: LongText | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    values: Values | UnsetType = UNSET
    commission_bp: BasisPoints | UnsetType | None = UNSET
    limit_per_member: MemberLimit | UnsetType | None = UNSET
    limit_per_order: OrderLimit | UnsetType | None = UNSET
    freight_template_id: Id | UnsetType | None = UNSET
    created_at: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET


class CategoryLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A category in a file; what is left out stays as it is. Its parent may come later in the file."""

    category_code: Code
    name: ShortText
    parent_code: Code | UnsetType | None = UNSET
    sort: Sort | UnsetType = UNSET
    description: Text256 | UnsetType = UNSET
    picture_url: Url | UnsetType = UNSET


PRODUCT_COLUMNS = (
    "product_code", "category_code", "name", "brief", "keywords", "unit", "on_sale", "is_new", "is_hot", "sort",
    "picture_url", "gallery", "specs", "skus", "brand", "detail", "role", "values", "commission_bp",
    "limit_per_member", "limit_per_order", "freight_template_id", "created_at",
)  # fmt: skip
CATEGORY_COLUMNS = ("category_code", "name", "parent_code", "sort", "description", "picture_url")
