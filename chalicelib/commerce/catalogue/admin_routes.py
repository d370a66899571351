"""The catalogue for operators: categories, products with their SKUs, stock."""

from __future__ import annotations

from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories import service as categories
from chalicelib.commerce.catalogue.categories import views as categories_views
from chalicelib.commerce.catalogue.import_export.rules import price_changes, told
from chalicelib.commerce.catalogue.inputs import (
    AdminProductsQuery,
    CategoryChangeInput,
    CategoryInput,
    ShardsInput,
    StockInput,
)
from chalicelib.commerce.catalogue.listings import queries as listing_queries
from chalicelib.commerce.catalogue.listings import views as listings_views
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.products import rules as product_rules
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.inputs import BODY_MAX, ProductChangeInput, ProductInput
from chalicelib.commerce.catalogue.rules import Stock
from chalicelib.commerce.catalogue.stock import queries as stock_queries
from chalicelib.commerce.catalogue.stock import service as stock
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.tables import shards_of
from chalicelib.commerce.catalogue.views import AdminProduct, ShardsView, admin_product
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page

READ, WRITE, STOCK_WRITE = "catalogue.read", "catalogue.write", "stock.write"


def _category_fields(change: CategoryChangeInput) -> dict[str, object]:
    fields = product_rules.said(change)
    if "category_code" in fields:
        fields["code"] = fields.pop("category_code")
    return fields


@endpoint("POST /v1/admin/categories", OPERATOR, permission=WRITE, status=201, errors=("code_taken", "invalid"))
def create_category(body: CategoryInput) -> categories_views.CategoryNode:
    """Add a category, at most three levels deep."""
    created = categories.create(_category_fields(body))
    return categories_views.node(category_queries.load().value, created)


@endpoint(
    "PATCH /v1/admin/categories/{category_id}",
    OPERATOR,
    permission=WRITE,
    errors=("not_found", "invalid", "conflict"),
)
def change_category(category_id: str, body: CategoryChangeInput) -> categories_views.CategoryNode:
    """Rename a category, or move it with everything in it."""
    changed = categories.change(category_id, _category_fields(body))
    return categories_views.node(category_queries.load().value, changed)


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
def list_all_products(query: AdminProductsQuery) -> Page[listings_views.ProductRow]:
    """All products, published or not, the newest first."""
    return listing_queries.listed(query.category_id, query.published, query.limit, query.cursor)


@endpoint(
    "POST /v1/admin/products",
    OPERATOR,
    permission=WRITE,
    body_max=BODY_MAX,
    status=201,
    errors=("code_taken", "invalid", "catalogue_full", "conflict"),
)
def create_product(call: Call, body: ProductInput) -> AdminProduct:
    """Add a product with its SKUs and their first stock; `publish` puts it on sale at once."""
    return _saved(call, products.create(product_rules.said(body)))


@endpoint("GET /v1/admin/products/{product_id}", OPERATOR, permission=READ, errors=("not_found",))
def get_any_product(product_id: str) -> AdminProduct:
    """A product, published or not, with its stock and its version."""
    return admin_product(product_queries.existing(product_id))


@endpoint(
    "PATCH /v1/admin/products/{product_id}",
    OPERATOR,
    permission=WRITE,
    body_max=BODY_MAX,
    errors=("not_found", "invalid", "conflict", "sku_in_use", "catalogue_full"),
)
def change_product(call: Call, product_id: str, body: ProductChangeInput) -> AdminProduct:
    """Change what the body names; what it leaves out stays.

    `skus`, when given, are all SKUs from now on, found again by `sku_code`: new ones are added with their `stock`,
    those that are not named are removed unless orders hold pieces of them. The stock of the others does not change.
    With `version` the change is refused when somebody else was quicker.
    """
    return _saved(call, products.change(product_id, product_rules.said(body)))


def _saved(call: Call, saved: product_queries.ProductAggregate) -> AdminProduct:
    """Show the product, and tell the operators' log which of its prices are other ones now."""
    assert saved.product is not None
    if prices := price_changes(saved.before, saved.product):
        call.outcome.update(told(prices))
    return admin_product(saved)


@endpoint(
    "POST /v1/admin/products/{product_id}/publish",
    OPERATOR,
    permission=WRITE,
    errors=("not_found", "catalogue_full", "conflict"),
)
def publish_product(product_id: str) -> AdminProduct:
    """Put a product on sale."""
    return admin_product(products.change(product_id, {"publish": True}))


@endpoint(
    "POST /v1/admin/products/{product_id}/unpublish", OPERATOR, permission=WRITE, errors=("not_found", "conflict")
)
def unpublish_product(product_id: str) -> AdminProduct:
    """Take a product off sale; its orders go on."""
    return admin_product(products.change(product_id, {"publish": False}))


@endpoint("GET /v1/admin/skus/{sku_id}/stock", OPERATOR, permission=READ, errors=("not_found",))
def get_stock(sku_id: str) -> Stock:
    """The stock of a SKU as it is now."""
    return stock_queries.stock_of(sku_id)


@endpoint("GET /v1/admin/skus/{sku_id}/shards", OPERATOR, permission=READ, errors=("not_found",))
def get_shards(sku_id: str) -> ShardsInput:
    """How a SKU's free pieces lie in its shards now."""
    own, *rest = shards.count(sku_id, shards_of(shards.own(sku_id))).free.values()
    return ShardsInput(len(rest), own, rest)


@endpoint("PUT /v1/admin/skus/{sku_id}/shards", OPERATOR, permission=STOCK_WRITE, errors=("not_found", "conflict"))
def spread_stock(sku_id: str, body: ShardsView) -> ShardsInput:
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
def change_stock(call: Call, sku_id: str, body: StockInput) -> Stock:
    """Add pieces to a SKU's stock, or take free ones away, with the reason. The same Idempotency-Key does it once."""
    return stock.supply(sku_id, body.quantity, body.reason, call.idempotency_key)
