"""What a member has withdrawn becomes the withdrawals of who they turned out to be. Done again, nothing changes."""

from __future__ import annotations

import msgspec

from chalicelib.growth.payouts.limits.service import absorb_allowance
from chalicelib.growth.payouts.queries import page_of_member
from chalicelib.growth.payouts.rules import Withdrawal
from chalicelib.growth.payouts.service import change
from chalicelib.growth.payouts.tables import Withdrawals, allowance_key
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict

#: So many withdrawals are moved in one step, each under its version.
_PAGE = 20


def absorb(former: str, member_id: str, position: str | None) -> str | None:
    """Move some of the former member's withdrawals, also those under way, and first what counts for limits and tax.
    Whose account they end in stays. Raises `conflict`, `unavailable`."""
    absorb_allowance(former, member_id)
    found, rest = page_of_member(former, _PAGE, position)
    for withdrawal_id in found:
        _absorb_one(withdrawal_id, former, member_id)
    return rest


def _absorb_one(withdrawal_id: str, former: str, member_id: str) -> None:
    def decide(one: Withdrawal, tx: Transaction) -> Withdrawal:
        if one.member_id != former:
            return one
        absorb_allowance(former, member_id)  # one that was asked for this moment is not counted for them yet
        tx.check(*allowance_key(former), Withdrawals.version.does_not_exist(), Conflict)
        return msgspec.structs.replace(one, member_id=member_id, asked_as=one.account)

    change(withdrawal_id, decide)
