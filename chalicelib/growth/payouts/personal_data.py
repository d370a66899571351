"""What withdrawals keep of a member: shown whole, and kept without the person once their account is erased."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.customers.members.ports import DataOwner
from chalicelib.growth.payouts.absorbing.service import absorb
from chalicelib.growth.payouts.queries import find_allowance, withdrawals_of_member
from chalicelib.growth.payouts.rules import Withdrawal
from chalicelib.growth.payouts.service import change
from chalicelib.growth.payouts.tables import allowance_item
from chalicelib.growth.payouts.views import view
from chalicelib.platform.jobs.job import RetryLater
from chalicelib.platform.store.transaction import Transaction, save_new

_PAGE = 50
#: What stands where an operator's words on a withdrawal were.
_SILENT = "***"
#: How long erasure waits, in seconds, for a withdrawal that was begun just as the account was closed.
_OPEN_SECONDS = 3600.0


def _withdrawals(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    found, position = withdrawals_of_member(member_id, _PAGE, position)
    return [view(one) for one in found], position


def _erase(member_id: str) -> None:
    """Take the person out of every withdrawal, and what operators wrote on it; what was paid, and the tax, stays."""
    position: str | None = None
    while True:
        found, position = withdrawals_of_member(member_id, _PAGE, position)
        for one in found:
            change(one.withdrawal_id, _without_person)
        if position is None:
            return


def _without_person(withdrawal: Withdrawal, _: Transaction) -> Withdrawal:
    if withdrawal.open:
        raise RetryLater(_OPEN_SECONDS)
    reason = _SILENT if withdrawal.reason else ""
    after = msgspec.structs.replace(withdrawal, openid="", package_info="", reason=reason)
    return withdrawal if after == withdrawal else after


def _hand_on(former: str, member_id: str) -> None:
    """What they have withdrawn of the day's limits, and what the month's income tax is reckoned from."""
    stored = find_allowance(former)
    if stored is not None:
        save_new(allowance_item(member_id, stored.value.handed_on(), 1))


DATA_OWNERS = (DataOwner("withdrawals", _withdrawals, absorb, erase=_erase, hand_on=_hand_on),)
