"""What is known of one member becomes known of another, who is the same person. Done again, nothing changes."""

from __future__ import annotations

from chalicelib.growth.segments.erasing.service import erase
from chalicelib.growth.segments.tables import HISTORY, MemberTraits
from chalicelib.growth.segments.traits.queries import stored
from chalicelib.growth.segments.traits.rules import absorbed
from chalicelib.growth.segments.traits.service import happens
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit, retry

#: Of what the former member came into and left so much is moved in one step.
_PAGE = 40


def absorb(former: str, member_id: str, _position: str | None) -> None:
    """Give the member the tags of the former one, have all else be found out anew, and take the former one out of all
    segments. Raises `conflict`, `unavailable`."""

    def once() -> None:
        other = stored(former)
        if other is None:
            return
        tx = Transaction()
        happens(tx, member_id, lambda traits, *_: absorbed(traits, other.traits))
        commit(tx)

    retry(once)
    erase(former)


def absorb_history(former: str, member_id: str, _position: str | None) -> str | None:
    """Move some of what the former member came into and left; each step begins with what is left."""
    where = MemberTraits.part.startswith(HISTORY)
    items, _ = read.query(MemberTraits, former, where=where, limit=_PAGE, consistent=True)
    if not items:
        return None
    tx = Transaction()
    for raw in items:
        item = MemberTraits.from_raw_data(raw)
        tx.put(MemberTraits(member_id, f"{item.part}|{former}", moved=item.moved, expires=item.expires))
        tx.delete(MemberTraits, (former, item.part))
    tx.commit()
    return HISTORY
