"""After payment: shipping, telling WeChat of it, receipt by the member or by time, and completion."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from chalicelib.commerce.coupons.issue.service import owe_after_purchase
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.accounting.checks import differences_of_order
from chalicelib.commerce.orders.accounting.rules import GRANTED
from chalicelib.commerce.orders.agreement.service import take_back_unasked
from chalicelib.commerce.orders.delivery.queries import FreightTerms, freight_terms
from chalicelib.commerce.orders.delivery.rules import (
    carrier_id,
    check_address_open,
    check_same_freight,
    corrected,
    free_freight_to,
    label,
    readdressed,
    receiver_contact,
)
from chalicelib.commerce.orders.inputs import OwnReceiverInput
from chalicelib.commerce.orders.jobs import (
    COMPLETE,
    RECEIVE,
    REFERRED_COMPLETED,
    REFERRED_RECEIVED,
    REPORT_SHIPPING,
)
from chalicelib.commerce.orders.placement.rules import address_of, receiver_at
from chalicelib.commerce.orders.refusals import ADDRESS_OR_FIELDS, PARCEL_DIFFERS, TOO_MANY_PARCELS
from chalicelib.commerce.orders.rules import (
    PARCELS_MAX,
    Order,
    Pieces,
    Receiver,
    Shipment,
    check_room,
    pieces_to_ship,
    shipped,
    step,
)
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import invalid, malformed
from chalicelib.core.metrics import Metric
from chalicelib.core.refusals import REQUIRED
from chalicelib.customers.members import queries as member_queries
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned

#: How long completion waits for a refund that is still open, in seconds.
_OPEN_REFUND_SECONDS = 3600.0


def ship(order_id: str, said: str, tracking_no: str, asked: list[Pieces] | None, by: str) -> Order:
    """Send a parcel with these pieces, or with all that are to be sent; the same parcel again changes nothing.

    `said` is the carrier's id or name. Raises `not_found`, `order_state`, `invalid`.
    """
    more = order_rules().more_carriers
    carrier = carrier_id(said, more)

    def decide(order: Order, tx: Transaction) -> Order:
        for known in order.shipments:
            if label(known, more) == (carrier, tracking_no):
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


def correct_parcel(order_id: str, position: int, said: str, tracking_no: str, by: str) -> Order:
    """Correct carrier and number of the order's parcel at that position (from 1), once, and tell WeChat.

    `said` is the carrier's id or name. Raises `not_found`, `order_state`, `parcel_corrected`, `invalid`.
    """
    more = order_rules().more_carriers
    carrier = carrier_id(said, more)

    def decide(order: Order, tx: Transaction) -> Order:
        after = corrected(order, position, carrier, tracking_no, more, by, clock.now())
        if after is not order:
            _report(tx, after)
        return check_room(after)

    return changes.change(order_id, decide)


def receiver_of(member_id: str, asked: OwnReceiverInput) -> Receiver:
    """Find the receiver whom a member names: one of their addresses, or a new one in full. Raises `not_found`,
    `invalid` where both are named, and `malformed` for what is missing."""
    given = {name: value for name, value in msgspec.structs.asdict(asked).items() if value is not None}
    address_id = given.pop("address_id", None)
    if address_id is not None and given:
        raise invalid(ADDRESS_OR_FIELDS.at("address_id"))
    if address_id is not None:
        return receiver_at(address_of(member_queries.addresses(member_id), address_id))
    given.setdefault("district", "")
    if missing := [REQUIRED.at(name) for name in Receiver.__struct_fields__ if name not in given]:
        raise malformed(*missing)
    return Receiver(**given)


def readdress_own(order_id: str, member_id: str, receiver: Receiver) -> Order:
    """Have the member's order go to another receiver, before anything of it has left.

    Raises `not_found`, `order_state`, and `freight_differs` where that would cost another freight.
    """
    found = order_queries.find_owned(order_id, member_id)
    if receiver == found.value.address:
        return found.value
    check_address_open(found.value)
    terms = freight_terms(found.value)
    check_same_freight(terms.items, terms.prices.templates, found.value.address, receiver)
    return _readdress(found, receiver, terms, "member")


def readdress(order_id: str, receiver: Receiver, by: str) -> Order:
    """Have the order go to another receiver as an operator decides, also where the freight would have been another:
    what was paid stays. Raises `not_found`, `order_state`, `invalid`."""
    found = order_queries.find(order_id)
    if receiver == found.value.address:
        return found.value
    return _readdress(found, receiver, freight_terms(found.value), by)


def _readdress(found: Versioned[Order], receiver: Receiver, terms: FreightTerms, by: str) -> Order:
    was = found.value.address

    def decide(order: Order, _: Transaction) -> Order:
        if order.address != was:  # somebody else was first, and the freight was looked at for another region
            raise Conflict
        prices = terms.prices
        free = free_freight_to(order, receiver.region_code, terms.items, prices.templates, prices.template_versions)
        return check_room(readdressed(order, receiver, free, by, clock.now()))

    return changes.change(found.value.order_id, decide, found=found)


def sent(tx: Transaction, order: Order) -> None:
    """Owe what follows when a parcel has left, or nothing remains to be sent: the report, and receipt by time."""
    _report(tx, order)
    if order.state == "shipped":
        schedule(tx, RECEIVE, order.order_id, clock.now() + timedelta(days=order_rules().receive_days))


def _report(tx: Transaction, order: Order) -> None:
    given_back = sum(refund.amount_fen for refund in order.refunds if refund.state in GRANTED)
    if order.transaction_id and given_back < order.paid_fen:  # WeChat takes no report of a payment that is refunded
        schedule(tx, REPORT_SHIPPING, f"{order.order_id}-{len(order.history)}")


def report_shipping(job: Job) -> None:
    """Report the parcels to WeChat, which holds an order's money until it knows of them; again until it took them."""
    from chalicelib.gateways.wechat import mini

    order_id = job.key.partition("-")[0]
    order = order_queries.load(order_id)
    contact = receiver_contact(order.address.phone)  # some carriers cannot do without
    labels = [label(parcel, order_rules().more_carriers) for parcel in order.shipments]
    mini.report_shipping(
        out_trade_no=order.order_id,
        openid=order.openid,
        item_desc=order.lines[0].name,
        parcels=[mini.Parcel(carrier, tracking_no, contact) for carrier, tracking_no in labels],
        all_delivered=order.state != "awaiting_shipment",
        at=clock.now(),
        corrected=any(parcel.corrected for parcel in order.shipments),
    )


