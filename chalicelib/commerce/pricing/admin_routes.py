"""Freight templates and promotions, for operators."""

from __future__ import annotations

from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing import service
from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion, Promotion
from chalicelib.commerce.pricing.views import AllPromotions, FreightTemplates, NamedTemplate
from chalicelib.platform.web.endpoint import OPERATOR, endpoint


@endpoint("GET /v1/admin/freight-templates", OPERATOR, permission="freight.read")
def list_templates() -> FreightTemplates:
    """List all freight templates. "default" is used by products that name none."""
    return FreightTemplates([NamedTemplate(key, value) for key, value in sorted(pricing_queries.templates().items())])


@endpoint("PUT /v1/admin/freight-templates/{template_id}", OPERATOR, permission="freight.write", errors=("invalid",))
def put_template(template_id: str, body: FreightTemplate) -> NamedTemplate:
    """Create or replace a freight template."""
    service.put(template_id, body)
    return NamedTemplate(template_id, body)


@endpoint(
    "DELETE /v1/admin/freight-templates/{template_id}",
    OPERATOR,
    permission="freight.write",
    errors=("not_found", "freight_template_in_use", "conflict"),
)
def delete_template(template_id: str) -> None:
    """Delete a freight template. One that products name is kept; the refusal says how many there are, and which."""
    service.delete(template_id)


@endpoint("GET /v1/admin/promotions", OPERATOR, permission="promotions.read")
def list_promotions() -> AllPromotions:
    """List all promotions, also those that do not run now."""
    return AllPromotions([NamedPromotion(key, value) for key, value in sorted(pricing_queries.promotions().items())])


@endpoint("PUT /v1/admin/promotions/{promotion_id}", OPERATOR, permission="promotions.write", errors=("invalid",))
def put_promotion(promotion_id: str, body: Promotion) -> NamedPromotion:
    """Create or replace a promotion. It holds for quotes from a moment later on."""
    return NamedPromotion(promotion_id, service.put_promotion(promotion_id, body))


@endpoint("DELETE /v1/admin/promotions/{promotion_id}", OPERATOR, permission="promotions.write")
def delete_promotion(promotion_id: str) -> None:
    """Delete a promotion; what was ordered keeps its price."""
    service.delete_promotion(promotion_id)
