"""Commands about refunds: asked for by members, made, granted, rejected and asked about again by operators."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.agreement.rules import agreed, made_by_operator, waits
from chalicelib.commerce.orders.agreement.service import take_back_first, take_back_unasked
from chalicelib.commerce.orders.conditions.queries import gather
from chalicelib.commerce.orders.conditions.rules import asks_for_terms, granted_in_full, held_to_conditions
from chalicelib.commerce.orders.jobs import REFERRED_REFUNDED
from chalicelib.commerce.orders.ports import groups
from chalicelib.commerce.orders.queries import refund_of_order
from chalicelib.commerce.orders.refunds.issue import issue_refund, owe_push, refund_id
from chalicelib.commerce.orders.refunds.rules import (
    closed_at_wechat,
    new_refund,
    push_anew,
    step_refund,
    with_refund,
)
from chalicelib.commerce.orders.rules import Order, Pieces, Refund, check_room, noted
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import NAMED_TWICE, TOO_MANY
from chalicelib.mall.files import service as files
from chalicelib.mall.files.refusals import NO_SUCH_UPLOAD
from chalicelib.mall.files.service import Kept
from chalicelib.mall.files.tables import owner_of
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction
from chalicelib.platform.store.versioned import Versioned


def request(
    order_id: str, member_id: str, key: str, asked: list[Pieces] | None, reason: str, pictures: Sequence[str] = (),
    subject: str = "",
) -> Refund:  # fmt: skip
    """Ask for these pieces' money back as a member, or for all of it; granted at once while none of them has been sent,
    and what stays meets the conditions of its prices. What an operator has made and no other agreed to is taken back.

    `pictures` are the addresses of the member's uploads for refunds, public from now on. The refund is the one that
    this Idempotency-Key stands for; a repetition gets its first answer again. The `subject` is whom the session's token
    was made for, where that is one who was merged into the member since: the key is theirs.
    Raises `not_found`, `idempotency_key_reused`, `order_state`, `refund_window_over`, `nothing_to_refund`,
    `refund_limit`, `invalid`.
    """
    found = order_queries.find_owned(order_id, member_id)
    number = refund_id(order_id, subject or member_id, key)
    return _refund(found, number, asked, reason, "member", pictures=pictures, uploader=member_id)


def _published(member_id: str, pictures: Sequence[str]) -> list[Kept]:
    """Make the member's uploads public. Raises `invalid`, naming the picture."""
    found: list[Kept] = []
    for at, url in enumerate(pictures):
        field = f"pictures[{at}]"
        if url in pictures[:at]:
            raise invalid(NAMED_TWICE.at(field))
        kept = files.publish(owner_of(member_id), "refund", url, field)
        if kept is None:
            raise invalid(NO_SUCH_UPLOAD.at(field))
        found.append(kept)
    return found


def refund_by_operator(
    order_id: str, key: str, asked: list[Pieces] | None, reason: str, restock: bool, operator: str
) -> Refund:
    """Give these pieces' money back, or all of it, as an operator; `restock` when sent goods came back.

    The refund is the one that the operator's Idempotency-Key stands for. Raises as `request` does.
    """
    found = order_queries.find(order_id)
    return _refund(
        found, refund_id(order_id, f"operator:{operator}", key), asked, reason, f"operator:{operator}", restock
    )


def _refund(
    found: Versioned[Order],
    number: str,
    asked: list[Pieces] | None,
    reason: str,
    by: str,
    restock: bool = False,
    pictures: Sequence[str] = (),
    uploader: str = "",
) -> Refund:
    by_mall = by != "member"
    told = (asked, reason, restock) if by_mall else (asked, reason, *([pictures] if pictures else ()))
    digest = ids.digest(msgspec.json.encode(told))
    is_known = found.value.refund(number) is not None  # then this is a repetition, and its pictures are public
    published = [] if is_known else _published(uploader, pictures)

    def decide(order: Order, tx: Transaction) -> Order:
        if (known := order.refund(number)) is not None:
            if known.body_digest != digest:
                raise MallError("idempotency_key_reused")
            return order
        now = clock.now()
        if not by_mall:
            order = take_back_unasked(order, tx, by)
        as_asked = new_refund(order, number, asked, reason, digest, now, by_mall)
        refund = msgspec.structs.replace(_conditioned(order, as_asked, by_mall), pictures=list(pictures))
        for one in published:
            files.keep(tx, one)
        if by_mall:
            refund = _decided(order, refund, restock, by)
            if _waits(order, refund):
                return _first_agreed(order, made_by_operator(as_asked), refund)
        if refund.state == "requested":
            return check_room(noted(with_refund(order, refund), "refund_requested", by, now, refund_id=number))
        if order.state == "awaiting_group":
            order = msgspec.structs.replace(order, group=groups().leave(tx, order))
        elif order.group is not None:
            groups().give_back(tx, order, refund)
        after = check_room(issue_refund(order, tx, refund, restock, by))
        room = ACTIONS_MAX - len(tx) - changes.actions_max(order)
        if pictures and room < 0:
            raise invalid(TOO_MANY.at("pictures", limit=max(0, room + len(pictures))))
        return after

    after = changes.change(found.value.order_id, decide, found=found)
    shards.forget()
    refund = refund_of_order(after, number)
    return msgspec.structs.replace(refund, state=refund.first_state, finished_at=None, refused_because="")


