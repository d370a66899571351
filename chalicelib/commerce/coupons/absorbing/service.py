"""What a member got becomes that of another, who is the same person: coupons, how many of each template, and the wrong
codes that count. Each step moves what is left; done again, it finds nothing.

A coupon that an order has, locked or used, goes with its order, in the transaction that moves that (`move`): so an
order always finds its coupons where it is itself. How many they got goes with each coupon; what is counted beyond the
coupons that are there (of before they returned, or long over and collected) goes at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chalicelib.commerce.coupons.ports import following
from chalicelib.commerce.coupons.tables import (
    COUPON,
    RECEIVED,
    Coupons,
    carried_of,
    guesses_item,
    guesses_key,
    guesses_of,
    moved_item,
    received_key,
    received_of,
)
from chalicelib.core import clock
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: So many coupons are moved in one transaction: two actions each, two for each of their templates, and the observers'.
_PAGE = 20


def absorb(former: str, member_id: str, position: str | None) -> str | None:
    """Move some of the former member's unused coupons, and with the last of them what else is counted of what they got.
    Raises `conflict`, `unavailable`."""
    after = None if position is None else {"member_id": {"S": former}, "part": {"S": position}}
    where, unused = Coupons.part.startswith(COUPON), Coupons.state == "unused"
    page, rest = read.query(Coupons, former, where=where, keep=unused, limit=_PAGE, after=after, consistent=True)
    if page:
        keys = [(Coupons, (former, raw["part"]["S"])) for raw in page]
        retry(lambda: _move_unused(keys, member_id))
    if rest is not None:
        return str(rest["part"]["S"])
    retry(lambda: _absorb_counts(former, member_id))
    retry(lambda: _absorb_guesses(former, member_id))
    return None


def _move_unused(keys: Sequence[read.Key], member_id: str) -> None:
    items = [item for item in read.batch_get(keys) if item is not None and item.state == "unused"]
    if items:
        tx = Transaction()
        move(tx, items, member_id)
        commit(tx)


def move(tx: Transaction, items: Sequence[Coupons], member_id: str) -> None:
    """Move these coupons of one member to another as part of `tx`, as they are, with how many the two have got; it
    fails with Conflict where one is not any more as it was read. At most four actions each, and the observers'."""
    got = Counter((item.member_id, item.coupon.template_id) for item in items)
    for item in items:
        as_read = Coupons.state == item.state
        as_read &= Coupons.order_id == item.order_id if item.order_id else Coupons.order_id.does_not_exist()
        tx.delete(Coupons, (item.member_id, item.part), as_read, Conflict)
        tx.create(moved_item(item, member_id), Conflict)
        coupon = item.coupon
        for each in following(coupon.template_id) if item.state == "unused" else ():
            each.changed(tx, member_id, coupon.template_id, coupon.coupon_id, coupon.valid_until)
    for (former, template_id), count in got.items():
        tx.update(*received_key(former, template_id), [Coupons.received.add(-count)])
        tx.update(*received_key(member_id, template_id), [Coupons.received.add(count)])


def _absorb_counts(former: str, member_id: str) -> None:
    """Move what is counted of the former member beyond the coupons that they still have. The counts are read first:
    whoever gets, or is moved, a coupon afterwards changes one, and it is decided anew."""
    where = Coupons.part.startswith(RECEIVED)
    counted = list(read.query_all(Coupons, former, where=where, consistent=True))
    if not counted:
        return
    where = Coupons.part.startswith(COUPON)
    coupons = read.query_all(Coupons, former, where=where, consistent=True)
    there = Counter(one.coupon.template_id for one in coupons)
    for item in counted:
        _absorb_count(item, member_id, there[item.part.removeprefix(RECEIVED)])


def _absorb_count(item: Coupons, member_id: str, there: int) -> None:
    """Leave so many counted as are `there`, and count the others for the member. Raises Conflict."""
    beyond, carried = received_of(item) - there, carried_of(item)
    if there and not beyond:
        return
    tx = Transaction()
    as_read = Coupons.received == received_of(item)
    if there:
        counts = [Coupons.received.set(there), Coupons.carried.remove()]
        tx.update(Coupons, (item.member_id, item.part), counts, as_read, Conflict)
    else:
        tx.delete(Coupons, (item.member_id, item.part), as_read, Conflict)
    if beyond:
        more = [Coupons.received.add(beyond), *([Coupons.carried.add(carried)] if carried else [])]
        tx.update(Coupons, (member_id, item.part), more)
    commit(tx)


def _absorb_guesses(former: str, member_id: str) -> None:
    """Have those wrong codes count on that are more: who enters codes by two logins has no more guesses than others."""
    theirs, own = read.batch_get([guesses_key(former), guesses_key(member_id)])
    if theirs is None:
        return
    tx = Transaction()
    tx.delete(*guesses_key(former), Coupons.wrong_codes == theirs.wrong_codes, Conflict)
    if guesses_of(theirs).outweighs(guesses_of(own), clock.unix()):
        as_read = Coupons.part.does_not_exist() if own is None else Coupons.wrong_codes == own.wrong_codes
        tx.put(guesses_item(member_id, theirs), as_read, Conflict)
    commit(tx)
