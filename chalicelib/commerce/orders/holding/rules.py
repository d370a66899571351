"""What a member holds unpaid and has bought, and how much they may. Pure.

What stands of an order in its member's item is made of the order alone, so that it is taken out again without being
read: what `hold_of`, `let_go_of` and `bought_of` write is for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta

import msgspec

from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.orders.refusals import (
    LET_GO,
    LIMITED_TOGETHER,
    PIECES_HELD,
    PIECES_PER_MEMBER,
    PIECES_PER_ORDER,
)
from chalicelib.commerce.orders.rules import Order, Pieces
from chalicelib.core import clock, ids
from chalicelib.core.errors import FieldError, MallError, Reason, invalid

#: How long an order that was let go unpaid counts, and how many of them are kept.
LET_GO_FOR = timedelta(hours=24)
LET_GO_KEPT = 10
#: How many paid orders are kept; more make a regular customer.
BOUGHT_KEPT = 5
#: From how many orders let go, how many unpaid ones a member may have; the most first.
UNPAID_AFTER = ((10, 1), (3, 5))
#: So many lines are in a member's unpaid orders at most: an item has a size.
LINES_MAX = 2500
#: So many lines, and products with a limit for each member, an order has at most together: each is an action of its
#: transactions, which have up to 20 others. The most has a refund of all that was not sent, with three coupons.
COUNTED_MAX = 80


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """What an unpaid order holds: pieces by the mark of their SKU, and whether a seat of a group-buy."""

    order_id: str
    seat: bool
    pieces: list[tuple[str, int]]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a member's orders. `let_go` and `bought` are instants with orders: "<stamp>|<order>"."""

    orders: int = 0
    newcomer: str = ""
    version: int = 0
    held: frozenset[str] = frozenset()
    let_go: frozenset[str] = frozenset()
    bought: frozenset[str] = frozenset()
    regular: bool = False
    gone: bool = False
    #: Of `held` as it is stored: of orders that wait no longer, which an older version ended without taking them out.
    stale: frozenset[str] = frozenset()

    @property
    def holds(self) -> list[Hold]:
        """What each unpaid order holds; an order of an older version has kept nothing of it."""
        return [_decoder.decode(text) for text in self.held]

    @property
    def seats(self) -> int:
        """How many unpaid orders hold a seat of a group-buy."""
        return sum(hold.seat for hold in self.holds)

    @property
    def order_ids(self) -> list[str]:
        """The orders that wait for their payment, and those that were paid, as far as they are kept."""
        return [*(hold.order_id for hold in self.holds), *self.bought_ids]

    @property
    def bought_ids(self) -> list[str]:
        """The orders that were paid, as far as they are kept, the latest first."""
        return [one.partition("|")[2] for one in sorted(self.bought, reverse=True)]


class Allowed(msgspec.Struct, frozen=True):
    """How many unpaid orders a member may have (`lowered`: fewer than others), and pieces of a SKU in all of them."""

    orders: int
    pieces: int
    lowered: bool = False


class OverLimit(msgspec.Struct, frozen=True):
    """A transaction failed because its member may not have so many pieces of this product."""

    product_id: str


_decoder = msgspec.json.Decoder(Hold)


def still_held(standing: Standing, waiting: Set[str]) -> Standing:
    """Set apart what is held by orders that are not among those that wait."""
    held = frozenset(text for text in standing.held if _decoder.decode(text).order_id in waiting)
    return msgspec.structs.replace(standing, held=held, stale=standing.held - held)


def mark(sku_id: str) -> str:
    """Give the short mark of a SKU in what a member holds, so that their item stays small."""
    return ids.derived("", sku_id)[:8]


def hold_of(order: Order) -> str | None:
    """Write what the order holds while it waits for its payment; None when it does not."""
    if order.state != "awaiting_payment":
        return None
    pieces = [(mark(line.sku_id), line.quantity) for line in order.lines]
    return msgspec.json.encode(Hold(order.order_id, order.group is not None, pieces)).decode()


def let_go_of(order: Order) -> str | None:
    """Write when the member let the order go unpaid; None when they did not: it may still be paid, it was, if too late,
    its lobby had ended before it could be, or the mall called it off."""
    if order.paid_at is not None or (order.group is not None and order.group.over):
        return None
    at = next((event.at for event in order.history if event.what in ("cancelled", "closed_unpaid")), None)
    return None if at is None else f"{clock.stamp(at)}|{order.order_id}"


def bought_of(order: Order) -> str | None:
    """Write when the order was paid; None where it was not, or is closed."""
    if order.paid_at is None or order.state == "closed":
        return None
    return f"{clock.stamp(order.paid_at)}|{order.order_id}"


def counted(order: Order) -> Counter[str]:
    """Count the order's pieces of each product against its limit per member: no refunded ones, nor those of an order
    that is closed."""
    pieces: Counter[str] = Counter()
    for line in order.lines if order.state != "closed" else ():
        if line.limited:
            pieces[line.product_id] += line.quantity - line.cancelled - line.returned
    return pieces


