"""Operators: coupon templates, batches of codes, grants."""

from __future__ import annotations

from typing import cast

from chalicelib.commerce.coupons.bulk_issue import inputs as bulk_issue_inputs
from chalicelib.commerce.coupons.bulk_issue import queries as bulk_issue_queries
from chalicelib.commerce.coupons.bulk_issue import service as bulk_issue
from chalicelib.commerce.coupons.bulk_issue.inputs import GrantInput, GrantMoreInput
from chalicelib.commerce.coupons.bulk_issue.views import GrantMoreView, GrantView, grant_view
from chalicelib.commerce.coupons.codes import service as codes
from chalicelib.commerce.coupons.inputs import BatchInput, TemplateChangeInput, TemplateInput
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.commerce.coupons.views import BatchView, TemplateView, template_view, template_with_figures
from chalicelib.platform.web.endpoint import OPERATOR, Call, Reply, endpoint
from chalicelib.platform.web.types import Page, PageQuery

READ, WRITE = "coupons.read", "coupons.write"
ONE = "/v1/admin/coupon-templates/{template_id}"


@endpoint("GET /v1/admin/coupon-templates", OPERATOR, permission=READ, errors=("cursor_invalid",))
def list_all(query: PageQuery) -> Page[TemplateView]:
    """All coupon templates, the newest first, with what became of their coupons."""
    found, next_cursor = template_queries.page(query.limit, query.cursor)
    figures = template_queries.figures(found)
    return Page([template_view(*each) for each in zip(found, figures, strict=True)], next_cursor)


@endpoint("POST /v1/admin/coupon-templates", OPERATOR, permission=WRITE, status=201, errors=("invalid", "conflict"))
def create(call: Call, body: TemplateInput) -> TemplateView:
    """Make a coupon template; it is published unless `publish` is false, or that wants a second operator: where goods
    can be had for nothing with its coupons, above the sum of the settings."""
    return template_with_figures(templates.create(body, call.caller))


@endpoint(f"GET {ONE}", OPERATOR, permission=READ)
def get(template_id: str) -> TemplateView:
    """One template, with what became of its coupons."""
    return template_with_figures(template_queries.load(template_id).value)


@endpoint(f"PUT {ONE}", OPERATOR, permission=WRITE, errors=("invalid", "second_operator", "conflict"))
def change(call: Call, template_id: str, body: TemplateChangeInput) -> TemplateView:
    """Change a template for those who get a coupon from now on; coupons that members hold stay as they are. It is
    paused where it wants a second operator as it is now."""
    return template_with_figures(templates.change(template_id, body, call.caller))


@endpoint(f"POST {ONE}/publish", OPERATOR, permission=WRITE, errors=("invalid", "second_operator", "conflict"))
def publish(call: Call, template_id: str) -> TemplateView:
    """Let members get its coupons; where that wants a second operator, when another has published it too."""
    return template_with_figures(templates.publish(template_id, call.caller))


@endpoint(f"POST {ONE}/pause", OPERATOR, permission=WRITE, errors=("conflict",))
def pause(template_id: str) -> TemplateView:
    """Let nobody get its coupons, in any way, until it is published again; those that members hold stay good. A first
    operator's decision that waits for a second is taken back."""
    return template_with_figures(templates.pause(template_id))


@endpoint(
    f"POST {ONE}/codes", OPERATOR, permission=WRITE, status=201, errors=("invalid", "second_operator", "conflict")
)
def make_codes(call: Call, template_id: str, body: BatchInput) -> BatchView:
    """Make a batch of codes. Up to 1,000 are in the answer, which is their one export; more are exported as CSV."""
    made = codes.make(template_id, body.count)
    call.outcome.update(batch_id=made.batch_id, count=body.count)
    return BatchView(made.batch_id, made.codes)


@endpoint(
    f"POST {ONE}/codes/{{batch_id}}/export", OPERATOR, permission=WRITE, media="text/csv", errors=("codes_exported",)
)
def export_codes(template_id: str, batch_id: str) -> str:
    """All codes of a batch as CSV, once: nobody can get them from the mall again."""
    headers = {"Content-Disposition": f'attachment; filename="{batch_id}.csv"'}
    content = codes.export(template_id, batch_id)
    return cast("str", Reply(content, content_type="text/csv; charset=utf-8", headers=headers))


@endpoint(
    f"POST {ONE}/grants",
    OPERATOR,
    permission=WRITE,
    status=202,
    idempotent=True,
    errors=("invalid", "coupon_not_offered", "second_operator"),
    body_max=bulk_issue_inputs.BODY_MAX,
)
def grant(call: Call, template_id: str, body: GrantInput) -> GrantView:
    """Give one to each of these members, to an audience, or to everybody; it goes on by itself."""
    return bulk_issue.create(template_id, call.caller, call.idempotency_key, body)


@endpoint(
    f"POST {ONE}/grants/{{grant_id}}/members",
    OPERATOR,
    permission=WRITE,
    status=202,
    idempotent=True,
    errors=("invalid", "coupon_not_offered", "second_operator", "conflict"),
    body_max=bulk_issue_inputs.BODY_MAX,
)
def grant_more(call: Call, template_id: str, grant_id: str, body: GrantMoreInput) -> GrantMoreView:
    """Add members to a grant's list, in requests of up to 10,000 and in any order; a member listed twice gets one. Also
    a grant that has ended goes on then."""
    return bulk_issue.add(template_id, grant_id, call.caller, call.idempotency_key, body)


@endpoint(f"GET {ONE}/grants/{{grant_id}}", OPERATOR, permission=READ)
def get_grant(template_id: str, grant_id: str) -> GrantView:
    """How far a grant is."""
    return grant_view(bulk_issue_queries.load(grant_id, template_id), bulk_issue_queries.parts(grant_id))
