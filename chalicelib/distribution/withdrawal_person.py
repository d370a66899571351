"""What withdrawals keep of a member: shown whole, and kept without the person once they are gone."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.distribution.withdrawal_rules import Withdrawal
from chalicelib.distribution.withdrawal_views import of_member, view
from chalicelib.distribution.withdrawals import change
from chalicelib.jobs.job import Later
from chalicelib.members.person import keeps
from chalicelib.store.transaction import Transaction

_PAGE = 50
#: One that was begun just as the member went still has to find its way to them.
_OPEN_SECONDS = 3600.0


def _withdrawals(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    found, position = of_member(member_id, _PAGE, position)
    return [view(one) for one in found], position


def _erase(member_id: str) -> None:
    """Take the openid out of every withdrawal; what was paid, and the tax on it, stays."""
    position: str | None = None
    while True:
        found, position = of_member(member_id, _PAGE, position)
        for one in found:
            change(one.withdrawal_id, _without_openid)
        if position is None:
            return


def _without_openid(withdrawal: Withdrawal, _: Transaction) -> Withdrawal:
    if withdrawal.open:
        raise Later(_OPEN_SECONDS)
    return msgspec.structs.replace(withdrawal, openid="") if withdrawal.openid else withdrawal


keeps("withdrawals", _withdrawals, erase=_erase)
