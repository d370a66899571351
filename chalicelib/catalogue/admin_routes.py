"""The catalogue for operators: categories, products with their SKUs, stock."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.catalogue import admin_reads, categories, draft, products, reads, shards, stock, tree
from chalicelib.catalogue.draft import ProductChange, ProductNew, Sort
from chalicelib.catalogue.products import Shelf
from chalicelib.catalogue.rules import Stock
from chalicelib.catalogue.tables import shards_of
from chalicelib.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.web.types import Code, Id, Line, LongLine, Page, PageQuery, Url

READ, WRITE, STOCK_WRITE = "catalogue.read", "catalogue.write", "stock.write"


class CategoryChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of a category: what is left out stays as it is."""

    name: Line | UnsetType = UNSET
    parent_id: Id | UnsetType | None = UNSET
    sort: Sort | UnsetType = UNSET
    picture_url: Url | UnsetType = UNSET
    description: LongLine | UnsetType = UNSET


class CategoryNew(CategoryChange, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new category. `category_code` is the merchant's own, unique and for ever; without it the id stands for it."""

    category_code: Code | UnsetType = UNSET
    name: Line


class AdminSku(reads.SkuView, kw_only=True):
    """A SKU for operators: `stock` pieces are free, `taken` in orders or set aside for activities, `supplied` both."""

    taken: int
    supplied: int


class AdminProduct(reads.ProductBase, kw_only=True):
    """A product for operators: all that shoppers see, and what only the house knows."""

    product_code: str
    version: int
    published: bool
    skus: list[AdminSku]
    sort: int
    role: str
    values: list[str]
    freight_template_id: str | None
    commission_bp: int | None
    created_at: datetime
    updated_at: datetime


class StockChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pieces to add, or below zero to take away, and why."""

    quantity: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
    reason: Line


class Shards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many shards the pieces of a SKU are spread over."""

    shards: Annotated[int, Meta(ge=0, le=shards.SHARDS_MAX)]


class SpreadStock(msgspec.Struct, frozen=True):
    """A SKU's free pieces: in its own item, and in each of its `shards`."""

    shards: int
    own: int
    free: list[int]


class AdminProductsQuery(PageQuery, kw_only=True):
    """Which products: of a category with everything below it, published or not."""

    category_id: Id | None = None
    published: bool | None = None


def _category_fields(change: CategoryChange) -> dict[str, object]:
    fields = draft.said(change)
    if "category_code" in fields:
        fields["code"] = fields.pop("category_code")
    return fields


def _view(shelf: Shelf) -> AdminProduct:
    item = shelf.product
    assert item is not None
    none = Stock(0)
    stocks = [shelf.stocks.get(sku.sku_id, none) for sku in item.skus]
    skus = [
        AdminSku(**fields, taken=of.taken, supplied=of.supplied)
        for fields, of in zip(reads.sku_fields(shelf), stocks, strict=True)
    ]
    return AdminProduct(
        **reads.product_fields(shelf),
        skus=skus,
        product_code=item.product_code,
        version=shelf.version,
        published=item.published,
        sort=item.sort,
        role=item.role,
        values=item.values,
        freight_template_id=item.freight_template_id,
        commission_bp=item.commission_bp,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )


@endpoint("POST /v1/admin/categories", OPERATOR, permission=WRITE, status=201, errors=("code_taken", "invalid"))
def create_category(body: CategoryNew) -> tree.CategoryNode:
    """Add a category, at most three levels deep."""
    created = categories.create(_category_fields(body))
    return tree.node(categories.load()[0], created)


@endpoint(
    "PATCH /v1/admin/categories/{category_id}",
    OPERATOR,
    permission=WRITE,
    errors=("not_found", "invalid", "conflict"),
)
def change_category(category_id: str, body: CategoryChange) -> tree.CategoryNode:
    """Rename a category, or move it with everything in it."""
    changed = categories.change(category_id, _category_fields(body))
    return tree.node(categories.load()[0], changed)


@endpoint(
    "DELETE /v1/admin/categories/{category_id}",
    OPERATOR,
    permission=WRITE,
    errors=("not_found", "category_in_use", "conflict"),
)
def delete_category(category_id: str) -> None:
    """Delete a category that has neither products nor children."""
    categories.delete(category_id)


@endpoint("GET /v1/admin/products", OPERATOR, permission=READ, errors=("cursor_invalid",))
def list_all_products(query: AdminProductsQuery) -> Page[admin_reads.ProductLine]:
    """All products, published or not, the newest first."""
    return admin_reads.listed(query.category_id, query.published, query.limit, query.cursor)


@endpoint(
    "POST /v1/admin/products",
    OPERATOR,
    permission=WRITE,
    status=201,
    errors=("code_taken", "invalid", "catalogue_full", "conflict"),
)
def create_product(body: ProductNew) -> AdminProduct:
    """Add a product with its SKUs and their first stock; `publish` puts it on sale at once."""
    return _view(products.create(draft.said(body)))


@endpoint("GET /v1/admin/products/{product_id}", OPERATOR, permission=READ, errors=("not_found",))
def get_any_product(product_id: str) -> AdminProduct:
    """A product, published or not, with its stock and its version."""
    return _view(products.existing(product_id))


@endpoint(
    "PATCH /v1/admin/products/{product_id}",
    OPERATOR,
    permission=WRITE,
    errors=("not_found", "invalid", "conflict", "sku_in_use", "catalogue_full"),
)
def change_product(product_id: str, body: ProductChange) -> AdminProduct:
    """Change what the body names; what it leaves out stays.

    `skus`, when given, are all SKUs from now on, found again by `sku_code`: new ones are added with their `stock`,
    those that are not named are removed unless orders hold pieces of them. The stock of the others does not change.
    With `version` the change is refused when somebody else was quicker.
    """
    return _view(products.change(product_id, draft.said(body)))


@endpoint(
    "POST /v1/admin/products/{product_id}/publish",
    OPERATOR,
    permission=WRITE,
    errors=("not_found", "catalogue_full", "conflict"),
)
def publish_product(product_id: str) -> AdminProduct:
    """Put a product on sale."""
    return _view(products.change(product_id, {"publish": True}))


@endpoint(
    "POST /v1/admin/products/{product_id}/unpublish", OPERATOR, permission=WRITE, errors=("not_found", "conflict")
)
def unpublish_product(product_id: str) -> AdminProduct:
    """Take a product off sale; its orders go on."""
    return _view(products.change(product_id, {"publish": False}))


@endpoint("GET /v1/admin/skus/{sku_id}/stock", OPERATOR, permission=READ, errors=("not_found",))
def get_stock(sku_id: str) -> Stock:
    """The stock of a SKU as it is now."""
    return stock.of(sku_id)


@endpoint("GET /v1/admin/skus/{sku_id}/shards", OPERATOR, permission=READ, errors=("not_found",))
def get_shards(sku_id: str) -> SpreadStock:
    """How a SKU's free pieces lie in its shards now."""
    own, *rest = shards.look(sku_id, shards_of(shards.own(sku_id))).free.values()
    return SpreadStock(len(rest), own, rest)


@endpoint("PUT /v1/admin/skus/{sku_id}/shards", OPERATOR, permission=STOCK_WRITE, errors=("not_found", "conflict"))
def spread_stock(sku_id: str, body: Shards) -> SpreadStock:
    """Spread a popular SKU's free pieces over shards, before the rush: each serves as many orders a second as the one
    item of an ordinary SKU does. 0: over none again."""
    shards.spread(sku_id, body.shards)
    return get_shards(sku_id)


@endpoint(
    "POST /v1/admin/skus/{sku_id}/stock",
    OPERATOR,
    permission=STOCK_WRITE,
    idempotent=True,
    errors=("not_found", "stock_short", "conflict"),
)
def change_stock(call: Call, sku_id: str, body: StockChange) -> Stock:
    """Add pieces to a SKU's stock, or take free ones away, with the reason. The same Idempotency-Key does it once."""
    return stock.supply(sku_id, body.quantity, body.reason, call.idempotency_key)
