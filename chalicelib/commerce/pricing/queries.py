"""Reads of freight templates and promotions, all at once and a second old at most."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.catalogue.offers import queries as offers
from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion, Promotion, rank
from chalicelib.commerce.pricing.tables import ALL, FREIGHT, Pricing
from chalicelib.core import clock
from chalicelib.platform.store import cache, read

CACHE = "pricing"


class PriceList(msgspec.Struct, frozen=True):
    """All freight templates and promotions of the mall, by id."""

    templates: dict[str, FreightTemplate]
    promotions: dict[str, Promotion]


def templates() -> dict[str, FreightTemplate]:
    """Read every freight template, by its id; possibly a second old."""
    return _remembered().templates


def promotions() -> dict[str, Promotion]:
    """Read every promotion, by its id, also those that do not run now; possibly a second old."""
    return _remembered().promotions


def running(product_id: str | None) -> list[NamedPromotion]:
    """List the promotions that run now, in the order in which they are reckoned; those that concern this product, where
    one is named. Possibly a second old.

    Raises `not_found` where there is no such product on sale.
    """
    now = clock.now()
    found = sorted((NamedPromotion(*each) for each in promotions().items() if each[1].runs(now)), key=rank)
    if product_id is None:
        return found
    path = offers.category_path(product_id)
    return [each for each in found if each.promotion.concerns(product_id, path)]


def _remembered() -> PriceList:
    return cache.remember((CACHE,), load_pricing)


def load_pricing() -> PriceList:
    """Read all freight templates and promotions as they are now."""
    found = PriceList({}, {})
    for item in read.query_all(Pricing, ALL):
        if item.part.startswith(FREIGHT):
            found.templates[item.part.removeprefix(FREIGHT)] = item.template
        else:
            found.promotions[item.promotion.promotion_id] = item.promotion.promotion
    return found
