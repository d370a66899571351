"""Freight templates and promotions, for operators."""

from __future__ import annotations

import msgspec

from chalicelib.pricing import service
from chalicelib.pricing.freight import FreightTemplate
from chalicelib.pricing.promotions import NamedPromotion, Promotion
from chalicelib.web.endpoint import OPERATOR, endpoint


class NamedTemplate(msgspec.Struct):
    """A freight template and its id."""

    template_id: str
    template: FreightTemplate


class Templates(msgspec.Struct):
    """All freight templates of the mall."""

    items: list[NamedTemplate]


@endpoint("GET /v1/admin/freight-templates", OPERATOR, permission="freight.read")
def list_templates() -> Templates:
    """All freight templates. "default" is used by products that name none."""
    return Templates([NamedTemplate(key, value) for key, value in sorted(service.templates().items())])


@endpoint("PUT /v1/admin/freight-templates/{template_id}", OPERATOR, permission="freight.write", errors=("invalid",))
def put_template(template_id: str, body: FreightTemplate) -> NamedTemplate:
    """Create or replace a freight template."""
    service.put(template_id, body)
    return NamedTemplate(template_id, body)


@endpoint("DELETE /v1/admin/freight-templates/{template_id}", OPERATOR, permission="freight.write")
def delete_template(template_id: str) -> None:
    """Delete a freight template; its products use the default one from then on."""
    service.delete(template_id)


class AllPromotions(msgspec.Struct):
    """All promotions of the mall."""

    items: list[NamedPromotion]


@endpoint("GET /v1/admin/promotions", OPERATOR, permission="promotions.read")
def list_promotions() -> AllPromotions:
    """All promotions, also those that do not run now."""
    return AllPromotions([NamedPromotion(key, value) for key, value in sorted(service.promotions().items())])


@endpoint("PUT /v1/admin/promotions/{promotion_id}", OPERATOR, permission="promotions.write", errors=("invalid",))
def put_promotion(promotion_id: str, body: Promotion) -> NamedPromotion:
    """Create or replace a promotion. It holds for quotes from a moment later on."""
    return NamedPromotion(promotion_id, service.put_promotion(promotion_id, body))


@endpoint("DELETE /v1/admin/promotions/{promotion_id}", OPERATOR, permission="promotions.write")
def delete_promotion(promotion_id: str) -> None:
    """Delete a promotion; what was ordered keeps its price."""
    service.delete_promotion(promotion_id)
