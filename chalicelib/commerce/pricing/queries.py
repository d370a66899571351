"""Reads of freight templates and promotions: all at once, a second old at most; and those of an order, as they were."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chalicelib.commerce.catalogue.offers import queries as offers
from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion, Promotion, open_to, rank
from chalicelib.commerce.pricing.tables import ALL, FREIGHT, PROMOTION, Pricing, version_key
from chalicelib.core import clock
from chalicelib.platform.store import cache, read

CACHE = "pricing"


class PriceList(msgspec.Struct, frozen=True):
    """Freight templates and promotions of the mall, and the version of each, by id."""

    templates: dict[str, FreightTemplate]
    promotions: dict[str, Promotion]
    template_versions: dict[str, int]
    promotion_versions: dict[str, int]


def templates() -> dict[str, FreightTemplate]:
    """Read every freight template, by its id; possibly a second old."""
    return price_list().templates


def promotions() -> dict[str, Promotion]:
    """Read every promotion, by its id, also those that do not run now; possibly a second old."""
    return price_list().promotions


def running(product_id: str | None) -> list[NamedPromotion]:
    """List the promotions that run now for everybody, in the order in which they are reckoned; those that concern this
    product, where one is named. Possibly a second old.

    Raises `not_found` where there is no such product on sale.
    """
    now = clock.now()
    for_all = open_to(promotions(), ())
    found = sorted((NamedPromotion(*each) for each in for_all.items() if each[1].runs(now)), key=rank)
    if product_id is None:
        return found
    path = offers.category_path(product_id)
    return [each for each in found if each.promotion.concerns(product_id, path)]


def naming_segment(segment_id: str) -> list[tuple[str, str]]:
    """List the promotions for members of this segment that are not over, by id and name: whoever would delete the
    segment is told of them. May be a moment old."""
    now = clock.now()
    naming = [one for one in load_pricing().promotions.items() if segment_id in one[1].segments]
    return [(promotion_id, one.name) for promotion_id, one in sorted(naming) if now < one.ends_at]


def price_list() -> PriceList:
    """Read every freight template and promotion, with their versions; possibly a second old."""
    return cache.remember((CACHE,), load_pricing)


def as_they_were(templates: Mapping[str, int], promotions: Mapping[str, int]) -> PriceList | None:
    """Read these templates and promotions in these versions, by id; None where one of them is not known any more.

    Version 0 is of the time before versions were kept: the oldest that is known, which is that of now where nothing
    has changed since.
    """
    wanted = [(FREIGHT + template_id, version) for template_id, version in templates.items()]
    wanted += [(PROMOTION + promotion_id, version) for promotion_id, version in promotions.items()]
    kept = read.batch_get([(Pricing, version_key(part, version)) for part, version in wanted])
    found = PriceList({}, {}, {}, {})
    for (part, version), item in zip(wanted, kept, strict=True):
        known = read.get(Pricing, ALL, part) if item is None and not version else item
        if known is None:
            return None
        _add(found, part, known)
    return found


def load_pricing() -> PriceList:
    """Read all freight templates and promotions as they are now."""
    found = PriceList({}, {}, {}, {})
    for item in read.query_all(Pricing, ALL):
        _add(found, item.part, item)
    return found


def _add(found: PriceList, part: str, item: Pricing) -> None:
    """Add what the item says of the template or promotion with this part."""
    version = int(item.version or 0)
    if part.startswith(FREIGHT):
        found.templates[part.removeprefix(FREIGHT)] = item.template
        found.template_versions[part.removeprefix(FREIGHT)] = version
    else:
        found.promotions[item.promotion.promotion_id] = item.promotion.promotion
        found.promotion_versions[item.promotion.promotion_id] = version
