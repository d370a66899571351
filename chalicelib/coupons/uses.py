"""A member's coupons in the transactions of the orders that lock, use, free and give them back, and for quotes.

Each of these is one action of the transaction, which fails with `otherwise` where the coupon is not in the state that
it starts from: so a coupon is in at most one order, whatever happens at once or twice.
"""

from __future__ import annotations

from datetime import datetime

from pynamodb.expressions.condition import Condition

from chalicelib.core import clock
from chalicelib.coupons.rules import Held
from chalicelib.coupons.tables import Coupons, coupon_key, held, open_partition, used_partition
from chalicelib.store import read
from chalicelib.store.transaction import Transaction

#: Of a member's coupons that can be used by now, a quote looks at so many: those that end first. The best of 50 of them
#: is found within 20 ms, whatever they are; of 100 it took up to 30.
READY_MAX = 100
#: Of those that are locked or not valid yet it says so for so many.
OTHERS_MAX = 100
#: They are looked for among so many open ones, by the page.
OPEN_MAX = 500
_PAGE = 100


def open_coupons(member_id: str) -> list[Held]:
    """The member's coupons that are not over, those that end first at the front: up to READY_MAX that are unused and
    valid by now, and up to OTHERS_MAX that are locked or not valid yet, of the first OPEN_MAX.

    One Query of an index for each hundred until there are READY_MAX, so it may be a moment old: the lock decides.
    Raises `unavailable`.
    """
    now = clock.stamp(clock.now())
    found: list[Held] = []
    ready = others = looked_at = 0
    after: read.Raw | None = None
    while looked_at < OPEN_MAX and ready < READY_MAX:
        page, after = read.query(
            Coupons,
            open_partition(member_id),
            index=Coupons.by_end,
            where=Coupons.ends_at > now,
            limit=_PAGE,
            after=after,
        )
        looked_at += len(page)
        for raw in page:
            if raw["state"]["S"] == "unused" and raw["begins_at"]["S"] <= now:
                ready += 1
                wanted = ready <= READY_MAX
            else:
                others += 1
                wanted = others <= OTHERS_MAX
            if wanted:
                found.append(held(Coupons.from_raw_data(raw)))
        if after is None:
            break
    return found


def lock(
    tx: Transaction, member_id: str, coupon_id: str, order_id: str, now: datetime, otherwise: object = None
) -> None:
    """An order takes the coupon: unused, and valid at `now` -> locked."""
    stamp = clock.stamp(now)
    free_now = (Coupons.state == "unused") & (Coupons.begins_at <= stamp) & (Coupons.ends_at > stamp)
    actions = [Coupons.state.set("locked"), Coupons.order_id.set(order_id)]
    tx.update(*coupon_key(member_id, coupon_id), actions, free_now, otherwise)


def use(tx: Transaction, member_id: str, coupon_id: str, order_id: str, otherwise: object = None) -> None:
    """Its order is paid: locked by this order -> used, also when its time is over by now."""
    actions = [Coupons.state.set("used"), Coupons.partition.set(used_partition(member_id))]
    tx.update(*coupon_key(member_id, coupon_id), actions, _of(order_id, "locked"), otherwise)


def take_again(tx: Transaction, member_id: str, coupon_id: str, order_id: str, otherwise: object = None) -> None:
    """An order that was closed is paid after all: unused -> used."""
    actions = [
        Coupons.state.set("used"),
        Coupons.order_id.set(order_id),
        Coupons.partition.set(used_partition(member_id)),
    ]
    tx.update(*coupon_key(member_id, coupon_id), actions, Coupons.state == "unused", otherwise)


def free(tx: Transaction, member_id: str, coupon_id: str, order_id: str, otherwise: object = None) -> None:
    """Its order is closed unpaid: locked by this order -> unused."""
    actions = [Coupons.state.set("unused"), Coupons.order_id.remove()]
    tx.update(*coupon_key(member_id, coupon_id), actions, _of(order_id, "locked"), otherwise)


def give_back(tx: Transaction, member_id: str, coupon_id: str, order_id: str, otherwise: object = None) -> None:
    """Its order is refunded whole: used by this order -> unused. Whether its terms allow that, the caller has seen."""
    actions = [Coupons.state.set("unused"), Coupons.order_id.remove(), Coupons.partition.set(open_partition(member_id))]
    tx.update(*coupon_key(member_id, coupon_id), actions, _of(order_id, "used"), otherwise)


def _of(order_id: str, state: str) -> Condition:
    condition: Condition = (Coupons.state == state) & (Coupons.order_id == order_id)
    return condition
