"""Commands about refunds: asked for by members, made, granted, rejected and asked about again by operators."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
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
from chalicelib.core.errors import MallError
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned


def request(order_id: str, member_id: str, key: str, asked: list[Pieces] | None, reason: str) -> Refund:
    """Ask for these pieces' money back as a member, or for all of it; granted at once while none of them has been sent,
    and what stays meets the conditions of its prices.

    The refund is the one that this Idempotency-Key stands for; a repetition gets its first answer again.
    Raises `not_found`, `idempotency_key_reused`, `order_state`, `refund_window_over`, `nothing_to_refund`,
    `refund_limit`, `invalid`.
    """
    found = order_queries.find_owned(order_id, member_id)
    return _refund(found, refund_id(order_id, member_id, key), asked, reason, "member")


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
) -> Refund:
    by_mall = by != "member"
    digest = ids.digest(msgspec.json.encode((asked, reason, restock) if by_mall else (asked, reason)))

    def decide(order: Order, tx: Transaction) -> Order:
        if (known := order.refund(number)) is not None:
            if known.body_digest != digest:
                raise MallError("idempotency_key_reused")
            return order
        now = clock.now()
        refund = _conditioned(order, new_refund(order, number, asked, reason, digest, now, by_mall), by_mall)
        if refund.state == "requested":
            return check_room(noted(with_refund(order, refund), "refund_requested", by, now, refund_id=number))
        if order.state == "awaiting_group":
            order = msgspec.structs.replace(order, group=groups().leave(tx, order))
        elif order.group is not None:
            groups().give_back(tx, order, refund)
        return check_room(issue_refund(order, tx, refund, restock, by))

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

    Raises `not_found`, `order_state` when it was decided otherwise, `refund_limit`.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = refund_of_order(order, number)
        if refund.state not in ("requested", "rejected"):
            return order
        if refund.state == "requested":
            refund = _conditioned(order, refund, by_mall=True)
            if order.group is not None:
                groups().give_back(tx, order, refund)
        return issue_refund(order, tx, refund, restock, by)

    after = changes.change(order_id, decide)
    shards.forget()
    return refund_of_order(after, number)


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
