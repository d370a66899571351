"""Operators: coupon templates."""

from __future__ import annotations

from chalicelib.coupons import templates
from chalicelib.coupons.rules import Template, TemplateChange, TemplateInput
from chalicelib.coupons.views import TemplateView, template_view
from chalicelib.web.endpoint import OPERATOR, endpoint
from chalicelib.web.types import Page, PageQuery

READ, WRITE = "coupons.read", "coupons.write"
ONE = "/v1/admin/coupon-templates/{template_id}"


@endpoint("GET /v1/admin/coupon-templates", OPERATOR, permission=READ, errors=("cursor_invalid",))
def list_all(query: PageQuery) -> Page[TemplateView]:
    """All coupon templates, the newest first, with what became of their coupons."""
    found, next_cursor = templates.page(query.limit, query.cursor)
    figures = templates.figures(found)
    return Page([template_view(*each) for each in zip(found, figures, strict=True)], next_cursor)


@endpoint("POST /v1/admin/coupon-templates", OPERATOR, permission=WRITE, status=201, errors=("invalid",))
def create(body: TemplateInput) -> TemplateView:
    """Make a coupon template; it is published unless `publish` is false."""
    return _view(templates.create(body))


@endpoint(f"GET {ONE}", OPERATOR, permission=READ)
def get(template_id: str) -> TemplateView:
    """One template, with what became of its coupons."""
    return _view(templates.load(template_id).template)


@endpoint(f"PUT {ONE}", OPERATOR, permission=WRITE, errors=("invalid", "conflict"))
def change(template_id: str, body: TemplateChange) -> TemplateView:
    """Change a template for those who get a coupon from now on; coupons that members hold stay as they are."""
    return _view(templates.change(template_id, body))


@endpoint(f"POST {ONE}/publish", OPERATOR, permission=WRITE, errors=("invalid", "conflict"))
def publish(template_id: str) -> TemplateView:
    """Let members get its coupons."""
    return _view(templates.publish(template_id))


@endpoint(f"POST {ONE}/pause", OPERATOR, permission=WRITE, errors=("conflict",))
def pause(template_id: str) -> TemplateView:
    """Let nobody get its coupons, in any way, until it is published again; those that members hold stay good."""
    return _view(templates.pause(template_id))


def _view(template: Template) -> TemplateView:
    return template_view(template, templates.figures([template])[0])
