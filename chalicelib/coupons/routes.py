"""Coupons for shoppers; importing it declares the operators' endpoints and the jobs of the wing too."""

from __future__ import annotations

import chalicelib.coupons.admin_routes  # noqa: F401
from chalicelib.coupons import claims
from chalicelib.coupons.rules import CouponState
from chalicelib.coupons.views import CouponView, OfferView, coupon_view, offer_view
from chalicelib.web.endpoint import MEMBER, Call, endpoint
from chalicelib.web.types import Page, PageQuery


class MineQuery(PageQuery, kw_only=True):
    """Which of my coupons."""

    state: CouponState = "unused"


@endpoint("GET /v1/coupon-templates", MEMBER, errors=("cursor_invalid",))
def list_offers(call: Call, query: PageQuery) -> Page[OfferView]:
    """The coupon centre: what I can claim now, the newest first, also what is sold out or claimed already."""
    offers, next_cursor = claims.centre(call.caller, query.limit, query.cursor)
    return Page([offer_view(each) for each in offers], next_cursor)


@endpoint(
    "POST /v1/coupon-templates/{template_id}/claim",
    MEMBER,
    status=201,
    errors=("sold_out", "claim_limit", "not_for_you", "coupon_not_offered", "conflict"),
)
def claim(call: Call, template_id: str) -> CouponView:
    """Claim a coupon."""
    return coupon_view(claims.claim(call.caller, template_id))


@endpoint("GET /v1/me/coupons", MEMBER, errors=("cursor_invalid",))
def list_mine(call: Call, query: MineQuery) -> Page[CouponView]:
    """My coupons in one state: unused and locked ones by their end, used and expired ones the last first."""
    held, next_cursor = claims.mine(call.caller, query.state, query.limit, query.cursor)
    return Page([coupon_view(each) for each in held], next_cursor)
