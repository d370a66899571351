"""Commands that end a balance which nobody will withdraw: given up by who leaves, or written off by the mall."""

from __future__ import annotations

from chalicelib.core import clock, ids
from chalicelib.core.errors import FieldError
from chalicelib.customers.members.refusals import BALANCE_LEFT, COMMISSIONS_UNSETTLED
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.tables import Distributors, debt_item, debt_key
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.ledger.rules import Balance
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry


def close(member_id: str, waive_balance: bool, tx: Transaction) -> FieldError | None:
    """Close the account of a member who leaves, as part of `tx`: what can be withdrawn is given up, a debt is written
    off, and kept for the case that they return. `tx` fails with Conflict where anything comes or goes meanwhile.

    Give what the member must do first: wait for what is pending or on its way; withdraw the rest, or give it up.
    """
    found = ledger_queries.balance(member_id)
    if found.available < 0:
        found = _with_debt(member_id, found)
    if found.pending or found.withdrawing:
        return COMMISSIONS_UNSETTLED.at("member_id")
    fen, now = found.available, clock.now()
    if fen > 0 and not waive_balance:
        return BALANCE_LEFT.at("waive_balance", amount_fen=fen, amount_yuan=f"{fen // 100}.{fen % 100:02d}")
    if fen > 0:
        ledger.post(tx, entries.waived(member_id, now, fen), found=found)
    elif fen < 0:
        ledger.post(tx, entries.written_off(member_id, ids.new(""), now, fen), found=found)
        tx.put(debt_item(member_id, -fen))
    else:
        ledger.hold(tx, member_id, found)
    return None


def _with_debt(member_id: str, found: Balance) -> Balance:
    """Charge to an account that stands below zero what its member, who sells nothing, owed from before; the account
    after that. So has one who turned out to be another, who owed something, too. Raises Conflict."""
    owed = read.get(Distributors, *debt_key(member_id)[1])
    if owed is None or not owed.debt_fen:
        return found
    fen = int(owed.debt_fen)
    tx = Transaction()
    tx.put(debt_item(member_id, 0), Distributors.debt_fen == fen, Conflict)
    ledger.post(tx, entries.charged(member_id, clock.now(), fen), found=found)
    commit(tx)
    return ledger_queries.balance(member_id)


def write_off(member_id: str, reason: str) -> None:
    """Write off what a distributor could withdraw, or what they owe; where that is nothing, nothing changes. Of one who
    turned out to be another it is that one's.

    What is pending or on its way stays theirs. Raises `not_found` for a member who never applied, `conflict`.
    """
    now_is = distributor_queries.load(member_id).member_id
    retry(lambda: _write_off_once(now_is, reason))


def _write_off_once(member_id: str, reason: str) -> None:
    found = ledger_queries.balance(member_id)
    if not found.available:
        return
    tx = Transaction()
    entry = entries.written_off(member_id, ids.new(""), clock.now(), found.available, reason)
    ledger.post(tx, entry, found=found)
    commit(tx)
