"""Coupons and templates as they are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.commerce.coupons.agreement.rules import waits
from chalicelib.commerce.coupons.centre.queries import ClaimableTemplate
from chalicelib.commerce.coupons.rules import (
    Approval,
    Audience,
    CouponState,
    Figures,
    Held,
    How,
    Kind,
    Scope,
    Template,
    TemplateState,
    Terms,
    Validity,
)
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import clock


class Worth(msgspec.Struct, kw_only=True):
    """What a coupon is worth. `amount_fen` is off the price (exchange: the price of the piece), `ceiling_fen` the most
    that it takes off; from `threshold_fen` of goods in scope on."""

    kind: Kind
    amount_fen: int | UnsetType = UNSET
    percent_off: int | UnsetType = UNSET
    ceiling_fen: int | UnsetType = UNSET
    threshold_fen: int
    scope: Scope
    stacking: Literal["main", "extra"]


class CouponView(Worth, kw_only=True):
    """A coupon of the caller; `order_id` while an order has it."""

    coupon_id: str
    template_id: str
    name: str
    state: CouponState
    valid_from: datetime
    valid_until: datetime
    order_id: str | UnsetType = UNSET


class OfferView(Worth, kw_only=True):
    """What can be claimed: `left` of it for everybody, `claimed` by the caller, who may have `limit_per_member`."""

    template_id: str
    name: str
    valid: Validity
    left: int
    claimed: int
    limit_per_member: int


class TemplateView(Worth, kw_only=True):
    """A template as operators see it, and what became of its coupons. `agreed`: the operators who decided to let them
    out, where the settings ask for that; with the first alone it may wait for the second (`waits_for_second`)."""

    template_id: str
    name: str
    state: TemplateState
    total: int
    limit_per_member: int
    valid: Validity
    how: list[How]
    audience: Audience
    returns: bool
    share_limit: int | UnsetType = UNSET
    created_at: datetime
    figures: Figures
    agreed: list[Approval] = []
    waits_for_second: bool = False


def coupon_view(held: Held) -> CouponView:
    """Show the coupon as its member sees it now."""
    coupon = held.coupon
    return CouponView(
        **_worth(coupon.terms), coupon_id=coupon.coupon_id, template_id=coupon.template_id, name=coupon.name,
        state=held.state_at(clock.now()), valid_from=coupon.valid_from, valid_until=coupon.valid_until,
        order_id=held.order_id or UNSET,
    )  # fmt: skip


def offer_view(offer: ClaimableTemplate) -> OfferView:
    """Show the template to a member who may claim it."""
    template = offer.template
    return OfferView(
        **_worth(template.terms), template_id=template.template_id, name=template.name, valid=template.valid,
        left=offer.remaining, claimed=offer.claimed, limit_per_member=template.limit_per_member,
    )  # fmt: skip


def template_view(template: Template, figures: Figures) -> TemplateView:
    """Show the template to operators."""
    return TemplateView(
        **_worth(template.terms), template_id=template.template_id, name=template.name, state=template.state,
        total=template.total, limit_per_member=template.limit_per_member, valid=template.valid, how=template.how,
        audience=template.audience, returns=template.terms.returns, share_limit=template.share_limit or UNSET,
        created_at=template.created_at, figures=figures, agreed=template.agreed, waits_for_second=waits(template),
    )  # fmt: skip


def _worth(terms: Terms) -> dict[str, Any]:
    priced = terms.kind in ("amount_off", "exchange")
    return {
        "kind": terms.kind,
        "amount_fen": terms.amount_fen if priced else UNSET,
        "percent_off": terms.percent_off or UNSET,
        "ceiling_fen": UNSET if terms.ceiling_fen is None else terms.ceiling_fen,
        "threshold_fen": terms.threshold_fen, "scope": terms.scope, "stacking": terms.stacking,
    }  # fmt: skip


class ShareView(msgspec.Struct, kw_only=True):
    """A token for friends to claim with, and how many more coupons came to me for theirs, of how many that may."""

    share_token: str
    template_id: str
    rewards: int
    share_limit: int


class BatchView(msgspec.Struct):
    """A new batch; its codes, where they are not more than 1,000: they are told this once."""

    batch_id: str
    codes: list[str]


def template_with_figures(template: Template) -> TemplateView:
    """Show a template with what became of its coupons."""
    return template_view(template, template_queries.figures([template])[0])