def _conditioned(order: Order, refund: Refund, by_mall: bool) -> Refund:
    """Say what becomes of a refund by what stays of its order; the order's terms are read only where they are asked
    for."""
    asks = asks_for_terms(order, refund, by_mall)
    terms = gather(order) if asks else None
    if by_mall:
        return granted_in_full(order, refund, terms)
    deducts = asks and order_rules().conditions_lost == "deduct"
    return held_to_conditions(order, refund, terms, deducts)


def approve(order_id: str, number: str, restock: bool, by: str) -> Refund:
    """Grant a requested refund, in full; `restock` when the goods came back. Granting it twice is no error.

    Above the sum of the settings this is the first operator's decision, and it waits for another's. Raises `not_found`,
    `order_state` when it was decided otherwise, `refund_limit`, and `second_operator` where they decided first.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = refund_of_order(order, number)
        if refund.state not in ("requested", "rejected"):
            return order
        if refund.state == "requested":
            as_asked, refund = refund, _conditioned(order, refund, by_mall=True)
            refund = _decided(order, refund, restock, by)
            if _waits(order, refund):
                return _first_agreed(order, as_asked, refund)
            if order.group is not None:
                groups().give_back(tx, order, refund)
        return issue_refund(order, tx, refund, restock, by)

    after = changes.change(order_id, decide)
    shards.forget()
    return refund_of_order(after, number)


def _decided(order: Order, refund: Refund, restock: bool, by: str) -> Refund:
    return agreed(order, refund, restock, by, order_rules().second_operator_above_fen, clock.now())


def _waits(order: Order, refund: Refund) -> bool:
    return waits(order, refund, order_rules().second_operator_above_fen)


def _first_agreed(order: Order, as_asked: Refund, refund: Refund) -> Order:
    """The order with the refund as it was asked for, and the first operator's decision on it."""
    (first,) = refund.agreed
    after = with_refund(order, msgspec.structs.replace(as_asked, agreed=[first]))
    return check_room(noted(after, "refund_agreed", first.by, first.at, f"{first.amount_fen} fen"))


def take_back(order_id: str, number: str, by: str) -> Refund:
    """Take back the first operator's decision on a refund that waits for the second, and the refund with it where an
    operator has made it. Twice is no error. Raises `not_found`, `order_state` when it is granted."""

    def decide(order: Order, tx: Transaction) -> Order:
        return take_back_first(order, tx, refund_of_order(order, number), by)

    return refund_of_order(changes.change(order_id, decide), number)


def reject(order_id: str, number: str, reason: str, by: str) -> Refund:
    """Reject a requested refund for this reason, which its member reads. Rejecting it twice is no error.

    Raises `not_found`, `order_state`.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = refund_of_order(order, number)
        if refund.state == "rejected":
            return order
        now = clock.now()
        rejected = step_refund(refund, "reject", finished_at=now, refused_because=reason)
        changes.publish(tx, REFERRED_REFUNDED, order, number)
        return noted(with_refund(order, rejected), "refund_rejected", by, now, reason, number)

    return refund_of_order(changes.change(order_id, decide), number)


def ask_again(order_id: str, number: str, by: str) -> Refund:
    """Ask WeChat how a failed refund ended, which an operator has seen to. Asking twice is no error.

    A refund that WeChat has closed is pushed anew, under a new number; only then, because two numbers may pay twice.

    Raises `not_found`, `order_state` when it has not failed; `refund_limit` when WeChat takes no number more.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = refund_of_order(order, number)
        if refund.state in ("approved", "processing"):
            return order
        is_closed = closed_at_wechat(refund)
        changed = push_anew(order, refund) if is_closed else step_refund(refund, "ask_again", outcome="")
        owe_push(tx, number)
        return check_room(noted(with_refund(order, changed), "refund_asked_again", by, clock.now(), refund_id=number))

    return refund_of_order(changes.change(order_id, decide), number)
