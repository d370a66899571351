"""Giving one member one coupon: the one transaction by which every coupon but those of a grant comes to be.

It takes a piece of the template's stock, counts it for the member under their limit, and writes the coupon, whose id
follows from its cause: done again, it finds the coupon.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chalicelib.commerce.coupons.audiences import queries as audiences
from chalicelib.commerce.coupons.issue.queries import had_as_another
from chalicelib.commerce.coupons.issue.rules import claimed_as_friend, coupon_id, coupon_of, refused
from chalicelib.commerce.coupons.jobs import AFTER_PURCHASE
from chalicelib.commerce.coupons.refusals import NOT_OFFERED, OWN_SHARE, SOLD_OUT, SOLD_OUT_FOR_CODES
from chalicelib.commerce.coupons.rules import Held, How, Template
from chalicelib.commerce.coupons.stock import queries as stock_queries
from chalicelib.commerce.coupons.stock import service as stock
from chalicelib.commerce.coupons.tables import Coupons, coupon_key, held, received_key, received_of
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.wallet import service as wallet
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.queries import resolved
from chalicelib.customers.members.rules import Profile, check_admitted
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.customers.members.tables import profile_key
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry
from chalicelib.platform.web.tokens import Token

#: Codes with which `give` ends where a coupon would be a present: nobody is at fault, and no second try helps.
NO_COUPON_REASONS = (
    "sold_out", "claim_limit", "not_for_you", "coupon_not_offered", "unauthenticated", "member_blocked",
)  # fmt: skip
#: The ways of getting a coupon that a member who is blocked has not: those that begin with somebody asking for one.
ASKED_FOR: tuple[How, ...] = ("claim", "code", "share")

#: The cause of what a friend claims that a member has shared.
FRIEND = ("friend",)

#: How often `give` tries: others may empty shard after shard between a read and a write, and get a coupon each time.
_TRIES = 40


class Given(msgspec.Struct, frozen=True):
    """A coupon, and whether it was given just now."""

    held: Held
    is_new: bool


class _Empty(Exception):
    """The shard that was chosen has none left."""


def give(
    template: Template,
    member_id: str,
    how: How,
    cause: tuple[str, ...] | None = None,
    also: Callable[[Transaction], None] | None = None,
    token: Token | None = None,
    sharer: str = "",
) -> Given:
    """Give the coupon of this template that the member gets by `how` for this `cause`; the same cause gives it once,
    also to who was merged into them.

    Without a cause each call gives one more. `also` adds actions to the transaction; it may be called again. The member
    is admitted by what is read for it, where they called with a `token`; and not given what they shared themselves, as
    the `sharer` who was merged into them since.
    Raises `coupon_not_offered` while the template is not published or when it is over, `not_for_you`, `claim_limit`,
    `sold_out`, `unauthenticated` when there is no such member, `member_blocked`, `conflict`, `unavailable`, and what
    `also` is refused with.
    """

    def once() -> Given:
        nonlocal template
        try:
            return _give_once(template, member_id, how, cause, also, token, sharer)
        except _Empty as fault:
            template = template_queries.refreshed(template.template_id)
            stock_queries.remember_empty(template)
            raise Conflict from fault

    return retry(once, _TRIES)


def give_owed(
    template: Template,
    member_id: str,
    how: How,
    cause: tuple[str, ...],
    also: Callable[[Transaction], None] | None = None,
) -> Given:
    """Give what was owed to this member for the cause, as `give` does: to whom they were merged into, if they were."""
    try:
        return give(template, member_id, how, cause, also)
    except MallError as fault:
        if fault.code != "unauthenticated" or (now := resolved(member_id)) == member_id:
            raise
    return give(template, now, how, cause, also)


def count(tx: Transaction, template: Template, member_id: str, received: int, on_failure: object) -> None:
    """Count one more coupon for the member, who has got `received` by now, as part of `tx`: one action of it."""
    unchanged = Coupons.received.does_not_exist() if received == 0 else Coupons.received == received
    tx.update(
        *received_key(member_id, template.template_id), [Coupons.received.set(received + 1)], unchanged, on_failure
    )


def _give_once(
    template: Template,
    member_id: str,
    how: How,
    cause: tuple[str, ...] | None,
    also: Callable[[Transaction], None] | None,
    token: Token | None,
    sharer: str,
) -> Given:
    now = clock.now()
    field = "code" if how == "code" else "template_id"
    keys = [profile_key(member_id), received_key(member_id, template.template_id)]
    if cause is not None:
        keys.append(coupon_key(member_id, coupon_id(template, member_id, how, cause)))
    asked = template.audience.segments
    found = read.read_set([*keys, *audiences.keys(member_id, asked)])
    profile, counted, *there = found.each(keys)
    sessions.admit_by(token, profile)
    if there and there[0] is not None:
        return Given(held(there[0]), False)
    if profile is None:
        raise MallError("unauthenticated")
    if how in ASKED_FOR:
        check_admitted(profile.profile)
    member: Profile = profile.profile
    if any(one.member_id == sharer for one in member.absorbed):
        raise MallError("not_for_you", errors=(OWN_SHARE.at("share_token"),))
    if cause is not None and (before := had_as_another(member, template, how, cause)) is not None:
        return Given(before, False)
    if not template.is_offered(now):
        raise MallError("coupon_not_offered", errors=(NOT_OFFERED.at(field, name=template.name),))
    received = received_of(counted)
    within = audiences.within(member_id, asked, found, now)
    refusal = refused(template, member, received, now, audiences.bounds(asked), within, field)
    if refusal is None and cause == FRIEND:
        refusal = claimed_as_friend(template, member, received)
    if refusal is not None:
        raise refusal
    shard = stock_queries.choose(template, member_id, field, SOLD_OUT_FOR_CODES if how == "code" else SOLD_OUT)
    coupon = coupon_of(template, member_id, how, (str(received + 1),) if cause is None else cause, now)
    tx = Transaction()
    stock.take(tx, template.template_id, shard, 1, _Empty)
    count(tx, template, member_id, received, Conflict)
    wallet.receive(tx, coupon, Conflict)
    if also is not None:
        also(tx)
    _commit_unless_empty(tx)
    return Given(Held(coupon=coupon, state="unused"), True)


def _commit_unless_empty(tx: Transaction) -> None:
    """Commit. Raises _Empty where the shard has none left, unless `also` was refused: then that is the answer."""
    try:
        commit(tx)
    except ConditionFailed as fault:
        raise next((one for one in fault.failed if isinstance(one, MallError)), _Empty) from fault


def owe_after_purchase(tx: Transaction, order_id: str, member_id: str) -> None:
    """Owe the coupons that follow a completed purchase as part of `tx`; nothing where none are given now."""
    if template_queries.offered("purchase"):
        schedule(tx, AFTER_PURCHASE, order_id, None, member_id=member_id)
