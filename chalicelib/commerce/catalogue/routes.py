"""The catalogue for shoppers."""

from __future__ import annotations

from typing import cast

from chalicelib.commerce.catalogue import queries as catalogue_queries
from chalicelib.commerce.catalogue.categories.views import CategoryNode
from chalicelib.commerce.catalogue.inputs import ProductsQuery
from chalicelib.commerce.catalogue.products.views import ProductView
from chalicelib.commerce.catalogue.rules import Card
from chalicelib.platform.web.endpoint import PUBLIC, endpoint
from chalicelib.platform.web.types import Page

#: How long clients may keep an answer; a moment, for prices and stock are in it.
_SECONDS = 5


@endpoint("GET /v1/categories", PUBLIC, cache_seconds=_SECONDS, shared=True)
def list_categories() -> Page[CategoryNode]:
    """The category tree: the roots, each with everything below it. One page, always."""
    return cast("Page[CategoryNode]", catalogue_queries.category_tree())


@endpoint("GET /v1/products", PUBLIC, cache_seconds=_SECONDS, shared=True, errors=("cursor_invalid", "invalid"))
def list_products(query: ProductsQuery) -> Page[Card]:
    """Published products as cards, of a category with everything below it, or found by words.

    The default order is the merchant's, then the newest first; a search puts hits in the name before hits in the
    keywords, and those before hits in the brief, unless another order is asked for.
    """
    page = catalogue_queries.listed(query.category_id, query.q, query.sort, query.limit, query.cursor)
    return cast("Page[Card]", page)


@endpoint("GET /v1/products/{product_id}", PUBLIC, cache_seconds=_SECONDS, shared=True)
def get_product(product_id: str) -> ProductView:
    """A published product with its SKUs and what is left of each."""
    return cast("ProductView", catalogue_queries.product(product_id))
