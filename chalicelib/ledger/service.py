"""Posting to the journal: an entry and the balances that it changes, in the transaction of the change."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock
from chalicelib.ledger.rules import BalanceChange, Entry, Turnover, change_of, check, month
from chalicelib.ledger.tables import NOW, Balances, day_attribute, item
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict

#: What a transaction is told when the entry is there already: somebody else did the same work.
POSTED = Conflict


def post(tx: Transaction, entry: Entry, short: object = None) -> None:
    """Post the entry as part of `tx`, and change the balance of the member it concerns, if it does.

    `tx` fails with POSTED when its cause was posted before; and with `short`, where that is given, when an account of
    the member that the entry takes from does not hold so much. Without it a balance may fall below zero.
    """
    check(entry)
    concerned = change_of(entry)
    if concerned is not None:
        _change_balance(tx, concerned, short)
        if concerned.turnover != Turnover():
            _count(tx, concerned, entry)
    tx.create(item(entry, concerned.member_id if concerned else None), POSTED)


def _change_balance(tx: Transaction, concerned: BalanceChange, short: object) -> None:
    changes = {kind: fen for kind, fen in msgspec.structs.asdict(concerned.change).items() if fen}
    enough = None
    if short is not None:
        for kind, fen in changes.items():
            if fen < 0:
                holds = getattr(Balances, kind) >= -fen
                enough = holds if enough is None else enough & holds
    actions = [getattr(Balances, kind).add(fen) for kind, fen in changes.items()]
    tx.update(Balances, (concerned.member_id, NOW), actions, enough, short)


def _count(tx: Transaction, concerned: BalanceChange, entry: Entry) -> None:
    turnover = concerned.turnover
    actions = [getattr(Balances, kind).add(fen) for kind, fen in msgspec.structs.asdict(turnover).items() if fen]
    if turnover.earned or turnover.reversed:
        actions.append(day_attribute(clock.day(entry.at)).add(turnover.earned - turnover.reversed))
    tx.update(Balances, (concerned.member_id, month(entry.at)), actions)
