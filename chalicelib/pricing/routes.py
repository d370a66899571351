"""Operators: freight templates."""

from __future__ import annotations

import msgspec

from chalicelib.pricing import service
from chalicelib.pricing.freight import FreightTemplate
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
