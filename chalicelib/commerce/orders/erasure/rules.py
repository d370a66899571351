"""What stays of an order when its member has left. Pure."""

from __future__ import annotations

import re

import msgspec

from chalicelib.commerce.orders.rules import Event, Order, Receiver, Refund
from chalicelib.customers.channels.touches.rules import without_person

#: What stands where a person's name was, and the words of a refund.
NOBODY = "***"
#: Events whose notes the mall itself writes: amounts. All other notes are what people wrote, or lead to a person.
_AMOUNT = re.compile(r"(?:[0-9]{1,11} fen|退款 [0-9]+\.[0-9]{2} 元，原路退回)\Z")
_OF_THE_MALL = frozenset({"refund_granted", "refund_agreed"})


def anonymous(order: Order) -> Order:
    """Take the person out of the order: who they are, where it went, what they wrote, and what operators wrote of them.
    What was bought, paid and refunded stays, with the codes of what happened, and in which region."""
    nobody = Receiver(
        name=NOBODY, phone="", region_code=order.address.region_code, province="", city="", district="", detail=""
    )
    return msgspec.structs.replace(
        order, address=nobody, openid="", remark="",
        source=None if order.source is None else without_person(order.source),
        refunds=[_without_words(refund) for refund in order.refunds],
        shipments=[msgspec.structs.replace(parcel, tracking_no="") for parcel in order.shipments],
        history=[_without_note(event) for event in order.history],
    )  # fmt: skip


def _without_words(refund: Refund) -> Refund:
    refused = NOBODY if refund.refused_because else ""
    return msgspec.structs.replace(refund, reason=NOBODY, refused_because=refused, pictures=[])


def _without_note(event: Event) -> Event:
    is_ours = event.what in _OF_THE_MALL and _AMOUNT.match(event.note)
    return event if is_ours else msgspec.structs.replace(event, note="")
