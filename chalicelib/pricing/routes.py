"""For shoppers, the promotions that run."""

from __future__ import annotations

import msgspec

from chalicelib.pricing import service
from chalicelib.pricing.promotions import NamedPromotion
from chalicelib.web.endpoint import PUBLIC, endpoint
from chalicelib.web.types import Id, Page

#: How long clients may keep the running promotions.
_SECONDS = 5


class PromotionsQuery(msgspec.Struct, kw_only=True):
    """Which promotions: all that run, or those that a product has a part in."""

    product_id: Id | None = None


@endpoint("GET /v1/promotions", PUBLIC, cache_seconds=_SECONDS, errors=("not_found",))
def running_promotions(query: PromotionsQuery) -> Page[NamedPromotion]:
    """The promotions that run now, in the order in which they are reckoned. One page, always.

    With `product_id`, for the product's page: those that it has a part in, also where it only helps to reach a
    threshold. Without, for lists and a page of promotions: all, with what each covers (`scope`: its categories with
    everything below them), so that a client marks the cards of a category itself. What is taken off is the quote's to
    say; a promotion that starts while a client keeps this shows when it asks again.
    """
    return Page(service.running(query.product_id))