def forgiven_at(orders: Iterable[Order]) -> datetime | None:
    """Give the instant up to which these orders forgive what was let go: the latest payment of money for one that was
    not refunded whole before any of it was sent. None: nothing is forgiven."""
    forgiving = (
        order.paid_at
        for order in orders
        if order.paid_at is not None and order.paid_fen and (order.state != "closed" or order.shipments)
    )
    return max(forgiving, default=None)


def let_go_since(standing: Standing, now: datetime, forgiven: datetime | None = None) -> int:
    """Count the orders that were let go unpaid of late, after what is forgiven."""
    since = now - LET_GO_FOR
    begin = clock.stamp(since if forgiven is None else max(since, forgiven))
    return sum(one.partition("|")[0] > begin for one in standing.let_go)


def unpaid_max(let_go: int, most: int) -> int:
    """Give how many unpaid orders a member may have who let so many go; `most` where that is too few to matter."""
    return min(most, next((limit for begin, limit in UNPAID_AFTER if let_go >= begin), most))


def outdated(standing: Standing, now: datetime) -> frozenset[str]:
    """Find what of `let_go` need not be kept any more."""
    begin = clock.stamp(now - LET_GO_FOR)
    late = sorted((one for one in standing.let_go if one.partition("|")[0] > begin), reverse=True)
    return standing.let_go - set(late[:LET_GO_KEPT])


def surplus(standing: Standing) -> frozenset[str]:
    """Find what of `bought` is more than is kept."""
    return standing.bought - set(sorted(standing.bought, reverse=True)[:BOUGHT_KEPT])


def check_limits(lines: Sequence[Pieces], offers: Mapping[str, Offer]) -> None:
    """Raise `purchase_limit` where the lines are more of a product than one order, or one member, may have of it; and
    `invalid` where they are of more products with a limit for each member than an order has room for."""
    products = [offers[line.sku_id].product for line in lines]
    limited = {one.product_id for one in products if one.limit_per_member is not None}
    if len(lines) + len(limited) > COUNTED_MAX:
        raise invalid(LIMITED_TOGETHER.at("lines"))
    ordered: Counter[str] = Counter()
    for line in lines:
        ordered[offers[line.sku_id].product.product_id] += line.quantity
    for reason, name in ((PIECES_PER_ORDER, "limit_per_order"), (PIECES_PER_MEMBER, "limit_per_member")):
        over: dict[str, tuple[int, int]] = {}
        for line in lines:
            product = offers[line.sku_id].product
            limit: int | None = getattr(product, name)
            if limit is not None and ordered[product.product_id] > limit:
                over[line.sku_id] = (limit, limit)
        if over:
            raise _purchase_limit(reason, lines, offers, over)


def check_room(standing: Standing, lines: Sequence[Pieces], offers: Mapping[str, Offer], allowed: Allowed) -> None:
    """Raise `too_many_unpaid`, or `purchase_limit`, where the member may not hold these lines, too, until they pay.

    Pieces of a SKU are bounded by its product's limit per order where it has one, else as `allowed`.
    """
    held: Counter[str] = Counter()
    for hold in standing.holds:
        for known, pieces in hold.pieces:
            held[known] += pieces
    if sum(len(hold.pieces) for hold in standing.holds) + len(lines) > LINES_MAX:
        raise MallError("too_many_unpaid", limit=standing.orders)
    if standing.orders >= allowed.orders:
        errors = (LET_GO.at("lines", limit=allowed.orders),) if allowed.lowered else ()
        raise MallError("too_many_unpaid", limit=allowed.orders, errors=errors)
    over: dict[str, tuple[int, int]] = {}
    for line in lines:
        limit = offers[line.sku_id].product.limit_per_order or allowed.pieces
        left = max(0, limit - held[mark(line.sku_id)])
        if line.quantity > left:
            over[line.sku_id] = (limit, left)
    if over:
        raise _purchase_limit(PIECES_HELD, lines, offers, over)


def over_limit(product_id: str, bought: int, lines: Sequence[Pieces], offers: Mapping[str, Offer]) -> MallError:
    """Refuse an order that would bring its member, who has bought so many pieces, above the product's limit."""
    over: dict[str, tuple[int, int]] = {}
    for line in lines:
        product = offers[line.sku_id].product
        if product.product_id == product_id and product.limit_per_member is not None:
            over[line.sku_id] = (product.limit_per_member, max(0, product.limit_per_member - bought))
    return _purchase_limit(PIECES_PER_MEMBER, lines, offers, over)


def _purchase_limit(
    reason: Reason, lines: Sequence[Pieces], offers: Mapping[str, Offer], over: Mapping[str, tuple[int, int]]
) -> MallError:
    """Refuse the lines whose SKUs are `over`: their limit, and what of it is left; the whole is of the first."""
    errors: list[FieldError] = []
    for index, line in enumerate(lines):
        if line.sku_id in over:
            limit, left = over[line.sku_id]
            field = f"lines[{index}].quantity"
            errors.append(reason.at(field, name=offers[line.sku_id].name, limit=limit, left=left))
    sku_id, (limit, left) = next(iter(over.items()))
    return MallError("purchase_limit", sku_id=sku_id, limit=limit, left=left, errors=tuple(errors))
