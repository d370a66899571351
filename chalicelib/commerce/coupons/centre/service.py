"""Claiming a coupon in the coupon centre."""

from __future__ import annotations

from chalicelib.commerce.coupons.centre.queries import offered
from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.coupons.rules import Held
from chalicelib.platform.web.tokens import Token


def claim(member_id: str, template_id: str, token: Token | None = None) -> Held:
    """Give one more coupon of this template to a member who called with this `token`.

    Raises `not_found` where members cannot claim it now, `sold_out`, `claim_limit`, `not_for_you`, `unauthenticated`,
    `conflict`, `unavailable`.
    """
    return give(offered(template_id, "claim"), member_id, "claim", token=token).held
