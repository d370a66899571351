"""What a member has bought in group-buys counts for who they turned out to be. Seats stay under whom they were taken
by: an order knows who placed it. Done again, nothing changes."""

from __future__ import annotations

from chalicelib.growth.groupbuy.activities import queries as activities
from chalicelib.growth.groupbuy.tables import GroupActivities, bought_key
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, as_read, commit, retry

#: So many activities are looked through in one step, of each two items.
_PAGE = 40


def absorb(former: str, member_id: str, position: str | None) -> str | None:
    """Count for the member what the former one has bought in some activities, also in those that are over: their orders
    may still be given back. Raises `conflict`, `unavailable`."""
    activity_ids, rest = activities.page_of_ids(_PAGE, position)
    if activity_ids:
        retry(lambda: _absorb_once(former, member_id, activity_ids))
    return rest


def _absorb_once(former: str, member_id: str, activity_ids: list[str]) -> None:
    tx = Transaction()
    for item in read.batch_get([bought_key(activity_id, former) for activity_id in activity_ids]):
        if item is None:
            continue
        tx.delete(*bought_key(item.activity_id, former), as_read(item, "bought", "carried"), Conflict)
        if item.bought or item.carried:
            counts = [GroupActivities.bought.add(int(item.bought or 0))]
            if item.carried:
                counts.append(GroupActivities.carried.add(int(item.carried)))
            tx.update(*bought_key(item.activity_id, member_id), counts)
    if len(tx):
        commit(tx)
