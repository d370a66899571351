"""What an order is, how its state may change, and what a refund gives back. Pure.

awaiting_payment -> [awaiting_group] -> awaiting_shipment -> shipped -> received -> completed
       |                   |                    |               |          |
       +------> closed <---+--------------------+---------------+----------+      (every piece refunded)

Only an order of a group-buy waits for its group; a late payment may find a seat for one that was closed unpaid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.commerce.orders.refusals import FEWER_REMAIN, NOTHING_REMAINS, ORDER_TOO_LONG, order_state
from chalicelib.commerce.pricing.basket.rules import Discount
from chalicelib.core.errors import FieldError, invalid
from chalicelib.core.refusals import NAMED_TWICE
from chalicelib.customers.channels.touches.rules import OrderSource

State = Literal["awaiting_payment", "awaiting_group", "awaiting_shipment", "shipped", "received", "completed", "closed"]
#: States of a seat. released: not paid in time, or given up; failed: the lobby failed; won, lost: of a lottery.
SeatState = Literal["held", "taken", "released", "failed", "won", "lost"]
RefundState = Literal["requested", "approved", "processing", "succeeded", "rejected", "failed"]

#: How many members a lobby has when it is full.
Size = Annotated[int, Meta(ge=2, le=100)]

#: What may happen to an order in each state, and the state after it.
TRANSITIONS: dict[State, dict[str, State]] = {
    "awaiting_payment": {"pay": "awaiting_shipment", "take_seat": "awaiting_group", "close": "closed"},
    "awaiting_group": {"proceed": "awaiting_shipment", "refund_all": "closed"},
    "awaiting_shipment": {"ship": "shipped", "refund_all": "closed"},
    "shipped": {"receive": "received", "refund_all": "closed"},
    "received": {"complete": "completed", "refund_all": "closed"},
    "completed": {"refund_all": "closed"},
    "closed": {"take_seat": "awaiting_group"},
}

LINES_MAX = 50
PARCELS_MAX = 15
#: Pictures that a refund is asked for with.
PICTURES_MAX = 9
#: The largest item of DynamoDB, in bytes. What an order leaves free of it: for other attributes and its end, a refund
#: and a parcel of all that is left, what is still to be told of a refund, and why an operator refuses one.
ITEM_BYTES = 400 * 1024
_END_BYTES = 2 * 1024
_REFUND_BYTES = 8 * 1024
_PARCEL_BYTES = 6 * 1024
_OPEN_REFUND_BYTES = _REFUSAL_BYTES = 1280
#: How long before its deadline an order takes no new payment, so that none is under way when the order is closed.
PAY_MARGIN = timedelta(seconds=10)
#: How long after an order's deadline WeChat takes its payment: it does for at least a minute after it was begun.
PAY_GRACE = timedelta(seconds=60)


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was ordered of one SKU, at the price of then. Of `quantity` pieces, `shipped` are sent; `cancelled` were
    refunded before shipping and `returned` after; `restocked` of both (or of a closed order) are in stock again.
    `pool` is where set-aside pieces come from; by `reduced_fen` the price was lowered after payment. `floor_fen`: the
    least that a coupon brings a line of a group-buy to. `limited`: its pieces count against the product's limit per
    member. `category_id`, `role` and `values` are the product's as the order was placed; older orders have none."""

    sku_id: str
    product_id: str
    name: str
    specs: dict[str, str]
    picture_url: str
    quantity: int
    unit_price_fen: int
    amount_fen: int
    discount_fen: int
    payable_fen: int
    shipped: int = 0
    cancelled: int = 0
    returned: int = 0
    restocked: int = 0
    pool: str = ""
    reduced_fen: int = 0
    floor_fen: int = 0
    limited: bool = False
    category_id: str = ""
    role: str = ""
    values: list[str] = []

    @property
    def to_ship(self) -> int:
        """Pieces that are still to be sent."""
        return self.quantity - self.shipped - self.cancelled


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order goes: the address as it was when the order was placed."""

    name: str
    phone: str
    region_code: str
    province: str
    city: str
    district: str
    detail: str


class OrderCoupon(msgspec.Struct, frozen=True, omit_defaults=True):
    """A coupon that the order has, what it takes off in fen, and whether it comes back with a whole refund.

    `came_back`: it does not apply any more since the order was reckoned anew, and is the member's again.
    """

    coupon_id: str
    template_id: str
    discount_fen: int
    returns: bool
    came_back: bool = False


class Reckoned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an order of a ladder is reckoned at since its lobby ended: the price of a piece on the step reached, in fen,
    and what comes off.

    The order itself stays as it was placed; what was paid more for its goods is refunded.
    """

    step: int
    unit_price_fen: int
    discounts: list[Discount] = []


class Seat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The seat of an order in a lobby of a group-buy. `over`: it was let go when the lobby had ended."""

    lobby_id: str
    activity_id: str
    size: int
    leader: bool = False
    state: SeatState = "held"
    over: bool = False


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an order's history: when, what (a stable word), by whom ("member", "system", "wechat",
    "operator:NAME"), what else is worth knowing, for people, and which refund it is about."""

    at: datetime
    what: str
    by: str
    note: str = ""
    refund_id: str = ""


