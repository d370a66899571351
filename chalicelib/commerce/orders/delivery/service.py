"""After payment: shipping, telling WeChat of it, receipt by the member or by time, and completion."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.accounting.checks import differences_of_order
from chalicelib.commerce.orders.accounting.rules import GRANTED
from chalicelib.commerce.orders.jobs import (
    COMPLETE,
    COMPLETED,
    RECEIVE,
    REFERRED_COMPLETED,
    REFERRED_RECEIVED,
    REPORT_SHIPPING,
)
from chalicelib.commerce.orders.refusals import PARCEL_DIFFERS, TOO_MANY_PARCELS
from chalicelib.commerce.orders.rules import (
    PARCELS_MAX,
    Order,
    Pieces,
    Shipment,
    check_room,
    pieces_to_ship,
    shipped,
    step,
)
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import invalid
from chalicelib.core.metrics import Metric
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned

#: How long completion waits for a refund that is still open, in seconds.
_OPEN_REFUND_SECONDS = 3600.0


def ship(order_id: str, carrier: str, tracking_no: str, asked: list[Pieces] | None, by: str) -> Order:
    """Send a parcel with these pieces, or with all that are to be sent; the same parcel again changes nothing.

    Raises `not_found`, `order_state`, `invalid`.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        for known in order.shipments:
            if (known.carrier, known.tracking_no) == (carrier, tracking_no):
                if asked is not None and asked != known.lines:
                    raise invalid(PARCEL_DIFFERS.at("tracking_no"))
                return order
        now = clock.now()
        pieces = pieces_to_ship(order, asked)
        after = shipped(order, Shipment(carrier=carrier, tracking_no=tracking_no, lines=pieces, at=now), by)
        if len(after.shipments) >= PARCELS_MAX and after.state != "shipped":
            raise invalid(TOO_MANY_PARCELS.at("lines", limit=PARCELS_MAX))
        sent(tx, after)
        return check_room(after)

    return changes.change(order_id, decide)


def sent(tx: Transaction, order: Order) -> None:
    """Owe what follows when a parcel has left, or nothing remains to be sent: the report, and receipt by time."""
    now = clock.now()
    given_back = sum(refund.amount_fen for refund in order.refunds if refund.state in GRANTED)
    if order.transaction_id and given_back < order.paid_fen:  # WeChat takes no report of a payment that is refunded
        schedule(tx, REPORT_SHIPPING, f"{order.order_id}-{len(order.history)}")
    if order.state == "shipped":
        schedule(tx, RECEIVE, order.order_id, now + timedelta(days=order_rules().receive_days))


def report_shipping(job: Job) -> None:
    """Report the parcels to WeChat, which holds an order's money until it knows of them; again until it took them."""
    from chalicelib.gateways.wechat import mini

    order_id = job.key.partition("-")[0]
    order = order_queries.load(order_id)
    contact = "*" * 7 + order.address.phone[-4:]  # masked as WeChat wants it; some carriers cannot do without
    mini.report_shipping(
        out_trade_no=order.order_id,
        openid=order.openid,
        item_desc=order.lines[0].name,
        parcels=[mini.Parcel(parcel.carrier, parcel.tracking_no, contact) for parcel in order.shipments],
        all_delivered=order.state != "awaiting_shipment",
        at=clock.now(),
    )


def receive(order_id: str, member_id: str) -> Order:
    """Record that the member has the goods; saying so twice is no error. Raises `not_found`, `order_state`."""
    return _receive(order_queries.find_owned(order_id, member_id), "received", "member")


def receive_by_time(job: Job) -> None:
    """Mark an order as received whose days are over and whose member has not said that it came."""
    found = order_queries.find(job.key)
    if found.value.state == "shipped":
        _receive(found, "received_by_time", "system", job)


def _receive(found: Versioned[Order], what: str, by: str, job: Job | None = None) -> Order:
    def decide(order: Order, tx: Transaction) -> Order:
        if order.state in ("received", "completed"):
            return order
        now = clock.now()
        after = msgspec.structs.replace(step(order, "receive", what, by, now), received_at=now)
        changes.publish(tx, REFERRED_RECEIVED, after)
        schedule(tx, COMPLETE, order.order_id, now + timedelta(days=order_rules().refund_days))
        return after

    return changes.change(found.value.order_id, decide, job, found)


def complete(job: Job) -> None:
    """Complete an order after its refund window and check its books; come again after an hour while a refund is
    open."""

    def decide(order: Order, tx: Transaction) -> Order:
        if order.state != "received":
            return order
        if any(refund.open for refund in order.refunds):
            raise RetryLater(_OPEN_REFUND_SECONDS)
        now = clock.now()
        emit(tx, COMPLETED, order.order_id, member_id=order.member_id, at=clock.stamp(now))
        changes.publish(tx, REFERRED_COMPLETED, order)
        return step(order, "complete", "completed", "system", now)

    order = changes.change(job.key, decide, job)
    for difference in differences_of_order(order, ledger_queries.entries_about(order.order_id)):
        metrics.add(Metric.BOOKS_DIFFER)
        log.error("books_differ", about=difference.about, what=difference.what)
