"""Of what members are told by a notice, and with which words. Pure.

| kind | when | variables of its template |
|---|---|---|
| `order_shipped` | a parcel was sent | `order_id product pieces amount carrier tracking_no` |
| `refund_succeeded` | the money of a refund went back | `order_id product amount` |
| `refund_failed` | WeChat could not pay a refund out; staff see to it | the same |
| `refund_rejected` | staff refused a refund | the same, and `reason` |
| `group_succeeded` | the order's lobby is complete, and it goes to shipping | `order_id product amount people` |
| `group_failed` | the lobby was not complete in time, and the money goes back | the same |
| `draw_won`, `draw_lost` | the order won its lottery, or did not | the same |
| `group_lacks_one` | a lobby has lacked one more paid seat for a while | `lobby_id product people ends_at` |
| `coupon_got` | a coupon came by a purchase, or by a friend | `coupon ends_at` |

Amounts are in yuan ("12.34"), times of Asia/Shanghai ("2026-12-01 20:00"). What a platform's field has no room for is
cut as the message goes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, get_args

from chalicelib.commerce.coupons.rules import Coupon
from chalicelib.commerce.orders.rules import Event, Order
from chalicelib.core import ids
from chalicelib.core.clock import SHANGHAI
from chalicelib.core.money import yuan
from chalicelib.growth.groupbuy.rules import Lobby
from chalicelib.growth.messaging.rules import Asked

Kind = Literal[
    "order_shipped", "refund_succeeded", "refund_failed", "refund_rejected", "group_succeeded", "group_failed",
    "draw_won", "draw_lost", "group_lacks_one", "coupon_got",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)

_ORDER = ("order_id", "product", "amount")
_GROUP = (*_ORDER, "people")
#: The variables that the values of a notice have.
VARS: Mapping[Kind, tuple[str, ...]] = {
    "order_shipped": (*_ORDER, "pieces", "carrier", "tracking_no"),
    "refund_succeeded": _ORDER,
    "refund_failed": _ORDER,
    "refund_rejected": (*_ORDER, "reason"),
    "group_succeeded": _GROUP,
    "group_failed": _GROUP,
    "draw_won": _GROUP,
    "draw_lost": _GROUP,
    "group_lacks_one": ("lobby_id", "product", "people", "ends_at"),
    "coupon_got": ("coupon", "ends_at"),
}
#: By which word of an order's history a notice is due.
_BY_HISTORY: Mapping[str, Kind] = {
    "shipped": "order_shipped",
    "partly_shipped": "order_shipped",
    "refund_succeeded": "refund_succeeded",
    "refund_failed": "refund_failed",
    "refund_rejected": "refund_rejected",
    "group_succeeded": "group_succeeded",
    "group_failed": "group_failed",
    "draw_won": "draw_won",
    "draw_lost": "draw_lost",
}
#: In which ways a coupon comes that its member has not just taken themselves, and that is not one of very many: those
#: of a grant are told of by a send.
_COUPONS_TOLD = ("purchase", "share")
#: How long a notice is worth sending.
GOOD_FOR = timedelta(hours=24)


def kind_of(event: Event) -> Kind | None:
    """Tell of which kind the notice of this line of an order's history is; None where there is none."""
    return _BY_HISTORY.get(event.what)


def is_told(coupon: Coupon) -> bool:
    """Tell whether the member is told that they have got this coupon."""
    return coupon.how in _COUPONS_TOLD


def of_order(
    order: Order, number: int, kind: Kind, template_id: str, carriers: Mapping[str, str], now: datetime
) -> Asked | None:
    """Ask for the notice of the line `number` of the order's history; None where there is nothing to tell after all.
    `carriers`: their names by WeChat's ids."""
    event = order.history[number]
    values = {"order_id": order.order_id, "product": _product(order), "amount": yuan(order.payable_fen)}
    if kind == "order_shipped":
        parcel = next((one for one in order.shipments if one.at == event.at), None)
        if parcel is None:  # what was left to be sent was refunded
            return None
        values |= {
            "pieces": str(sum(part.quantity for part in parcel.lines)),
            "carrier": carriers.get(parcel.carrier, parcel.carrier),
            "tracking_no": parcel.tracking_no,
        }
    elif event.refund_id:
        refund = order.refund(event.refund_id)
        if refund is None or not refund.amount_fen:  # of a gift that was given back nobody paid anything
            return None
        values["amount"] = yuan(refund.amount_fen)
        if kind == "refund_rejected":
            values["reason"] = event.note
    elif order.group is not None:
        values["people"] = str(order.group.size)
    return _asked(kind, (order.order_id, str(number)), order.member_id, template_id, values, now + GOOD_FOR)


def of_lobby(lobby: Lobby, product: str, member_id: str, template_id: str, now: datetime) -> Asked:
    """Ask for the notice to one who sits in a lobby that one more would complete: once for each member and lobby."""
    ends_at = lobby.expires_at or now + GOOD_FOR
    lobby_id, people = lobby.terms.lobby_id, str(lobby.terms.size)
    values = {"lobby_id": lobby_id, "product": product, "people": people, "ends_at": _told(ends_at)}
    cause = (lobby_id, member_id)
    return _asked("group_lacks_one", cause, member_id, template_id, values, min(ends_at, now + GOOD_FOR))


def of_coupon(coupon: Coupon, template_id: str, now: datetime) -> Asked:
    """Ask for the notice of a coupon that its member has got."""
    values = {"coupon": coupon.name, "ends_at": _told(coupon.valid_until)}
    until = min(coupon.valid_until, now + GOOD_FOR)
    return _asked("coupon_got", (coupon.coupon_id,), coupon.member_id, template_id, values, until)


def _asked(
    kind: Kind, cause: tuple[str, ...], member_id: str, template_id: str, values: dict[str, str], expires_at: datetime
) -> Asked:
    return Asked(
        message_id=ids.derived("ms", "notice", kind, *cause), member_id=member_id, template_id=template_id,
        values=values, source=f"notice:{kind}", expires_at=expires_at,
    )  # fmt: skip


def _product(order: Order) -> str:
    """Name what was ordered: its first line, and how many others there are."""
    first = order.lines[0].name
    return first if len(order.lines) == 1 else f"{first} 等{len(order.lines)}种"


def _told(at: datetime) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
