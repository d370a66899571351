"""A member turns out to be another: what they are as a distributor, what they earn and have, whom they brought, and
their links become that one's. Steps that read what is left; done again, nothing changes.

| step | writes in one transaction |
|---|---|
| the distributor | both, with all that is counted of them; the invite code's link; what they owed |
| commissions, sales by month, customers who count, ties of customers, links | some, each where it was and where it is |
"""

from __future__ import annotations

from typing import Any

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.core import clock
from chalicelib.growth.distribution.absorbing.rules import moved_on, one_distributor
from chalicelib.growth.distribution.jobs import RAISE_TIER
from chalicelib.growth.distribution.ports import observers
from chalicelib.growth.distribution.rules import SalesTotals
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    CUSTOMER,
    DISTRIBUTOR,
    LINK,
    MONTH,
    Commissions,
    Distributors,
    Links,
    board,
    commission_item,
    debt_item,
    debt_key,
    distributor_item,
    distributor_key,
    queue_of,
    record_of,
    since_of,
)
from chalicelib.growth.distribution.ties.service import absorb_customers
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, as_read, commit, retry

#: So much is moved in one transaction, of each two items or three.
_PAGE = 20
#: How long until an account is looked at again that waits for money on its way to its receiver, in seconds.
_ON_ITS_WAY_SECONDS = 60.0
#: What is counted of a distributor.
_COUNTED = ("sales_fen", "orders", "customers")


# --- what they are as a distributor ---------------------------------------------------------------


def absorb_distributor(former: str, member_id: str, position: str | None) -> str | None:
    """Make them one distributor, and then move some of what stands under the former one: sales by month, customers who
    count, commissions, ties of customers. Raises `conflict`, `unavailable`."""
    step, _, behind = (position or "").partition("|")
    if not step:
        retry(lambda: _absorb_record_once(former, member_id))
        return f"{_STEPS[0]}|"
    rest = _MOVES[step](former, member_id, behind)
    if rest is not None:
        return f"{step}|{rest}"
    later = _STEPS[_STEPS.index(step) + 1 :]
    return f"{later[0]}|" if later else None


def _absorb_record_once(former: str, member_id: str) -> None:
    theirs, ours, owed, owes = read.batch_get(
        [distributor_key(former), distributor_key(member_id), debt_key(former), debt_key(member_id)]
    )
    tx = Transaction()
    if theirs is not None and theirs.distributor.merged_into:
        _move_counts(tx, theirs, member_id)
    elif theirs is not None:
        _move_record(tx, theirs, ours, member_id)
    if theirs is not None or ours is not None:
        _charge(tx, former, owed)
        if ours is None:
            _charge(tx, member_id, owes)
    elif owed is not None and owed.debt_fen and (owes is None or not owes.debt_fen):
        tx.put(debt_item(member_id, int(owed.debt_fen)), _owes(owes), Conflict)
        tx.put(debt_item(former, 0), Distributors.debt_fen == owed.debt_fen, Conflict)
    elif owed is not None:
        _charge(tx, former, owed)
    if len(tx):
        commit(tx)


def _owes(item: Distributors | None) -> Condition:
    amount = Distributors.debt_fen
    return amount.does_not_exist() if item is None else amount == int(item.debt_fen or 0)


def _charge(tx: Transaction, member_id: str, owed: Distributors | None) -> None:
    """Charge to the account, which moves later, what was owed as they left: whoever works as a distributor owes it."""
    if owed is not None and owed.debt_fen:
        tx.put(debt_item(member_id, 0), Distributors.debt_fen == owed.debt_fen, Conflict)
        ledger.post(tx, entries.charged(member_id, clock.now(), int(owed.debt_fen)))


def _move_record(tx: Transaction, theirs: Distributors, ours: Distributors | None, member_id: str) -> None:
    """Make the member the distributor of both, with what is counted of both; what stays says whose it is."""
    former, record = theirs.distributor, record_of(theirs)
    tiers = DISTRIBUTION.current().tiers
    after = one_distributor(member_id, None if ours is None else record_of(ours), record, tiers)
    if ours is None:
        item = distributor_item(after, 1)
        item.sales_fen, item.orders, item.customers = msgspec.structs.astuple(record.totals)
        item.has_customers = theirs.has_customers
        tx.create(item, Conflict)
    else:
        actions = [
            Distributors.distributor.set(after), Distributors.version.set(int(ours.version) + 1),
            Distributors.queue.set(queue_of(after)), Distributors.board.set(queue_of(after)),
            Distributors.since.set(since_of(after.applied_at, member_id)), *_added(record.totals, 1),
        ]  # fmt: skip
        if theirs.has_customers:
            actions.append(Distributors.has_customers.set(True))
        tx.update(*distributor_key(member_id), actions, Distributors.version == int(ours.version), Conflict)
    moved = moved_on(former, member_id)
    stays = Distributors(former.member_id, DISTRIBUTOR, distributor=moved, version=int(theirs.version) + 1)
    tx.put(stays, as_read(theirs, "version", *_COUNTED), Conflict)
    link = read.get(Links, former.invite_code)
    if link is not None:
        tx.put(Links(former.invite_code, link=msgspec.structs.replace(link.link, member_id=member_id)))
    for each in observers():
        each.changed(tx, member_id, after.state)
    if tiers:
        schedule(tx, RAISE_TIER, member_id)


