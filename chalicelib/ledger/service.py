"""Posting to the journal: an entry and the balances that it changes, in the transaction of the change."""

from __future__ import annotations

import functools
import operator

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.core import clock
from chalicelib.ledger.queries import balance, transfers_from
from chalicelib.ledger.rules import (
    WITH_NOTE,
    Balance,
    BalanceChange,
    Entry,
    Turnover,
    changes_of,
    check,
    month,
    transferred,
)
from chalicelib.ledger.tables import NOW, Balances, LedgerEntries, day_attribute, item
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, write
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: What a transaction is told when the entry is there already: somebody else did the same work.
POSTED = Conflict


def post(tx: Transaction, entry: Entry, short: object = None, found: Balance | None = None) -> None:
    """Post the entry as part of `tx`, and change the balance of the member it concerns, if it does.

    `tx` fails with POSTED when its cause was posted before; with `short`, where that is given, when an account of the
    member that the entry takes from does not hold so much; and with Conflict when the balance is not as it was `found`
    any more. Without either a balance may fall below zero. Of two members it is the first whose balance was found.
    """
    check(entry)
    changes = changes_of(entry)
    for place, concerned in enumerate(changes):
        _change_balance(tx, concerned, None if place else short, None if place else found)
        if concerned.turnover != Turnover():
            _count(tx, concerned, entry)
    tx.create(item(entry, changes[-1].member_id if changes else None), POSTED)


def absorb(former: str, member_id: str) -> bool:
    """Move what a member's accounts stand at to the member who they turned out to be, by one entry; tell whether all is
    moved: what is on its way to its receiver is left until it has ended. What came to the former one since is moved by
    an entry of its own. Raises `conflict`, `unavailable`."""
    return retry(lambda: _absorb_once(former, member_id))


def _absorb_once(former: str, member_id: str) -> bool:
    found = balance(former)
    if found == Balance():
        return True
    entry = transferred(former, member_id, len(transfers_from(former)) + 1, clock.now(), found)
    if entry is not None:
        tx = Transaction()
        post(tx, entry, found=found)
        commit(tx)
    return not found.withdrawing


def hold(tx: Transaction, member_id: str, found: Balance) -> None:
    """Have `tx` fail with Conflict when the member's balance is not as it was `found` any more."""
    tx.check(Balances, (member_id, NOW), _unchanged(found), Conflict)


def forget_notes(member_id: str) -> None:
    """Take the operators' notes out of the entries that changed the member's balance: what they said of the person
    goes with them, what was moved stays."""
    for key in read.query_all(LedgerEntries, member_id, index=LedgerEntries.by_member):
        found = read.get(LedgerEntries, key.about, key.cause) if key.cause.startswith(WITH_NOTE) else None
        if found is not None and found.entry.note:
            silent = msgspec.structs.replace(found.entry, note="")
            write(LedgerEntries, (key.about, key.cause), [LedgerEntries.entry.set(silent)])


def _unchanged(found: Balance) -> Condition:
    conditions: list[Condition] = []
    for kind, fen in msgspec.structs.asdict(found).items():
        account = getattr(Balances, kind)
        conditions.append(account == fen if fen else account.does_not_exist() | (account == 0))
    return functools.reduce(operator.and_, conditions)


def _change_balance(tx: Transaction, concerned: BalanceChange, short: object, found: Balance | None) -> None:
    changes = {kind: fen for kind, fen in msgspec.structs.asdict(concerned.change).items() if fen}
    enough = None if found is None else _unchanged(found)
    if short is not None:
        for kind, fen in changes.items():
            if fen < 0:
                holds = getattr(Balances, kind) >= -fen
                enough = holds if enough is None else enough & holds
    actions = [getattr(Balances, kind).add(fen) for kind, fen in changes.items()]
    tx.update(Balances, (concerned.member_id, NOW), actions, enough, short if found is None else Conflict)


def _count(tx: Transaction, concerned: BalanceChange, entry: Entry) -> None:
    turnover = concerned.turnover
    actions = [getattr(Balances, kind).add(fen) for kind, fen in msgspec.structs.asdict(turnover).items() if fen]
    if turnover.earned or turnover.reversed:
        actions.append(day_attribute(clock.day(entry.at)).add(turnover.earned - turnover.reversed))
    tx.update(Balances, (concerned.member_id, month(entry.at)), actions)
