"""Freight templates, promotions and the floor: read for quotes, changed by operators."""

from __future__ import annotations

import msgspec

from chalicelib.catalogue import naming, offers
from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.pricing.freight import FreightTemplate
from chalicelib.pricing.promotions import NamedPromotion, Promotion, check, named, rank
from chalicelib.pricing.rules import PricingRules
from chalicelib.pricing.tables import ALL, FREIGHT, PROMOTION, Pricing
from chalicelib.shop.service import declare
from chalicelib.store import cache, read
from chalicelib.store.transaction import ConditionFailed, remove, save

#: So that all of them are one page of a query.
TEMPLATES_MAX = 100
#: So that a quote, which looks at all of them, is quick.
PROMOTIONS_MAX = 100

_CACHE = "pricing"

PRICING = declare("pricing", PricingRules)


class Kept(msgspec.Struct, frozen=True):
    """All that is kept, by id."""

    templates: dict[str, FreightTemplate]
    promotions: dict[str, Promotion]


def templates() -> dict[str, FreightTemplate]:
    """Every freight template by its id; possibly a second old."""
    return _remembered().templates


def put(template_id: str, template: FreightTemplate) -> None:
    """Create or replace a template. Raises `invalid` when there are too many."""
    known = _load().templates
    if template_id not in known and len(known) >= TEMPLATES_MAX:
        raise invalid("template_id", f"at most {TEMPLATES_MAX}")
    _save(Pricing(ALL, FREIGHT + template_id, template=template))


def delete(template_id: str) -> None:
    """Delete a template; its products use the default one from then on. Raises `not_found`."""
    _remove(FREIGHT + template_id)


def promotions() -> dict[str, Promotion]:
    """Every promotion by its id, also those that do not run now; possibly a second old."""
    return _remembered().promotions


def running(product_id: str | None) -> list[NamedPromotion]:
    """The promotions that run now, in the order in which they are reckoned; those that concern this product, where one
    is named. Possibly a second old.

    Raises `not_found` where there is no such product on sale.
    """
    now = clock.now()
    found = sorted((NamedPromotion(*each) for each in promotions().items() if each[1].runs(now)), key=rank)
    if product_id is None:
        return found
    path = offers.category_path(product_id)
    return [each for each in found if each.promotion.concerns(product_id, path)]


def put_promotion(promotion_id: str, promotion: Promotion) -> Promotion:
    """Create or replace a promotion; how it is kept. Raises `invalid`, also when there are too many, and naming every
    category, product and SKU that there is not."""
    check(promotion)
    naming.check(named(promotion))
    known = _load().promotions
    if promotion_id not in known and len(known) >= PROMOTIONS_MAX:
        raise invalid("promotion_id", f"at most {PROMOTIONS_MAX} promotions; delete one that is over")
    times = {field: clock.from_stamp(clock.stamp(getattr(promotion, field))) for field in ("starts_at", "ends_at")}
    kept = msgspec.structs.replace(promotion, **times)
    _save(Pricing(ALL, PROMOTION + promotion_id, promotion=NamedPromotion(promotion_id, kept)))
    return kept


def delete_promotion(promotion_id: str) -> None:
    """Delete a promotion; what was ordered keeps its price. Raises `not_found`."""
    _remove(PROMOTION + promotion_id)


def _save(item: Pricing) -> None:
    save(item)
    cache.forget(_CACHE)


def _remove(part: str) -> None:
    try:
        remove(Pricing, (ALL, part), Pricing.partition.exists())
    except ConditionFailed:
        raise MallError("not_found") from None
    cache.forget(_CACHE)


def _remembered() -> Kept:
    return cache.remember((_CACHE,), _load)


def _load() -> Kept:
    kept = Kept({}, {})
    for item in read.query_all(Pricing, ALL):
        if item.part.startswith(FREIGHT):
            kept.templates[item.part.removeprefix(FREIGHT)] = item.template
        else:
            kept.promotions[item.promotion.promotion_id] = item.promotion.promotion
    return kept
