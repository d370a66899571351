"""Freight templates and promotions as operators see them."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion


class NamedTemplate(msgspec.Struct):
    """A freight template and its id."""

    template_id: str
    template: FreightTemplate


class FreightTemplates(msgspec.Struct):
    """All freight templates of the mall."""

    items: list[NamedTemplate]


class AllPromotions(msgspec.Struct):
    """All promotions of the mall."""

    items: list[NamedPromotion]