class Pieces(msgspec.Struct, frozen=True):
    """A number of pieces of a SKU."""

    sku_id: str
    quantity: int


class Shipment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parcel. `carrier` is WeChat's id of it. `corrected`: carrier or number were others at first."""

    carrier: str
    tracking_no: str
    lines: list[Pieces]
    at: datetime
    corrected: bool = False


class RefundLine(msgspec.Struct, frozen=True):
    """What of a line is refunded, and what that gives back; of no piece, where the price is lowered afterwards."""

    sku_id: str
    quantity: int
    amount_fen: int


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's decision to grant a refund: of this amount in fen, the goods back in stock or not."""

    by: str
    at: datetime
    amount_fen: int
    restock: bool


class Refund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money that goes back, or is asked back. `late`: a payment that came when the order was closed."""

    refund_id: str
    state: RefundState
    lines: list[RefundLine]
    goods_fen: int
    freight_fen: int
    reason: str
    created_at: datetime
    finished_at: datetime | None = None
    body_digest: str = ""
    late: bool = False
    #: The state in which it was answered first; a repeated request gets that answer again.
    first_state: RefundState = "approved"
    #: What WeChat said last, where the refund failed or waits; and how often WeChat closed it, a new number each time.
    outcome: str = ""
    closed: int = 0
    #: When WeChat was asked for it last, as far as another refund of the order must know.
    sent_at: datetime | None = None
    #: Why it was not granted at once, though nothing of it was sent: a code of `conditions/rules.py`.
    because: str = ""
    #: Why an operator rejected it, in their words.
    refused_because: str = ""
    #: What is kept of its price because the rest costs so much more without these pieces; below zero, what an earlier
    #: refund had kept and this one gives back. All of an order's are never below zero together.
    withheld_fen: int = 0
    #: Addresses of the pictures by which the member shows what is wrong.
    pictures: list[str] = []
    #: The operators who decided to grant it: the first alone while it waits for the second (agreement/rules.py).
    agreed: list[Agreement] = []

    @property
    def number(self) -> str:
        """Its number at WeChat: its id, until WeChat has closed it."""
        return self.refund_id if not self.closed else f"{self.refund_id}-{self.closed + 1}"

    @property
    def amount_fen(self) -> int:
        """All that the refund gives back, in fen."""
        return self.goods_fen + self.freight_fen - self.withheld_fen

    @property
    def open(self) -> bool:
        """Whether something is still to happen by itself or by an operator's decision."""
        return self.state in ("requested", "approved", "processing")


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order with all that happened to it. Amounts in fen; paid - refunded is what the mall has of it.

    `openid` is of the login that placed it, and once it is paid of the one that paid; "" once its member has left.
    """

    order_id: str
    member_id: str
    openid: str
    state: State
    body_digest: str
    lines: list[OrderLine]
    goods_fen: int
    discount_fen: int
    freight_fen: int
    payable_fen: int
    address: Receiver
    created_at: datetime
    pay_by: datetime
    history: list[Event]
    remark: str = ""
    paid_fen: int = 0
    refunded_fen: int = 0
    transaction_id: str = ""
    paid_at: datetime | None = None
    #: When the order went to shipping, and counted as sold: as it was paid, or as its group came together.
    confirmed_at: datetime | None = None
    received_at: datetime | None = None
    shipments: list[Shipment] = []
    refunds: list[Refund] = []
    group: Seat | None = None
    coupons: list[OrderCoupon] = []
    #: What promotions and coupons took off, and on which lines.
    discounts: list[Discount] = []
    #: Of a ladder, where it changed the price.
    reckoned: Reckoned | None = None
    #: The freight templates by which it went free because its goods were dear enough, with their versions.
    free_freight: dict[str, int] = {}
    #: The distributors who brought the member, whose commissions the order pays, from level 1 up.
    chain: list[str] = []
    #: The mall's address that WeChat is told, as it was then: what is asked for again is asked for in the same words.
    notify_to: str = ""
    #: The member who placed it, where they were merged into the one whose it is now; else "".
    placed_as: str = ""
    #: By which ways its member came, and their segment of the life cycle, as it was placed; older orders have none.
    source: OrderSource | None = None
    segment: str = ""

    def refund(self, refund_id: str) -> Refund | None:
        """Find the refund of that id; None where the order has none such."""
        return next((refund for refund in self.refunds if refund.refund_id == refund_id), None)

    @property
    def placed_by(self) -> str:
        """The member who placed the order, whoever they turned out to be since."""
        return self.placed_as or self.member_id

    @property
    def newcomer(self) -> bool:
        """Whether the order has a price for new customers, which a member gets once."""
        return any(off.kind == "new_customer_price" for off in self.discounts)

    @property
    def pieces(self) -> list[Pieces]:
        """What was ordered."""
        return [Pieces(line.sku_id, line.quantity) for line in self.lines]

    @property
    def time_expire(self) -> datetime:
        """Until when WeChat takes a payment: it wants at least a minute for one that is begun."""
        return self.pay_by + PAY_GRACE

    @property
    def unpayable_from(self) -> datetime:
        """From when on WeChat takes no payment any more, also where its clock is a little behind."""
        return self.time_expire + PAY_MARGIN


def step(order: Order, action: str, what: str, by: str, at: datetime, note: str = "") -> Order:
    """Take the order to the state after `action`, with its line of history. Raises `order_state` where its state does
    not allow the action."""
    after = TRANSITIONS[order.state].get(action)
    if after is None:
        raise order_state(order.state, action)
    return noted(msgspec.structs.replace(order, state=after), what, by, at, note)


def noted(order: Order, what: str, by: str, at: datetime, note: str = "", refund_id: str = "") -> Order:
    """Add a line to the order's history; with the refund that it is about, if it is about one."""
    return msgspec.structs.replace(order, history=[*order.history, Event(at, what, by, note, refund_id)])


