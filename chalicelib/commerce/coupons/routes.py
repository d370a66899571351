"""Coupons for shoppers."""

from __future__ import annotations

from chalicelib.commerce.coupons.centre import queries as centre_queries
from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.commerce.coupons.codes import service as codes
from chalicelib.commerce.coupons.inputs import ClaimInput, CodeInput, MineQuery, ShareInput
from chalicelib.commerce.coupons.sharing import service as sharing
from chalicelib.commerce.coupons.views import CouponView, OfferView, ShareView, coupon_view, offer_view
from chalicelib.commerce.coupons.wallet import queries as wallet_queries
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint
from chalicelib.platform.web.types import Page, PageQuery

_REFUSED = ("sold_out", "claim_limit", "not_for_you", "coupon_not_offered", "member_blocked", "conflict")


@endpoint("GET /v1/coupon-templates", MEMBER, errors=("cursor_invalid",))
def list_offers(call: Call, query: PageQuery) -> Page[OfferView]:
    """The coupon centre: what I can claim now, the newest first, also what is sold out or claimed already."""
    offers, next_cursor = centre_queries.centre(call.caller, query.limit, query.cursor)
    return Page([offer_view(each) for each in offers], next_cursor)


@endpoint(
    "POST /v1/coupon-templates/{template_id}/claim",
    MEMBER,
    status=201,
    errors=(*_REFUSED, "invalid"),
    per_minute=120,
    admits=True,
)
def claim(call: Call, template_id: str, body: ClaimInput | None) -> CouponView:
    """Claim a coupon, or with a friend's `share_token` one that is shared; the friend gets one more then."""
    if body is None or body.share_token is None:
        return coupon_view(centre.claim(call.caller, template_id, call.token))
    return coupon_view(sharing.claim(call.caller, template_id, body.share_token, call.token))


@endpoint(
    "POST /v1/coupon-codes/redeem",
    MEMBER,
    status=201,
    errors=("code_unknown", "code_used", *_REFUSED),
    per_minute=120,
)
def redeem(call: Call, body: CodeInput) -> CouponView:
    """Redeem a code. After ten wrong ones within an hour the member has to wait; when many guess, after three."""
    return coupon_view(codes.redeem(call.caller, body.code))


@endpoint("POST /v1/me/coupons/share", MEMBER, errors=("not_found", "member_blocked"))
def share(call: Call, body: ShareInput) -> ShareView:
    """Share a coupon: the token that friends claim it with. Always the same one."""
    shared = sharing.share(call.caller, body.template_id)
    return ShareView(
        share_token=shared.token,
        template_id=shared.template.template_id,
        rewards=shared.rewards,
        share_limit=shared.template.share_limit,
    )


@endpoint("GET /v1/me/coupons", MEMBER, errors=("cursor_invalid",))
def list_mine(call: Call, query: MineQuery) -> Page[CouponView]:
    """My coupons in one state: unused and locked ones by their end, used and expired ones the last first."""
    held, next_cursor = wallet_queries.coupons_of_member(call.caller, query.state, query.limit, query.cursor)
    return Page([coupon_view(each) for each in held], next_cursor)
