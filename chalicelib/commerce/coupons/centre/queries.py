"""Reads of the coupon centre: what a member can claim now."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.commerce.coupons.audiences import queries as audiences
from chalicelib.commerce.coupons.refusals import NOT_TO_BE_GOT
from chalicelib.commerce.coupons.rules import How, Template
from chalicelib.commerce.coupons.stock import queries as stock_queries
from chalicelib.commerce.coupons.tables import received_key, received_of
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.tables import profile_key
from chalicelib.platform.store import cursors, read

_LISTING = "coupon-centre"


class ClaimableTemplate(msgspec.Struct, frozen=True):
    """A template that a member can claim from, how many of it remain, and how many the member has got already."""

    template: Template
    remaining: int
    claimed: int


def offered(template_id: str, how: How) -> Template:
    """Find the template, which members can get in this way now. Raises `not_found`."""
    template = template_queries.remembered(template_id)
    if how not in template.how or not template.is_offered(clock.now()):
        raise MallError("not_found", errors=(NOT_TO_BE_GOT.at("template_id"),))
    return template


def centre(member_id: str, limit: int, cursor: str | None) -> tuple[list[ClaimableTemplate], str | None]:
    """Read a page of what this member can claim now, the newest template first; and the cursor of the next page.

    Templates that are sold out, or of which they have all they may, are among them. What remains may be a second old.
    Raises `unauthenticated`, `cursor_invalid`.
    """
    after = cursors.read(_LISTING, cursor)
    now = clock.now()
    shown = template_queries.offered("claim")
    keys = [profile_key(member_id), *(received_key(member_id, each.template_id) for each in shown)]
    asked = {segment_id for each in shown for segment_id in each.audience.segments}
    found = read.read_set([*keys, *audiences.keys(member_id, asked)], consistent=False)
    profile, *counted = found.each(keys)
    if profile is None:
        raise MallError("unauthenticated")
    received = {each.template_id: received_of(item) for each, item in zip(shown, counted, strict=True)}
    bounds, within = audiences.bounds(asked), audiences.within(member_id, asked, found, now)
    admitted = [
        each for each in shown if each.audience.admits(profile.profile, now, bounds, within) and _is_after(each, after)
    ]
    page = admitted[:limit]
    remaining = stock_queries.remaining(page)
    offers = [ClaimableTemplate(each, remaining[each.template_id], received[each.template_id]) for each in page]
    return offers, cursors.write(_LISTING, _place(page[-1]) if len(admitted) > limit else None)


def _place(template: Template) -> list[str]:
    return [clock.stamp(template.created_at), template.template_id]


def _is_after(template: Template, place: Sequence[str] | None) -> bool:
    return place is None or _place(template) < list(place)