def receive(order_id: str, member_id: str) -> Order:
    """Record that the member has the goods; saying so twice is no error. Raises `not_found`, `order_state`."""
    return _receive(order_queries.find_owned(order_id, member_id), "received", "member")


def receive_by_time(job: Job) -> None:
    """Mark an order as received whose days are over and whose member has not said that it came."""
    found = order_queries.find(job.key)
    if found.value.state == "shipped":
        job.hold()
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
    """Complete an order after its refund window, owe the coupons that follow one, and check the order's books; come
    again after an hour while a refund is open. What an operator has made and no other agreed to by then is taken
    back."""

    def decide(order: Order, tx: Transaction) -> Order:
        if order.state != "received":
            return order
        order = take_back_unasked(order, tx, "system")
        if any(refund.open for refund in order.refunds):
            raise RetryLater(_OPEN_REFUND_SECONDS)
        now = clock.now()
        owe_after_purchase(tx, order.order_id, order.member_id)
        changes.publish(tx, REFERRED_COMPLETED, order)
        return step(order, "complete", "completed", "system", now)

    order = changes.change(job.key, decide, job)
    for difference in differences_of_order(order, ledger_queries.entries_about(order.order_id)):
        metrics.add(Metric.BOOKS_DIFFER)
        log.error("books_differ", about=difference.about, what=difference.what)
