"""A member turns out to be another: whom they are bound to, and who is bound to them. Done again, nothing changes."""

from __future__ import annotations

from datetime import datetime

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.core import clock
from chalicelib.growth.distribution.bindings.service import ancestors, hold_above
from chalicelib.growth.distribution.rules import Binding
from chalicelib.growth.distribution.tables import (
    CUSTOMER,
    Distributors,
    binding_item,
    binding_key,
    customer_item,
    distributor_key,
    ended_item,
)
from chalicelib.growth.distribution.ties.rules import Tie, ended, united
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, as_read, commit, retry

#: So many ties are bound anew in one transaction, which holds so many above the member.
_PAGE = 20
_ABOVE_MAX = 60


def absorb_tie(former: str, member_id: str, _position: str | None) -> None:
    """Leave the member one tie of the two; and where the former one counts as a customer, let them count once. Raises
    `conflict`, `unavailable`."""
    retry(lambda: _absorb_tie_once(former, member_id))


def _absorb_tie_once(former: str, member_id: str) -> None:
    theirs, ours = read.batch_get([binding_key(former), binding_key(member_id)])
    if theirs is None and (ours is None or ours.inviter != former):
        return
    now, person = clock.now(), (former, member_id)
    # The member's own tie may lead to somebody whom the former one brought: that one is bound to nobody then.
    barred, above = list(person), None
    if theirs is not None and theirs.binding.live(now):
        above = ancestors(theirs.binding.inviter, person, now, _ABOVE_MAX)
        barred += [theirs.binding.inviter] if above is None else []
    kept, over = united(_tie(ours), _tie(theirs), barred, now)
    assert kept is not None
    tx = Transaction()
    is_live = kept.binding.live(now)
    stays = msgspec.structs.replace(kept, binding=_whose(kept.binding, ours, theirs, member_id))
    if stays != _tie(ours):
        _put_tie(tx, stays, ours, is_listed=is_live or not (kept.binding.ended or kept.binding.inviter in person))
    elif theirs is not None:
        tx.check(*binding_key(member_id), Distributors.version == int(ours.version), Conflict)
    if theirs is not None:
        tx.delete(*binding_key(former), _as_read(theirs), Conflict)
        _count_once(tx, theirs.binding.inviter, former, member_id)
    if over is not None:
        tx.put(ended_item(former, over.binding))
    if is_live and theirs is not None and kept.binding.inviter == theirs.binding.inviter:
        hold_above(tx, above or ())
    if len(tx):
        commit(tx)


def _whose(kept: Binding, ours: Distributors | None, theirs: Distributors | None, member_id: str) -> Binding:
    """Make the tie that stays the member's; as whom else they bought what is counted on it."""
    same = theirs is not None and theirs.binding.inviter == kept.inviter
    counts = [item.binding for item in (ours, theirs) if item is not None] if same else []
    also = {one for binding in counts for one in (binding.member_id, *binding.also)} | {kept.member_id, *kept.also}
    return msgspec.structs.replace(kept, member_id=member_id, also=sorted(also - {member_id}))


def _tie(item: Distributors | None) -> Tie | None:
    return None if item is None else Tie(item.binding, int(item.orders or 0), int(item.paid_fen or 0))


def _put_tie(tx: Transaction, tie: Tie, before: Distributors | None, *, is_listed: bool) -> None:
    """Write the member's tie, in place of that `before`; among those whom its inviter brought, where it `is_listed`."""
    item = binding_item(tie.binding, 1 if before is None else int(before.version) + 1)
    item.orders, item.paid_fen = tie.orders or None, tie.paid_fen or None
    if not is_listed:
        item.inviter = item.since = None
    if before is None:
        tx.create(item, Conflict)
    else:
        tx.put(item, _as_read(before), Conflict)


def _as_read(item: Distributors) -> Condition:
    """Hold that the tie is as it was read, with what is counted on it, which changes without its version."""
    return as_read(item, "version", "orders", "paid_fen")


def _count_once(tx: Transaction, inviter: str, former: str, member_id: str) -> None:
    """Where the former member counts for this distributor's tier, let the member not count once more."""
    item = customer_item(inviter, member_id)
    counts, known = read.batch_get([(Distributors, (inviter, CUSTOMER + former)), (Distributors, (inviter, item.part))])
    if counts is not None and known is None and inviter != member_id:
        item.carried = True
        tx.create(item, Conflict)


def absorb_customers(former: str, member_id: str, behind: str) -> str | None:
    """Bind some of those to the member whom the former one has brought; one above the member, or who is the member, is
    bound to nobody from then on. One of this moment may be missing."""
    where = Distributors.since > behind if behind else None
    page, rest = read.query(Distributors, former, index=Distributors.by_inviter, where=where, limit=_PAGE)
    keys = [binding_key(raw["member_id"]["S"]) for raw in page]
    if keys:
        retry(lambda: _bind_once(former, member_id, keys))
    return page[-1]["since"]["S"] if rest is not None else None


def _bind_once(former: str, member_id: str, keys: list[read.Key]) -> None:
    now = clock.now()
    distributor, *found = read.batch_get([distributor_key(member_id), *keys])
    ties = {item.member_id: item for item in found if item is not None and item.inviter == former}
    if not ties:
        return
    above = ancestors(member_id, (), now, _ABOVE_MAX) or []
    tx = Transaction()
    for whose, item in ties.items():
        is_bound = whose != member_id and (whose not in dict(above) or not item.binding.live(now))
        _bind(tx, item, member_id if is_bound else "", now)
    hold_above(tx, [one for one in above if one[0] not in ties])
    if distributor is not None and not distributor.has_customers:
        tx.update(*distributor_key(member_id), [Distributors.has_customers.set(True)])
    commit(tx)


def _bind(tx: Transaction, item: Distributors, inviter: str, now: datetime) -> None:
    """Bind the member of this tie to another inviter ("": to nobody), as they were bound until now."""
    binding: Binding = item.binding
    after = msgspec.structs.replace(binding, inviter=inviter) if inviter else ended(binding, now)
    changes = [Distributors.binding.set(after), Distributors.version.set(int(item.version) + 1)]
    changes += [Distributors.inviter.set(inviter)] if inviter else [
        Distributors.inviter.remove(), Distributors.since.remove(),
    ]  # fmt: skip
    tx.update(*binding_key(item.member_id), changes, Distributors.version == int(item.version), Conflict)
