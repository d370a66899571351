"""What shoppers and operators send about quotes, orders and refunds."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from chalicelib.commerce.coupons.rules import COUPONS_MAX
from chalicelib.commerce.orders.rules import LINES_MAX, PICTURES_MAX, Receiver, Size, State
from chalicelib.core.errors import BadField
from chalicelib.core.refusals import NOT_A_CHOICE
from chalicelib.customers.members.rules import Detail, District, Name, Phone, Place, Region
from chalicelib.platform.web.types import (
    Cleaned,
    Fen,
    Id,
    Line256,
    PageQuery,
    ParcelNumber,
    Quantity,
    Reason256,
    ShortText,
    Url,
)

#: The coupons to use, at most one for each place; or "best", the best combination that the member has.
CouponIds = Annotated[list[Id], Meta(max_length=COUPONS_MAX)] | Literal["best"]


class LineInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number of pieces of a SKU."""

    sku_id: Id
    quantity: Quantity


class QuoteInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be bought: these lines, or what is selected in the cart; and where it goes."""

    lines: Annotated[list[LineInput], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    from_cart: bool = False
    address_id: Id | None = None
    coupon_ids: CouponIds = []
    group: GroupInput | None = None


class OrderInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A quote's input, where it goes, and the price that the shopper saw."""

    lines: Annotated[list[LineInput], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    from_cart: bool = False
    address_id: Id
    expected_payable_fen: Fen
    remark: Line256 = ""
    coupon_ids: CouponIds = msgspec.field(default_factory=list)
    group: GroupInput | None = None


class GroupInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an order takes part in a group-buy: `{activity_id, size}` opens a lobby, `{lobby_id}` joins one."""

    activity_id: Id | None = None
    size: Size | None = None
    lobby_id: Id | None = None


_STATE = "|".join(get_args(State))
#: One state of an order, or several with commas between.
States = Annotated[
    str,
    Meta(
        description="One state, or several with commas between: awaiting_shipment,awaiting_group",
        extra_json_schema={"pattern": f"^({_STATE})(,({_STATE}))*$"},
    ),
]


class OrdersQuery(PageQuery, kw_only=True):
    """Which of the shopper's orders: those in one of these states."""

    state: States | None = None

    def __post_init__(self) -> None:
        if not set(self.states) <= set(get_args(State)):
            raise BadField(NOT_A_CHOICE.at("state"))

    @property
    def states(self) -> list[str]:
        """The states that are asked for; none where all are."""
        return [] if self.state is None else self.state.split(",")


class RefundInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the shopper wants their money back for; all that remains, where no lines are named."""

    reason: Reason256
    lines: Annotated[list[LineInput], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    #: Addresses of uploads for the purpose `refund`.
    pictures: Annotated[list[Url], Meta(max_length=PICTURES_MAX)] = msgspec.field(default_factory=list)


Queue = Literal[
    "awaiting_payment",
    "awaiting_group",
    "awaiting_shipment",
    "refund_requested",
    "refund_failed",
    "refund_waiting",
    "shipped",
    "received",
    "completed",
    "closed",
]


class AdminOrdersQuery(PageQuery, kw_only=True):
    """Which orders: those of a queue, or those of a member."""

    queue: Queue | None = None
    member_id: Id | None = None


class ShipmentInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A parcel; all that remains to be sent, where no lines are named."""

    carrier: ShortText
    tracking_no: ParcelNumber
    lines: Annotated[list[LineInput], Meta(min_length=1, max_length=LINES_MAX)] | None = None


class CorrectionInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a parcel's carrier and number really are."""

    carrier: ShortText
    tracking_no: ParcelNumber


class ReceiverInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where an order goes now, in full."""

    name: Name
    phone: Phone
    region_code: Region
    province: Place
    city: Place
    district: District = ""
    detail: Detail

    def receiver(self) -> Receiver:
        """Give them as an order has them."""
        return Receiver(**msgspec.structs.asdict(self))


class OwnReceiverInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the order goes now: one of the shopper's addresses, or a new one in full."""

    address_id: Id | None = None
    name: Name | None = None
    phone: Phone | None = None
    region_code: Region | None = None
    province: Place | None = None
    city: Place | None = None
    district: District | None = None
    detail: Detail | None = None


class ApprovalInput(msgspec.Struct, forbid_unknown_fields=True):
    """Whether the goods came back and can be sold again."""

    restock: bool = False


class OperatorRefundInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to give back, all that remains where no lines are named; whether goods that were sent came back."""

    lines: Annotated[list[LineInput], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    reason: Reason256
    restock: bool = False


class RejectionInput(Cleaned, frozen=True, forbid_unknown_fields=True):
    """Why the refund is rejected."""

    reason: Reason256
