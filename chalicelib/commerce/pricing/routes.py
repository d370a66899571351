"""For shoppers, the promotions that run."""

from __future__ import annotations

from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing.inputs import PromotionsQuery
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion
from chalicelib.platform.web.endpoint import PUBLIC, endpoint
from chalicelib.platform.web.types import Page

#: How long clients may keep the running promotions.
_SECONDS = 5


@endpoint("GET /v1/promotions", PUBLIC, cache_seconds=_SECONDS, shared=True, errors=("not_found",))
def running_promotions(query: PromotionsQuery) -> Page[NamedPromotion]:
    """List the promotions that run now for everybody, in the order in which they are reckoned. One page, always.

    With `product_id`, for the product's page: those that it has a part in, also where it only helps to reach a
    threshold. Without, for lists and a page of promotions: all, with what each covers (`scope`: its categories with
    everything below them), so that a client marks the cards of a category itself. What is taken off is the quote's to
    say; a promotion that starts while a client keeps this shows when it asks again. What is only for members of
    segments is not here: who is in one finds it in their quotes.
    """
    return Page(pricing_queries.running(query.product_id))
