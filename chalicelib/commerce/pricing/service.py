"""Commands of operators about freight templates and promotions."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.catalogue.references import queries as references
from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion, Promotion, check, named
from chalicelib.commerce.pricing.queries import CACHE, load_pricing
from chalicelib.commerce.pricing.refusals import TOO_MANY_PROMOTIONS, TOO_MANY_TEMPLATES
from chalicelib.commerce.pricing.tables import ALL, FREIGHT, PROMOTION, Pricing
from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.platform.store import cache
from chalicelib.platform.store.transaction import ConditionFailed, remove, save

#: How many freight templates a mall may have, so that all of them are one page of a query.
TEMPLATES_MAX = 100
#: How many promotions a mall may have, so that a quote, which looks at all of them, is quick.
PROMOTIONS_MAX = 100


def put(template_id: str, template: FreightTemplate) -> None:
    """Create or replace a template. Raises `invalid` when there are too many."""
    known = load_pricing().templates
    if template_id not in known and len(known) >= TEMPLATES_MAX:
        raise invalid(TOO_MANY_TEMPLATES.at("template_id", limit=TEMPLATES_MAX))
    _save(Pricing(ALL, FREIGHT + template_id, template=template))


def delete(template_id: str) -> None:
    """Delete a template; its products use the default one from then on. Raises `not_found`."""
    _remove(FREIGHT + template_id)


def put_promotion(promotion_id: str, promotion: Promotion) -> Promotion:
    """Create or replace a promotion; give it as it is stored.

    Raises `invalid`, also when there are too many, and naming every category, product and SKU that there is not.
    """
    check(promotion)
    references.check(named(promotion))
    known = load_pricing().promotions
    if promotion_id not in known and len(known) >= PROMOTIONS_MAX:
        raise invalid(TOO_MANY_PROMOTIONS.at("promotion_id", limit=PROMOTIONS_MAX))
    times = {field: clock.from_stamp(clock.stamp(getattr(promotion, field))) for field in ("starts_at", "ends_at")}
    stored = msgspec.structs.replace(promotion, **times)
    _save(Pricing(ALL, PROMOTION + promotion_id, promotion=NamedPromotion(promotion_id, stored)))
    return stored


def delete_promotion(promotion_id: str) -> None:
    """Delete a promotion; what was ordered keeps its price. Raises `not_found`."""
    _remove(PROMOTION + promotion_id)


def _save(item: Pricing) -> None:
    save(item)
    cache.forget(CACHE)


def _remove(part: str) -> None:
    try:
        remove(Pricing, (ALL, part), Pricing.partition.exists())
    except ConditionFailed:
        raise MallError("not_found") from None
    cache.forget(CACHE)
