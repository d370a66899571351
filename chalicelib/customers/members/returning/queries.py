"""Reads of who had an identity before."""

from __future__ import annotations

from chalicelib.core import clock
from chalicelib.customers.members.returning.rules import Before, kept_block
from chalicelib.customers.members.tables import Identities, blocked_identity, left_identity
from chalicelib.platform.store import read


def before(identity: str) -> Before:
    """Find who had this identity before and left: nothing of it is kept for others than the blocked, once they are new
    again. Raises `unavailable`."""
    return before_and_owner(identity, None)[0]


def before_and_owner(identity: str, other: str | None) -> tuple[Before, str | None]:
    """Find who had this identity before, and in the same round trip which member has the `other` one, where there is
    one to look for. Raises `unavailable`."""
    keys = [left_identity(identity), blocked_identity(identity), *([] if other is None else [other])]
    item, older, *owned = read.batch_get([(Identities, (key,)) for key in keys])
    owner = next((one.member_id for one in owned if one is not None), None)
    return _before(item, older), owner


def _before(item: Identities | None, older: Identities | None) -> Before:
    if item is None:
        return Before() if older is None else Before(blocked=kept_block(older.blocked), by_older=True)
    return Before(
        member_id=item.member_id, until=clock.from_stamp(item.until), blocked=item.blocked, by_older=older is not None
    )
