"""Whether a member may have one more coupon of a template, and which coupon that is. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from chalicelib.commerce.coupons.agreement.rules import bounded
from chalicelib.commerce.coupons.refusals import LIMIT_REACHED, ONLY_FOR_NEW_CUSTOMERS, ONLY_FOR_SOME, SHARE_CLAIMED
from chalicelib.commerce.coupons.rules import Coupon, How, Template, is_new
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import LifeCycleRules, Profile


def refused(
    template: Template, profile: Profile, received: int, now: datetime, bounds: LifeCycleRules, within: Collection[str],
    field: str,
) -> MallError | None:  # fmt: skip
    """Say why this member, who has got `received` by now and is `within` so many custom segments, may not have one
    more: `not_for_you`, `claim_limit`.

    None when they may. `field` is what the refusal names.
    """
    if not template.audience.admits(profile, now, bounds, within):
        fails_as_customer = template.audience.new_customers and not is_new(profile)
        reason = ONLY_FOR_NEW_CUSTOMERS if fails_as_customer else ONLY_FOR_SOME
        return MallError("not_for_you", errors=(reason.at(field, name=template.name),))
    limit = template.limit_per_member
    if received >= limit:
        return MallError("claim_limit", errors=(LIMIT_REACHED.at(field, name=template.name, limit=limit),), limit=limit)
    return None


def claimed_as_friend(template: Template, profile: Profile, received: int) -> MallError | None:
    """Say why a friend may not claim what was shared: once for each template, and who has returned and has got any of
    it before may have done so then. None when they may."""
    if not (profile.returned and received):
        return None
    return MallError("claim_limit", errors=(SHARE_CLAIMED.at("template_id", name=template.name, limit=1),), limit=1)


def coupon_of(template: Template, member_id: str, how: How, cause: tuple[str, ...], now: datetime) -> Coupon:
    """Make the coupon that this cause gives when it is got now."""
    valid_from, valid_until = template.valid.span(now)
    return Coupon(
        coupon_id=coupon_id(template, member_id, how, cause), template_id=template.template_id, member_id=member_id,
        name=template.name, terms=bounded(template), valid_from=valid_from, valid_until=valid_until, received_at=now,
        how=how,
    )  # fmt: skip


def coupon_id(template: Template, member_id: str, how: How, cause: tuple[str, ...]) -> str:
    """Derive the id of the coupon that this cause gives."""
    return ids.derived("c", template.template_id, member_id, how, *cause)
