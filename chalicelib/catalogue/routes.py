"""The catalogue for shoppers."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from msgspec import Meta

from chalicelib.catalogue import reads
from chalicelib.catalogue.reads import ProductView
from chalicelib.catalogue.rules import Card
from chalicelib.catalogue.tree import CategoryNode
from chalicelib.web.endpoint import PUBLIC, endpoint
from chalicelib.web.types import Id, Page, PageQuery

#: How long clients may keep an answer; a moment, for prices and stock are in it.
_SECONDS = 5


class ProductsQuery(PageQuery, kw_only=True):
    """Which products, in which order; `q` are words that must all be in the name, the keywords or the brief."""

    category_id: Id | None = None
    q: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    sort: Literal["default", "new", "sales", "price_asc", "price_desc"] = "default"


# The three answer with the bytes they remember (a Reply); what they declare is what is in them.


@endpoint("GET /v1/categories", PUBLIC, cache_seconds=_SECONDS)
def list_categories() -> Page[CategoryNode]:
    """The category tree: the roots, each with everything below it. One page, always."""
    return cast("Page[CategoryNode]", reads.category_tree())


@endpoint("GET /v1/products", PUBLIC, cache_seconds=_SECONDS, errors=("cursor_invalid", "invalid"))
def list_products(query: ProductsQuery) -> Page[Card]:
    """Published products as cards, of a category with everything below it, or found by words.

    The default order is the merchant's, then the newest first; a search puts hits in the name before hits in the
    keywords, and those before hits in the brief, unless another order is asked for.
    """
    page = reads.listed(query.category_id, query.q, query.sort, query.limit, query.cursor)
    return cast("Page[Card]", page)


@endpoint("GET /v1/products/{product_id}", PUBLIC, cache_seconds=_SECONDS)
def get_product(product_id: str) -> ProductView:
    """A published product with its SKUs and what is left of each."""
    return cast("ProductView", reads.product(product_id))
