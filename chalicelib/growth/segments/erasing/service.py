"""Forgetting a person: they leave every list and its count, and what is known of them is deleted.

Frozen lists keep their id, which nobody can be found by any more; it is passed over where a list is used.
"""

from __future__ import annotations

import msgspec

from chalicelib.core import clock
from chalicelib.growth.segments.assessment.rules import net_moves
from chalicelib.growth.segments.membership.rules import portion
from chalicelib.growth.segments.membership.service import list_moves
from chalicelib.growth.segments.tables import HISTORY, MemberTraits, traits_item, traits_key
from chalicelib.growth.segments.traits.queries import stored
from chalicelib.growth.segments.traits.rules import ms
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, remove
from chalicelib.platform.store.versioned import Conflict, commit, retry


def erase(member_id: str) -> None:
    """Forget all of this person. May be called again. Raises `conflict`, `unavailable`."""
    while retry(lambda: _leave_some(member_id)):
        pass
    where = MemberTraits.part.startswith(HISTORY)
    for item in read.query_all(MemberTraits, member_id, where=where, consistent=True):
        remove(MemberTraits, (member_id, item.part))


def _leave_some(member_id: str) -> bool:
    """Take the person off some lists, and with the last of them delete what is known; whether there are more."""
    found = stored(member_id)
    if found is None:
        return False
    now = ms(clock.now())
    moves = [*found.traits.moves, *((now, segment_id, False) for segment_id in found.traits.inside)]
    some, rest = portion(moves)
    tx = Transaction()
    list_moves(tx, member_id, net_moves(some), {})
    as_read = MemberTraits.version == found.version
    if rest:
        left = msgspec.structs.replace(found.traits, inside={}, moves=rest)
        tx.put(traits_item(left, found.version + 1, None), as_read, Conflict)
    else:
        tx.delete(*traits_key(member_id), as_read, Conflict)
    commit(tx)
    return bool(rest)
