"""Conflicts: somebody else wrote between the read and the write, so the use case looks again."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.errors import MallError
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

#: How often a use case that many run at once looks again, before its caller is told to.
TRIES = 12


class Conflict(Exception):
    """Somebody else wrote between our read and our write: read again."""


def commit(tx: Transaction) -> None:
    """Commit. Raises Conflict when another writer was quicker, else the refusal that a condition stands for."""
    try:
        tx.commit()
    except ConditionFailed as fault:
        refusals = [reason for reason in fault.failed if isinstance(reason, MallError)]
        if Conflict in fault.failed or not refusals:
            raise Conflict from fault
        raise refusals[0] from fault


def refusal(failed: Sequence[object]) -> MallError | None:
    """Find the first refusal among what failed in a transaction; None when none of it is one."""
    return next((one for one in failed if isinstance(one, MallError)), None)
