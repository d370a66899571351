"""Orders. Tables `orders`, `unpaid_orders`, `purchases`; an order is a document of 2 KB or so, changed by version.

| who asks | how | units |
|---|---|---|
| one order | Get order | 1 RRU per 4 KB |
| a member's orders, newest first | Query by_member, BatchGet the page | 0.5 RRU + 1 per order |
| the same, in some states | Query by_member with a filter, ever more at once | 0.5 RRU per 25 looked at + 1 per order |
| operators: a queue, oldest first | Query by_queue in each shard, BatchGet the page | 0.5 RRU a shard + 1 per order |
| operators: refunds on their way, oldest first | Query by_refund in each shard, BatchGet the page | the same |
| place, and every change | Put under the version, in a transaction | 2 WRU per KB + 1 per index that changes |
| one unpaid order more, or one less | Update member in `unpaid_orders`, in the same transaction | 2 WRU |
| what a member holds, to place an order | Get `unpaid_orders`, in one BatchGet with the rest | 1 RRU |
| a member leaves | Update member in `unpaid_orders`, in the deletion's transaction | 2 WRU |
| does any order stand, where a new customer pays less | BatchGet the latest, Query by_member | 1 RRU each, 0.5 |
| what counts on for who returns | Query `purchases`; Put each, and `unpaid_orders` | 1 RRU per 4 KB, 1 WRU |
| pieces of a product with a limit per member | Update (member, product) in `purchases`, likewise | 2 WRU |

A queue is what an operator works through: the order's state, or a refund that needs somebody.
It is sharded, because every order of the mall passes through it.
"""

from __future__ import annotations

from pynamodb.attributes import BooleanAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.platform.store.base import Document, Table, TableMeta, name

#: Queues that go before an order's state, the first of them that fits: an operator has to decide about a refund, or to
#: see to it in WeChat Pay's console.
REFUND_QUEUES = {"requested": "refund_requested", "failed": "refund_failed"}
#: A queue beside the others: money is on its way back, which waits while the merchant's balance is short.
WAITING = "refund_waiting"


class ByMember(GlobalSecondaryIndex["Orders"]):
    """A member's orders by time."""

    class Meta:
        index_name = "by_member"
        projection = IncludeProjection(["state"])

    member_id = UnicodeAttribute(hash_key=True)
    placed = UnicodeAttribute(range_key=True)


class ByQueue(GlobalSecondaryIndex["Orders"]):
    """The orders of one shard of a queue by time."""

    class Meta:
        index_name = "by_queue"
        projection = KeysOnlyProjection()

    queue = UnicodeAttribute(hash_key=True)
    placed = UnicodeAttribute(range_key=True)


class ByRefund(GlobalSecondaryIndex["Orders"]):
    """The orders of one shard whose refunds are on their way; no other order stands here."""

    class Meta:
        index_name = "by_refund"
        projection = KeysOnlyProjection()

    refund_queue = UnicodeAttribute(hash_key=True)
    placed = UnicodeAttribute(range_key=True)


class Orders(Table):
    """An order and what it is found by; everything but `order` and `version` follows from the document."""

    class Meta(TableMeta):
        table_name = name("orders")

    order_id = UnicodeAttribute(hash_key=True)
    order = Document(Order)
    version = NumberAttribute()
    member_id = UnicodeAttribute()
    state = UnicodeAttribute()
    queue = UnicodeAttribute()
    refund_queue = UnicodeAttribute(null=True)
    placed = UnicodeAttribute()

    by_member = ByMember()
    by_queue = ByQueue()
    by_refund = ByRefund()


class UnpaidOrders(Table):
    """What a member holds unpaid, what they let go of late, and what they paid: one item, changed by the transactions
    of their orders. What stands of an order in it is made of that order alone (holding/rules.py)."""

    class Meta(TableMeta):
        table_name = name("unpaid_orders")

    member_id = UnicodeAttribute(hash_key=True)
    #: How many orders wait for their payment.
    orders = NumberAttribute()
    #: The order that has the price for new customers, until it closes.
    newcomer = UnicodeAttribute(null=True)
    #: Grows with every order that comes to stand: placing is conditioned on what it has read.
    version = NumberAttribute(null=True)
    #: What each of the waiting orders holds, and when an order was let go unpaid or paid: sets, which are added to and
    #: taken from without being read.
    held = UnicodeSetAttribute(null=True)
    let_go = UnicodeSetAttribute(null=True)
    bought = UnicodeSetAttribute(null=True)
    #: More orders than `bought` keeps were paid; or the member was here before, left and returned.
    regular = BooleanAttribute(null=True)
    #: The member has left: no order comes to stand here any more. Stays when all else is erased.
    gone = BooleanAttribute(null=True)


class Purchases(Table):
    """How many pieces a member has of a product with a limit per member, since it has one; refunded ones are not."""

    class Meta(TableMeta):
        table_name = name("purchases")

    member_id = UnicodeAttribute(hash_key=True)
    product_id = UnicodeAttribute(range_key=True)
    pieces = NumberAttribute()
    #: How many of them they bought as the member they were before they left and returned.
    carried = NumberAttribute(null=True)
    #: Of who has left: when nobody is known to be them any more.
    expires = TTLAttribute(null=True)


def item(order: Order, version: int) -> Orders:
    """Make the item that the order is stored as."""
    states = {refund.state for refund in order.refunds}
    queue = next((queue for state, queue in REFUND_QUEUES.items() if state in states), order.state)
    shard = ids.shard(order.order_id, settings().order_shards)
    return Orders(
        order.order_id,
        order=order,
        version=version,
        member_id=order.member_id,
        state=order.state,
        queue=queue_shard(queue, shard),
        refund_queue=queue_shard(WAITING, shard) if states & {"approved", "processing"} else None,
        placed=f"{clock.stamp(order.created_at)}|{order.order_id}",
    )


def queue_shard(queue: str, shard: int) -> str:
    """Name one shard of a queue."""
    return f"{queue}#{shard}"
