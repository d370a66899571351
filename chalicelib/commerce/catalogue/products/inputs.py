"""What a merchant writes of a product: only what is said changes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.commerce.catalogue.rules import SKUS_MAX, SPECS_MAX
from chalicelib.core import text
from chalicelib.platform.web.types import Code, Count, Id, PriceFen, Quantity, ShortText, Text256, Url

Sort = Annotated[int, Meta(ge=0, le=9_999_999)]
Grams = Annotated[int, Meta(ge=0, le=10_000_000)]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
#: Pieces that one member, and one order, may have of a product.
MemberLimit = Annotated[int, Meta(ge=1, le=1_000_000)]
OrderLimit = Quantity
#: With every character written as six bytes it fits its item, of 400 KB, together with the gallery.
LongText = Annotated[str, Meta(max_length=60_000)]
#: Bytes of a product as it comes in: room for a long detail, however its characters are written.
BODY_MAX = 1024 * 1024
Unit = Annotated[str, Meta(max_length=16, pattern=text.NAME)]
Role = Literal["", "traffic", "hit", "profit", "new", "image"]
Value = Literal["practical", "experience", "added", "other"]
Values = Annotated[list[Value], Meta(max_length=4)]
Gallery = Annotated[list[Url], Meta(max_length=20)]
Keywords = Annotated[list[ShortText], Meta(max_length=20)]


class SpecInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dimension in which SKUs differ, and its values in the order to show."""

    name: ShortText
    values: Annotated[list[ShortText], Meta(min_length=1, max_length=SKUS_MAX)]


class SkuInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SKU as written. It is found again by its code; what is left out stays as it is.

    `stock` is the first supply of a new SKU; that of an existing one changes through its own endpoint only.
    """

    sku_code: Code
    specs: dict[ShortText, ShortText] = {}
    price_fen: PriceFen
    list_price_fen: PriceFen | UnsetType = UNSET
    stock: Count | UnsetType = UNSET
    weight_g: Grams | UnsetType = UNSET
    picture_url: Url | UnsetType = UNSET


Specs = Annotated[list[SpecInput], Meta(max_length=SPECS_MAX)]
Skus = Annotated[list[SkuInput], Meta(min_length=1, max_length=SKUS_MAX)]


class ProductChangeInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of a product: what is left out stays as it is.

    `skus`, when given, are all SKUs from now on, found again by their codes: new ones are added, and those not
    named are removed. `specs` follow from the SKUs when those are given alone. `version` refuses the change when
    somebody else was quicker.
    """

    name: ShortText | UnsetType = UNSET
    category_id: Id | UnsetType | None = UNSET
    brief: Text256 | UnsetType = UNSET
    keywords: Keywords | UnsetType = UNSET
    unit: Unit | UnsetType = UNSET
    brand: Text256 | UnsetType = UNSET
    picture_url: Url | UnsetType = UNSET
    gallery: Gallery | UnsetType = UNSET
    detail: LongText | UnsetType = UNSET
    specs: Specs | UnsetType = UNSET
    skus: Skus | UnsetType = UNSET
    sort: Sort | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    values: Values | UnsetType = UNSET
    freight_template_id: Id | UnsetType | None = UNSET
    commission_bp: BasisPoints | UnsetType | None = UNSET
    limit_per_member: MemberLimit | UnsetType | None = UNSET
    limit_per_order: OrderLimit | UnsetType | None = UNSET
    publish: bool | UnsetType = UNSET
    version: int | UnsetType = UNSET


class ProductInput(ProductChangeInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new product. Without a `product_code` it gets one; `specs` follow from the SKUs when left out."""

    product_code: Code | UnsetType = UNSET
    name: ShortText
    skus: Skus
