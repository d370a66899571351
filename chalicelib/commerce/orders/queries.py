"""Reads of orders: one by id, a member's, an operators' queue, and whether an index shows one of a member's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.commerce.orders.refusals import NO_SUCH_REFUND
from chalicelib.commerce.orders.rules import Order, Refund
from chalicelib.commerce.orders.tables import WAITING, Orders, queue_shard
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members.queries import same_person
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.platform.store import cursors, read
from chalicelib.platform.store.versioned import Versioned
from chalicelib.platform.web.tokens import Token

#: The states in which an order waits for something.
OPEN = ("awaiting_payment", "awaiting_group", "awaiting_shipment", "shipped", "received")

#: A filtered page that has some orders is given when so many were looked at; each read looks at so many times more.
_LOOKED_AT = 500
_GROWTH = 4


def find(order_id: str) -> Versioned[Order]:
    """Read the order and its version. Raises `not_found`."""
    found = read.get(Orders, order_id)
    if found is None:
        raise MallError("not_found")
    return Versioned(found.order, int(found.version))


def find_owned(order_id: str, member_id: str, token: Token | None = None) -> Versioned[Order]:
    """Read the member's own order and its version, and admit the `token` that they called with by what is read with it.
    What those ordered who were merged into the member is their own. Raises `unauthenticated`, and `not_found`, also for
    another member's order."""
    found = find(order_id) if token is None else _find_admitted(order_id, token)
    if not same_person(found.value.member_id, member_id):
        raise MallError("not_found")
    return found


def _find_admitted(order_id: str, token: Token) -> Versioned[Order]:
    (found,) = sessions.read_with(token, (Orders, (order_id,)))
    if found is None:
        raise MallError("not_found")
    return Versioned(found.order, int(found.version))


def load(order_id: str) -> Order:
    """Read the order. Raises `not_found`."""
    return find(order_id).value


def owned(order_id: str, member_id: str, token: Token | None = None) -> Order:
    """Read the member's own order, as `find_owned` does."""
    return find_owned(order_id, member_id, token).value


def orders_of_member(
    member_id: str, states: Sequence[str], limit: int, cursor: str | None
) -> tuple[list[Order], str | None]:
    """List a page of the member's orders in one of these states (none: in any), newest first; a new order may be
    missing for a moment. A page is empty only where the list ends. Raises `cursor_invalid`.

    Where few are in these states, ever more is read at once: some 25 orders cost 0.5 RRU, and thousands take a few
    reads.
    """
    chosen = sorted(set(states))
    listing = f"orders:{member_id}:{','.join(chosen)}"
    after = cursors.read(listing, cursor)
    keep = Orders.state.is_in(*chosen) if chosen else None
    found: list[read.Raw] = []
    looked_at, size = 0, limit
    while True:
        page, after = read.query(
            Orders, member_id, index=Orders.by_member, keep=keep, forward=False, limit=size, after=after
        )
        found += page
        looked_at += size
        if after is None or len(found) >= limit or (found and looked_at >= _LOOKED_AT):
            break
        size *= _GROWTH
    if len(found) > limit:
        found = found[:limit]
        after = {name: found[-1][name] for name in ("order_id", "member_id", "placed")}
    return orders_of([raw["order_id"]["S"] for raw in found]), cursors.write(listing, after)


def overview_of(member_id: str, latest: int, counted: int) -> tuple[list[Order], dict[str, int], bool]:
    """Read the latest orders of the member, and count by state the latest `counted` of all; whether these are all. From
    an index: an order of this moment may be missing. 0.5 RRU for 25 that are counted, and for each that is read."""
    page, rest = read.query(Orders, member_id, index=Orders.by_member, forward=False, limit=counted)
    counts = Counter(raw["state"]["S"] for raw in page)
    keys = [(Orders, (raw["order_id"]["S"],)) for raw in page[:latest]]
    found = read.batch_get(keys, consistent=False) if keys else []
    return [item.order for item in found if item is not None], dict(sorted(counts.items())), rest is None


def every_order_of(member_id: str) -> Iterator[Order]:
    """Read all orders of the member as they are now, newest first; one of this very moment may be missing."""
    after: read.Raw | None = None
    while True:
        page, after = read.query(Orders, member_id, index=Orders.by_member, forward=False, after=after)
        yield from orders_of([raw["order_id"]["S"] for raw in page])
        if after is None:
            return


def index_shows(member_id: str, or_ordered: bool = False) -> bool:
    """Tell whether the index shows an order of the member that is paid and not refunded whole (`or_ordered`: or one
    that waits for its payment). Orders of this very moment may be missed: `holding` knows of them."""
    states = ["awaiting_group", "awaiting_shipment", "shipped", "received", "completed"]
    keep = Orders.state.is_in(*states, *(["awaiting_payment"] if or_ordered else []))
    after: read.Raw | None = None
    while True:
        page, after = read.query(Orders, member_id, index=Orders.by_member, keep=keep, after=after)
        if page or after is None:
            return bool(page)


def orders_in_queue(queue: str, limit: int, cursor: str | None) -> tuple[list[Order], str | None]:
    """List a page of the orders in an operators' queue, oldest first, over all its shards."""
    listing = f"queue:{queue}"
    shards = (queue_shard(queue, shard) for shard in range(settings().order_shards))
    index: Any = Orders.by_refund if queue == WAITING else Orders.by_queue
    after = cursors.read(listing, cursor)
    page, position = read.merged(Orders, shards, index=index, along=Orders.placed, after=after, limit=limit)
    return orders_of([raw["order_id"]["S"] for raw in page]), cursors.write(listing, position)


def orders_of(order_ids: list[str]) -> list[Order]:
    """Read the orders of these ids, in the sequence of the ids, as they are now."""
    found = read.batch_get([(Orders, (order_id,)) for order_id in order_ids]) if order_ids else []
    return [item.order for item in found if item is not None]


def refund_of_order(order: Order, number: str) -> Refund:
    """Find the refund of this id among the order's. Raises `not_found`."""
    refund = order.refund(number)
    if refund is None:
        raise MallError("not_found", errors=(NO_SUCH_REFUND.at("refund_id"),))
    return refund
