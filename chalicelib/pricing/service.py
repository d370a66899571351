"""Freight templates, promotions and the floor: read for quotes, changed by operators."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.pricing.freight import FreightTemplate
from chalicelib.pricing.promotions import NamedPromotion, Promotion, check
from chalicelib.pricing.rules import PricingRules
from chalicelib.pricing.tables import ALL, ALL_PROMOTIONS, Freight, Promotions
from chalicelib.shop.service import declare
from chalicelib.store import cache, read
from chalicelib.store.transaction import ConditionFailed, remove, save

#: So that all of them are one page of a query.
TEMPLATES_MAX = 100
#: So that a quote, which looks at all of them, is quick.
PROMOTIONS_MAX = 100

PRICING = declare("pricing", PricingRules)


def templates() -> dict[str, FreightTemplate]:
    """Every template by its id; possibly a second old."""
    return cache.remember(("freight",), _load)


def put(template_id: str, template: FreightTemplate) -> None:
    """Create or replace a template. Raises `invalid` when there are too many."""
    known = _load()
    if template_id not in known and len(known) >= TEMPLATES_MAX:
        raise MallError("invalid")
    save(Freight(ALL, template_id, template=template))
    cache.forget("freight")


def delete(template_id: str) -> None:
    """Delete a template; its products use the default one from then on. Raises `not_found`."""
    try:
        remove(Freight, (ALL, template_id), Freight.group.exists())
    except ConditionFailed:
        raise MallError("not_found") from None
    cache.forget("freight")


def promotions() -> dict[str, Promotion]:
    """Every promotion by its id, also those that do not run now; possibly a second old."""
    return cache.remember(("promotions",), _load_promotions)


def put_promotion(promotion_id: str, promotion: Promotion) -> Promotion:
    """Create or replace a promotion; how it is kept. Raises `invalid`, also when there are too many."""
    check(promotion)
    known = _load_promotions()
    if promotion_id not in known and len(known) >= PROMOTIONS_MAX:
        raise invalid("promotion_id", f"at most {PROMOTIONS_MAX} promotions; delete one that is over")
    times = {field: clock.from_stamp(clock.stamp(getattr(promotion, field))) for field in ("starts_at", "ends_at")}
    kept = msgspec.structs.replace(promotion, **times)
    save(Promotions(ALL_PROMOTIONS, promotion_id, named=NamedPromotion(promotion_id, kept)))
    cache.forget("promotions")
    return kept


def delete_promotion(promotion_id: str) -> None:
    """Delete a promotion; what was ordered keeps its price. Raises `not_found`."""
    try:
        remove(Promotions, (ALL_PROMOTIONS, promotion_id), Promotions.group.exists())
    except ConditionFailed:
        raise MallError("not_found") from None
    cache.forget("promotions")


def _load() -> dict[str, FreightTemplate]:
    return {item.template_id: item.template for item in read.query_all(Freight, ALL)}


def _load_promotions() -> dict[str, Promotion]:
    found = read.query_all(Promotions, ALL_PROMOTIONS)
    return {item.promotion_id: item.named.promotion for item in found}
