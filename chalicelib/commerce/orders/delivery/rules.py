"""Carriers as WeChat names them, what WeChat is told of a receiver, and what may be corrected after payment. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from chalicelib.commerce.orders.refusals import (
    ADDRESS_CHANGED_OFTEN,
    FREIGHT_DIFFERS,
    NO_SUCH_PARCEL,
    PARCEL_KNOWN,
    PARCEL_LEFT,
    REGION_NOT_SERVED_NOW,
    UNKNOWN_CARRIER,
    order_state,
)
from chalicelib.commerce.orders.rules import Order, Receiver, Shipment, noted
from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.freight.rules import FreightTemplate, freight_fen, spared
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.money import yuan
from chalicelib.core.pasted import compact

#: Names of the carriers of parcels inside China, by the ids of WeChat's list (/cgi-bin/express/delivery/open_msg/
#: get_delivery_list: some 1,400, and it grows). A mall with another one adds it to its settings (`more_carriers`).
CARRIERS: Mapping[str, str] = {
    "SF": "顺丰速运", "ZTO": "中通快递", "YTO": "圆通速递", "YD": "韵达速递", "STO": "申通快递", "JTSD": "极兔速递",
    "JD": "京东快递", "EMS": "EMS", "YZPY": "邮政快递包裹", "DBL": "德邦快递", "HTKY": "百世快递", "UC": "优速快递",
    "ZJS": "宅急送", "KYSY": "跨越速运", "ANE": "安能物流", "ZTOKY": "中通快运", "BTWL": "百世快运",
    "DBLKY": "德邦快运", "JDKY": "京东快运", "JGSD": "京广速递", "LB": "龙邦快递",
}  # fmt: skip
#: What else people call them, and the ids that other interfaces of WeChat, and waybill printers, have for them.
_ALIASES = {
    "顺丰": "SF", "顺丰快递": "SF", "中通": "ZTO", "中通速递": "ZTO", "圆通": "YTO", "圆通快递": "YTO", "韵达": "YD",
    "韵达快递": "YD", "YUNDA": "YD", "申通": "STO", "申通速递": "STO", "极兔": "JTSD", "极兔快递": "JTSD",
    "J&T": "JTSD", "京东": "JD", "京东物流": "JD", "JDL": "JD", "邮政EMS": "EMS", "中国邮政EMS": "EMS",
    "邮政特快专递": "EMS", "特快专递": "EMS", "邮政速递": "EMS", "邮政": "YZPY", "中国邮政": "YZPY",
    "邮政快递": "YZPY", "邮政包裹": "YZPY", "邮政小包": "YZPY", "德邦": "DBL", "德邦物流": "DBL", "DBKD": "DBL",
    "百世": "HTKY", "百世汇通": "HTKY", "优速": "UC", "UCE": "UC", "跨越": "KYSY", "跨越物流": "KYSY", "安能": "ANE",
    "京广": "JGSD", "龙邦": "LB", "龙邦速递": "LB",
}  # fmt: skip
#: How many digits of the receiver's phone WeChat wants to see; everything before them is masked.
_SHOWN_DIGITS = 4
#: How often a member may have an order go elsewhere: each time is a line of its history, which has an end.
ADDRESS_CHANGES_MAX = 5


def carriers(more: Mapping[str, str]) -> dict[str, str]:
    """List the carriers by WeChat's id of them, with their names: the usual ones, and the mall's own (`more`)."""
    return {**CARRIERS, **more}


def carrier_id(said: str, more: Mapping[str, str]) -> str:
    """Find WeChat's id of the carrier that an operator names by its id or by a usual name; `more` are the mall's own.

    Raises `invalid`: WeChat takes no parcel of a carrier that it does not know, and keeps the money of the order.
    """
    known = _known(said, more)
    if known is None:
        raise invalid(UNKNOWN_CARRIER.at("carrier"))
    return known


def _known(said: str, more: Mapping[str, str]) -> str | None:
    known = carriers(more)
    names = {_plain(name): carrier for name, carrier in _ALIASES.items()}
    names |= {_plain(name): carrier for carrier, name in known.items()} | {
        _plain(carrier): carrier for carrier in known
    }
    return names.get(_plain(said))


def label(parcel: Shipment, more: Mapping[str, str]) -> tuple[str, str]:
    """Give carrier and number of a parcel as WeChat knows them, also where they are stored as they were typed; a
    carrier that nobody knows stays as it is."""
    return _known(parcel.carrier, more) or parcel.carrier, compact(parcel.tracking_no)


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def receiver_contact(phone: str) -> str | None:
    """Mask a phone as WeChat wants it: all but its last four digits. None where it has fewer digits."""
    digits = "".join(sign for sign in phone if sign in "0123456789")
    return None if len(digits) < _SHOWN_DIGITS else "*" * 7 + digits[-_SHOWN_DIGITS:]


def check_address_open(order: Order) -> None:
    """Raises `order_state` unless the receiver of the order can still be another: nothing of it has left, and something
    is to be sent."""
    if order.shipments:
        raise MallError("order_state", state=order.state, errors=(PARCEL_LEFT.at("order_id"),))
    if order.state not in ("awaiting_payment", "awaiting_group", "awaiting_shipment"):
        raise order_state(order.state, "change_address")


def check_same_freight(
    items: Sequence[Item], templates: Mapping[str, FreightTemplate], before: Receiver, after: Receiver
) -> None:
    """Raises `freight_differs` where the mall does not send to the new region, or for another price than to the old
    one, by the templates of now: what was paid covers that no more."""
    if before.region_code == after.region_code:
        return
    old, new = (_freight(items, templates, receiver.region_code) for receiver in (before, after))
    if new is None:
        raise MallError("freight_differs", errors=(REGION_NOT_SERVED_NOW.at("region_code"),))
    if old != new:
        error = FREIGHT_DIFFERS.at("region_code", yuan=yuan(new))
        raise MallError("freight_differs", freight_fen=new, errors=(error,))


def _freight(items: Sequence[Item], templates: Mapping[str, FreightTemplate], region_code: str) -> int | None:
    try:
        return freight_fen(items, templates, region_code)
    except MallError as fault:
        if fault.code != "region_not_served":
            raise
        return None


def free_freight_to(
    order: Order, region_code: str, items: Sequence[Item], templates: Mapping[str, FreightTemplate],
    versions: Mapping[str, int],
) -> dict[str, int]:  # fmt: skip
    """List the templates by which the order goes free to the region because it is dear enough, with their versions; as
    the order has them where the region is its own, and none of a group's order, of which no part goes back."""
    if region_code == order.address.region_code:
        return order.free_freight
    if order.group is not None:
        return {}
    return {template_id: versions.get(template_id, 0) for template_id in spared(items, templates, region_code)}


