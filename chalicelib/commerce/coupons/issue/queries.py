"""Reads of what a person has got for a cause, as one of the members who they were."""

from __future__ import annotations

from chalicelib.commerce.coupons.issue.rules import coupon_id
from chalicelib.commerce.coupons.rules import Held, How, Template
from chalicelib.commerce.coupons.tables import coupon_key, held
from chalicelib.customers.members.rules import Profile
from chalicelib.platform.store import read
from chalicelib.platform.store.read import Key


def had_as_another(member: Profile, template: Template, how: How, cause: tuple[str, ...]) -> Held | None:
    """Find the coupon of this cause that the member got as one who was merged into them, moved or not; None where they
    got none. One BatchGet, and none of who was always one."""
    found = read.batch_get(keys_as_another(member, template, how, cause))
    return next((held(item) for item in found if item is not None), None)


def keys_as_another(member: Profile, template: Template, how: How, cause: tuple[str, ...]) -> list[Key]:
    """List where that coupon may be; nowhere of who was always one."""
    if not member.absorbed:
        return []
    places = [member.member_id, *(one.member_id for one in member.absorbed if not one.settled)]
    members = [member.member_id, *(one.member_id for one in member.absorbed)]
    coupon_ids = [coupon_id(template, each, how, cause) for each in members]
    return [coupon_key(place, each) for each in coupon_ids for place in places]
