"""Reads of who had an identity before."""

from __future__ import annotations

from chalicelib.core import clock
from chalicelib.customers.members.returning.rules import Before, kept_block
from chalicelib.customers.members.tables import Identities, blocked_identity, left_identity
from chalicelib.platform.store import read


def before(identity: str) -> Before:
    """Find who had this identity before and left: nothing of it is kept for others than the blocked, once they are new
    again. Raises `unavailable`."""
    item, older = read.batch_get(
        [(Identities, (left_identity(identity),)), (Identities, (blocked_identity(identity),))]
    )
    if item is None:
        return Before() if older is None else Before(blocked=kept_block(older.blocked), by_older=True)
    return Before(
        member_id=item.member_id, until=clock.from_stamp(item.until), blocked=item.blocked, by_older=older is not None
    )