def readdressed(order: Order, receiver: Receiver, free_freight: dict[str, int], by: str, at: datetime) -> Order:
    """Have the order go to this receiver, free of freight by these templates; the same one changes nothing. A member
    may do so a few times. Raises `order_state`."""
    if receiver == order.address:
        return order
    check_address_open(order)
    if by == "member":
        changes = sum((event.what, event.by) == ("address_changed", by) for event in order.history)
        if changes >= ADDRESS_CHANGES_MAX:
            error = ADDRESS_CHANGED_OFTEN.at("order_id", limit=ADDRESS_CHANGES_MAX)
            raise MallError("order_state", state=order.state, errors=(error,))
    after = msgspec.structs.replace(order, address=receiver, free_freight=free_freight)
    return noted(after, "address_changed", by, at)


def corrected(
    order: Order, position: int, carrier: str, tracking_no: str, more: Mapping[str, str], by: str, at: datetime
) -> Order:
    """Correct carrier and number of the order's parcel at that position (from 1); the same ones change nothing, in
    whatever form they are stored. `more` are the mall's own carriers.

    WeChat takes one correction of an order that was sent, until its receipt. Raises `not_found`, `order_state`,
    `parcel_corrected`, and `invalid` where another parcel has that number.
    """
    if not 1 <= position <= len(order.shipments):
        raise MallError("not_found", errors=(NO_SUCH_PARCEL.at("n"),))
    parcel = order.shipments[position - 1]
    if label(parcel, more) == (carrier, tracking_no):
        return order
    if order.state not in ("awaiting_shipment", "shipped"):
        raise order_state(order.state, "correct")
    if any(one.corrected for one in order.shipments):
        raise MallError("parcel_corrected")
    if any(label(one, more) == (carrier, tracking_no) for one in order.shipments):
        raise invalid(PARCEL_KNOWN.at("tracking_no"))
    after = msgspec.structs.replace(parcel, carrier=carrier, tracking_no=tracking_no, corrected=True)
    shipments = [after if one is parcel else one for one in order.shipments]
    return noted(
        msgspec.structs.replace(order, shipments=shipments), "parcel_corrected", by, at, f"{carrier} {tracking_no}"
    )