def as_placed(order: Order) -> Order:
    """Take the order back to how it was first answered, for a repeated request."""
    fresh = [
        msgspec.structs.replace(line, shipped=0, cancelled=0, returned=0, restocked=0, reduced_fen=0)
        for line in order.lines
    ]
    seat = None if order.group is None else msgspec.structs.replace(order.group, state="held", over=False)
    coupons = [msgspec.structs.replace(coupon, came_back=False) for coupon in order.coupons]
    return msgspec.structs.replace(
        order, state="awaiting_payment", lines=fresh, history=order.history[:1], paid_fen=0, refunded_fen=0,
        transaction_id="", paid_at=None, confirmed_at=None, received_at=None, shipments=[], refunds=[], group=seat,
        coupons=coupons, reckoned=None,
    )  # fmt: skip


def check_room(order: Order) -> Order:
    """Give the order as it is, if it leaves room in its item for what must still be written. Raises `invalid`: so it is
    refused before anybody outside is asked; a refund, or a parcel, of all that is left has its room kept free."""
    size = len(msgspec.json.encode(order)) + _END_BYTES
    refunds = [refund for refund in order.refunds if refund.state != "rejected"]
    if sum(part.quantity for refund in refunds for part in refund.lines) < sum(line.quantity for line in order.lines):
        size += _REFUND_BYTES
    if any(line.to_ship for line in order.lines):
        size += _PARCEL_BYTES
    size += _OPEN_REFUND_BYTES * sum(refund.state != "succeeded" for refund in refunds)
    size += _REFUSAL_BYTES * sum(refund.state == "requested" for refund in refunds)
    if size > ITEM_BYTES:
        raise invalid(ORDER_TOO_LONG.at("order_id"))
    return order


def pieces_to_ship(order: Order, asked: Sequence[Pieces] | None) -> list[Pieces]:
    """List what a parcel takes: the pieces asked for, or all that are to be sent. Raises `order_state`, `invalid`."""
    to_ship = {line.sku_id: line.to_ship for line in order.lines if line.to_ship}
    if order.state != "awaiting_shipment" or not to_ship:
        raise order_state(order.state, "ship")
    if asked is None:
        return [Pieces(sku_id, quantity) for sku_id, quantity in to_ship.items()]
    if fault := pieces_fault(asked, to_ship):
        raise invalid(fault)
    return list(asked)


def shipped(order: Order, shipment: Shipment, by: str) -> Order:
    """Send the parcel: the order after it, in state shipped when nothing remains to be sent."""
    sent = {pieces.sku_id: pieces.quantity for pieces in shipment.lines}
    lines = [msgspec.structs.replace(line, shipped=line.shipped + sent.get(line.sku_id, 0)) for line in order.lines]
    after = msgspec.structs.replace(order, lines=lines, shipments=[*order.shipments, shipment])
    note = f"{shipment.carrier} {shipment.tracking_no}"
    if any(line.to_ship for line in lines):
        return noted(after, "partly_shipped", by, shipment.at, note)
    return step(after, "ship", "shipped", by, shipment.at, note)


def closed(order: Order, what: str, by: str, at: datetime) -> Order:
    """Close the unpaid order, all its pieces free again. Raises `order_state` where it is not unpaid."""
    lines = [msgspec.structs.replace(line, restocked=line.quantity) for line in order.lines]
    return step(msgspec.structs.replace(order, lines=lines), "close", what, by, at)


def pieces_fault(asked: Sequence[Pieces], remaining: Mapping[str, int]) -> FieldError | None:
    """Find the first line that names a SKU twice, or more pieces than remain of it; None when all can be had."""
    seen: set[str] = set()
    for index, pieces in enumerate(asked):
        if pieces.sku_id in seen:
            return NAMED_TWICE.at(f"lines[{index}].sku_id")
        if pieces.sku_id not in remaining:
            return NOTHING_REMAINS.at(f"lines[{index}].sku_id")
        if pieces.quantity > remaining[pieces.sku_id]:
            return FEWER_REMAIN.at(f"lines[{index}].quantity", limit=remaining[pieces.sku_id])
        seen.add(pieces.sku_id)
    return None
