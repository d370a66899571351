"""Reads of withdrawals: one, a member's, an operators' queue, and what was paid in a quarter."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members.queries import same_person
from chalicelib.growth.payouts.limits.rules import Allowance
from chalicelib.growth.payouts.rules import Withdrawal
from chalicelib.growth.payouts.tables import Withdrawals, allowance_key, quarter_shard, queue_shard, withdrawal_key
from chalicelib.growth.payouts.views import TaxRow
from chalicelib.platform.store import cursors, read
from chalicelib.platform.store.versioned import Versioned

#: Members on a page of the tax report.
REPORT_PAGE = 500


def withdrawals_of_member(member_id: str, limit: int, cursor: str | None) -> tuple[list[Withdrawal], str | None]:
    """List a page of the member's withdrawals, newest first; one of this moment may be missing."""
    listing = f"withdrawals:{member_id}"
    page, after = read.query(
        Withdrawals, member_id, index=Withdrawals.by_member, forward=False, limit=limit,
        after=cursors.read(listing, cursor),
    )  # fmt: skip
    return _withdrawals([raw["withdrawal_id"]["S"] for raw in page]), cursors.write(listing, after)


def page_of_member(member_id: str, limit: int, after: str | None) -> tuple[list[str], str | None]:
    """List the ids of a page of the withdrawals that stand under the member, oldest first, behind that position, and
    the position of the next (None: no more); one of this moment may be missing."""
    where = None if after is None else Withdrawals.made > after
    page, rest = read.query(Withdrawals, member_id, index=Withdrawals.by_member, where=where, limit=limit)
    return [raw["withdrawal_id"]["S"] for raw in page], page[-1]["made"]["S"] if rest is not None else None


def withdrawals_in_queue(queue: str, limit: int, cursor: str | None) -> tuple[list[Withdrawal], str | None]:
    """List a page of the withdrawals in an operators' queue, oldest first, over all its shards."""
    listing = f"withdrawals:queue:{queue}"
    page, position = read.merged(
        Withdrawals, (queue_shard(queue, shard) for shard in range(settings().distribution_shards)),
        index=Withdrawals.by_queue, along=Withdrawals.made, after=cursors.read(listing, cursor), limit=limit,
    )  # fmt: skip
    return _withdrawals([raw["withdrawal_id"]["S"] for raw in page]), cursors.write(listing, position)


def _withdrawals(ids: list[str]) -> list[Withdrawal]:
    """The withdrawals of these ids, in this order."""
    found = read.batch_get([withdrawal_key(withdrawal_id) for withdrawal_id in ids]) if ids else []
    return [item.withdrawal for item in found if item is not None]


def tax_rows(quarter: str, after: list[Any] | None, limit: int = REPORT_PAGE) -> tuple[list[TaxRow], list[Any] | None]:
    """Sum up what members were paid in a quarter, each whole in one row, and say where to go on (None: no more).

    From an index that is a moment behind: complete once the quarter is over.
    """
    first, member = after or [0, ""]
    rows: list[TaxRow] = []
    for shard in range(first, settings().distribution_shards):
        where = Withdrawals.paid_to > f"{member}|~" if member else None
        for member_id, withdrawals in groupby(_paid(quarter, shard, where), key=lambda one: one.member_id):
            rows.append(_row(member_id, list(withdrawals)))
            if len(rows) >= limit:
                return rows, [shard, member_id]
        member = ""
    return rows, None


def _paid(quarter: str, shard: int, where: Any) -> Iterator[Withdrawal]:
    under, index = quarter_shard(quarter, shard), Withdrawals.by_quarter
    return (item.withdrawal for item in read.query_all(Withdrawals, under, index=index, where=where))


def _row(member_id: str, withdrawals: list[Withdrawal]) -> TaxRow:
    paid = [one for one in withdrawals if one.state == "succeeded"]
    returned = sum(one.tax_returned_fen for one in withdrawals)
    return TaxRow(
        member_id=member_id,
        withdrawals=len(paid),
        gross_fen=sum(one.amount_fen for one in paid) - returned,
        tax_fen=sum(one.tax_fen for one in paid) - returned,
        fee_fen=sum(one.fee_fen for one in paid),
        net_fen=sum(one.net_fen for one in paid),
    )


def find(withdrawal_id: str) -> Versioned[Withdrawal]:
    """Read the withdrawal and its version. Raises `not_found`."""
    item = read.get(Withdrawals, *withdrawal_key(withdrawal_id)[1])
    if item is None or item.withdrawal is None:
        raise MallError("not_found")
    return Versioned(item.withdrawal, int(item.version))


def find_allowance(member_id: str) -> Versioned[Allowance] | None:
    """Read what the member has withdrawn lately, and its version; None where they never asked for anything."""
    return stored_allowance(read.get(Withdrawals, *allowance_key(member_id)[1]))


def stored_allowance(item: Withdrawals | None) -> Versioned[Allowance] | None:
    """Take the allowance and its version from an item that was read; None where it was not there."""
    return None if item is None else Versioned(item.allowance, int(item.version))


def load(withdrawal_id: str) -> Withdrawal:
    """Read the withdrawal. Raises `not_found`."""
    return find(withdrawal_id).value


def load_if_there(withdrawal_id: str) -> Withdrawal | None:
    """Read the withdrawal; None where there is none of that id."""
    item = read.get(Withdrawals, *withdrawal_key(withdrawal_id)[1])
    return None if item is None else item.withdrawal


def owned(withdrawal_id: str, member_id: str) -> Withdrawal:
    """Read the member's own withdrawal, also of who turned out to be them. Raises `not_found`, also for another
    member's."""
    found = load(withdrawal_id)
    if not same_person(found.member_id, member_id):
        raise MallError("not_found")
    return found