def _move_counts(tx: Transaction, theirs: Distributors, member_id: str) -> None:
    """Count for the member what was counted for the former one since."""
    totals = record_of(theirs).totals
    if totals != SalesTotals():
        tx.update(*distributor_key(theirs.member_id), _added(totals, -1), as_read(theirs, *_COUNTED), Conflict)
        actions = _added(totals, 1)
        tx.update(*distributor_key(member_id), actions, Distributors.version.exists(), Conflict)


def _added(totals: SalesTotals, sign: int) -> list[Any]:
    return [getattr(Distributors, name).add(sign * getattr(totals, name)) for name in _COUNTED]


# --- what stands under a distributor --------------------------------------------------------------


def _months(former: str, member_id: str, _behind: str) -> str | None:
    """Count some months' sales for the member; a distributor has a handful, so each page begins with what is left."""

    def once() -> bool:
        page, rest = _parts(former, MONTH)
        tx = Transaction()
        for item in page:
            tx.delete(Distributors, (former, item.part), Distributors.sales_fen == int(item.sales_fen or 0), Conflict)
            month = item.part.removeprefix(MONTH)
            actions = [Distributors.sales_fen.add(int(item.sales_fen or 0))]
            tx.update(Distributors, (member_id, item.part), [*actions, Distributors.board.set(board(month, member_id))])
        if page:
            commit(tx)
        return rest

    return "" if retry(once) else None


def _customers(former: str, member_id: str, _behind: str) -> str | None:
    """Let some customers count for the member, each once: who counts for both is one customer less."""

    def once() -> bool:
        page, rest = _parts(former, CUSTOMER)
        known = read.batch_get([(Distributors, (member_id, item.part)) for item in page])
        tx = Transaction()
        twice = 0
        for item, own in zip(page, known, strict=True):
            tx.delete(Distributors, (former, item.part), Distributors.part.exists(), Conflict)
            if own is None:
                tx.create(Distributors(member_id, item.part, carried=item.carried), Conflict)
            elif not item.carried and not own.carried:
                twice += 1
            elif own.carried and not item.carried:
                tx.put(Distributors(member_id, item.part), Distributors.carried == True, Conflict)  # noqa: E712
        if twice:
            tx.update(*distributor_key(member_id), [Distributors.customers.add(-twice)])
        if page:
            commit(tx)
        return rest

    return "" if retry(once) else None


def _parts(former: str, kind: str) -> tuple[list[Distributors], bool]:
    """Read some of a member's parts of one kind, and whether there are more."""
    where = Distributors.part.startswith(kind)
    page, rest = read.query(Distributors, former, where=where, limit=_PAGE, consistent=True)
    return [Distributors.from_raw_data(raw) for raw in page], rest is not None


def _commissions(former: str, member_id: str, behind: str) -> str | None:
    """Move some of the former one's commissions, the oldest first; what is still to come of them comes to the member.
    One of this moment may be missing."""
    where = Commissions.made > behind if behind else None
    page, rest = read.query(Commissions, former, index=Commissions.by_member, where=where, limit=_PAGE)
    keys = [(Commissions, (raw["order_id"]["S"], raw["level"]["S"])) for raw in page]

    def once() -> None:
        tx = Transaction()
        for item in read.batch_get(keys):
            if item is None or item.commission.member_id != former:
                continue
            earned_as = item.commission.earned_as or former
            after = msgspec.structs.replace(item.commission, member_id=member_id, earned_as=earned_as)
            tx.put(commission_item(after, int(item.version) + 1), Commissions.version == int(item.version), Conflict)
        if len(tx):
            commit(tx)

    retry(once)
    return page[-1]["made"]["S"] if rest is not None else None


_MOVES = {"commissions": _commissions, "months": _months, "customers": _customers, "brought": absorb_customers}
_STEPS = list(_MOVES)


# --- what they have -------------------------------------------------------------------------------


def absorb_account(former: str, member_id: str, _position: str | None) -> None:
    """Move what the former one has. Raises RetryLater while money of theirs is on its way to its receiver, `conflict`,
    `unavailable`."""
    if not ledger.absorb(former, member_id):
        raise RetryLater(_ON_ITS_WAY_SECONDS)


def absorb_links(former: str, member_id: str, _position: str | None) -> str | None:
    """Make some of the former one's links the member's; they open what they opened."""
    page, rest = _parts(former, LINK)
    tokens = [item.part.removeprefix(LINK) for item in page]
    tx = Transaction()
    for token, item in zip(tokens, read.batch_get([(Links, (token,)) for token in tokens]), strict=True):
        tx.delete(Distributors, (former, LINK + token))
        tx.put(Distributors(member_id, LINK + token))
        if item is not None:
            tx.put(Links(token, link=msgspec.structs.replace(item.link, member_id=member_id)))
    if page:
        tx.commit()
    return LINK if rest else None
