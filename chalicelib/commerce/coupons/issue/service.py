"""Giving one member one coupon: the one transaction by which every coupon but those of a grant comes to be.

It takes a piece of the template's stock, counts it for the member under their limit, and writes the coupon, whose id
follows from its cause: done again, it finds the coupon.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from chalicelib.commerce.coupons.rules import Coupon, Held, How, Template
from chalicelib.commerce.coupons.stock import service as stock
from chalicelib.commerce.coupons.tables import Coupons, coupon_item, coupon_key, held, received_key, received_of
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import profile_key
from chalicelib.platform.store import read
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

#: Others may empty shard after shard before this one's eyes; each time somebody got a coupon.
_TRIES = 40

_NONE_LEFT = "none left in this shard"
_STALE = "the member has got one meanwhile"


class Given(msgspec.Struct, frozen=True):
    """A coupon, and whether it was given just now."""

    held: Held
    is_new: bool


class _Again(Exception):
    """Somebody got in between the read and the write."""


class _Empty(Exception):
    """The shard that was chosen has none left."""


def give(
    template: Template,
    member_id: str,
    how: How,
    cause: tuple[str, ...] | None = None,
    also: Callable[[Transaction], None] | None = None,
) -> Given:
    """The coupon of this template that the member gets by `how` for this `cause`; the same cause gives it once.

    Without a cause each call gives one more. `also` adds actions to the transaction; it may be called again.
    Raises `coupon_not_offered` while the template is not published or when it is over, `not_for_you`, `claim_limit`,
    `sold_out`, `unauthenticated` when the member is gone, `conflict`, `unavailable`, and what `also` is refused with.
    """

    def once() -> Given:
        nonlocal template
        try:
            return _once(template, member_id, how, cause, also)
        except _Empty:
            template = template_queries.refreshed(template.template_id)
            stock.look_again(template)
            raise _Again from None

    return retry_busy(once, _Again, _TRIES)


def check_member(template: Template, profile: Profile, received: int, now: datetime) -> None:
    """Whether this member may have one more. Raises `not_for_you`, `claim_limit`."""
    if not template.audience.admits(profile, now):
        raise MallError("not_for_you")
    if received >= template.limit_per_member:
        raise MallError("claim_limit", limit=template.limit_per_member)


def count(tx: Transaction, template: Template, member_id: str, received: int, on_failure: object) -> None:
    """Count one more for the member, who has got so many by now, as part of `tx`: one action of it."""
    unchanged = Coupons.received.does_not_exist() if received == 0 else Coupons.received == received
    tx.update(
        *received_key(member_id, template.template_id), [Coupons.received.set(received + 1)], unchanged, on_failure
    )


def coupon_of(template: Template, member_id: str, how: How, cause: tuple[str, ...], now: datetime) -> Coupon:
    """The coupon that this cause gives when it is got now."""
    valid_from, valid_until = template.valid.of(now)
    return Coupon(
        coupon_id=coupon_id(template, member_id, how, cause), template_id=template.template_id, member_id=member_id,
        name=template.name, terms=template.terms, valid_from=valid_from, valid_until=valid_until, received_at=now,
        how=how,
    )  # fmt: skip


def coupon_id(template: Template, member_id: str, how: How, cause: tuple[str, ...]) -> str:
    """The id of the coupon that this cause gives."""
    return ids.derived("c", template.template_id, member_id, how, *cause)


def _once(
    template: Template,
    member_id: str,
    how: How,
    cause: tuple[str, ...] | None,
    also: Callable[[Transaction], None] | None,
) -> Given:
    now = clock.now()
    keys = [profile_key(member_id), received_key(member_id, template.template_id)]
    if cause is not None:
        keys.append(coupon_key(member_id, coupon_id(template, member_id, how, cause)))
    profile, counted, *there = read.batch_get(keys)
    if there and there[0] is not None:
        return Given(held(there[0]), False)
    if profile is None:
        raise MallError("unauthenticated")
    if not template.is_offered(now):
        raise MallError("coupon_not_offered")
    received = received_of(counted)
    check_member(template, profile.profile, received, now)
    shard = stock.choose(template, member_id)
    coupon = coupon_of(template, member_id, how, (str(received + 1),) if cause is None else cause, now)
    tx = Transaction()
    stock.take(tx, template.template_id, shard, 1, _NONE_LEFT)
    count(tx, template, member_id, received, _STALE)
    tx.create(coupon_item(coupon), _STALE)
    if also is not None:
        also(tx)
    try:
        tx.commit()
    except ConditionFailed as fault:
        refusal = next((each for each in fault.failed if isinstance(each, MallError)), None)
        if refusal is not None:
            raise refusal from fault
        if _NONE_LEFT in fault.failed:
            raise _Empty from fault
        raise _Again from fault
    return Given(Held(coupon=coupon, state="unused"), True)
