"""Reads of commissions and of the account as a distributor sees them: every sum explained, every month closed."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import YEAR_BETWEEN
from chalicelib.growth.distribution.commissions.views import CommissionView, LedgerLine, Statement, ledger_line
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.distributors.queries import month_named
from chalicelib.growth.distribution.refusals import ENDS_BEFORE_FROM
from chalicelib.growth.distribution.rules import Commission, CommissionState
from chalicelib.growth.distribution.tables import Commissions
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger.rules import Turnover, month
from chalicelib.platform.store import cursors, read

#: How many pages of the index one page of a list reads at most.
_READS_MAX = 8
#: How long after a month's end its last entries may still be on their way into the books.
_CLOSING = timedelta(minutes=1)
#: The years in which commissions may have been made.
_YEARS = range(2000, 3000)


def commissions(
    member_id: str,
    state: CommissionState | None,
    since: date | None,
    until: date | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[CommissionView], str | None]:
    """List a page of a distributor's commissions by line and level, the latest order first; days of Asia/Shanghai, both
    included. One of this moment may be missing; a page may be short and not the last.

    Raises `not_found` for a member who never applied, `invalid` naming `from` or `to`, `cursor_invalid`.
    """
    distributor_queries.load(member_id)
    where = _made_between(since, until)
    keep = None if state is None else Commissions.state == state
    listing = f"commissions:{member_id}:{state}:{since}:{until}"
    # Behind which order, and in the order that comes next, which it was, how many of its lines were shown.
    behind, partly, shown = cursors.read(listing, cursor) or (None, None, 0)
    lines: list[CommissionView] = []
    for _ in range(_READS_MAX):
        page, rest = read.query(
            Commissions, member_id, index=Commissions.by_member, where=where, keep=keep, forward=False,
            limit=limit - len(lines), after=behind,
        )  # fmt: skip
        for raw, commission in zip(page, records(page), strict=True):
            key = _key(raw)
            views = [] if commission is None else commission_views(commission)
            room = limit - len(lines)
            done = shown if key == partly else 0
            lines += views[done : done + room]
            if len(views) - done > room:
                return lines, cursors.write(listing, (behind, key, done + room))
            behind = key
        behind = rest
        if rest is None or len(lines) >= limit:
            break
    return lines, cursors.write(listing, None if behind is None else (behind, None, 0))


def _key(raw: read.Raw) -> read.Raw:
    """Take the key of a commission in the index of its payee."""
    return {name: raw[name] for name in ("member_id", "made", "order_id", "level")}


def records(page: list[read.Raw]) -> list[Commission | None]:
    """Read the commissions that an index has found."""
    keys = [(Commissions, (raw["order_id"]["S"], raw["level"]["S"])) for raw in page]
    return [None if item is None else item.commission for item in read.batch_get(keys, consistent=False)]


def commission_views(commission: Commission) -> list[CommissionView]:
    """Show a commission by its lines, those that earn nothing too."""
    return [
        CommissionView(
            commission_id=f"{commission.order_id}-{commission.level}-{number}", order_id=commission.order_id,
            line=line.sku_id, name=line.name, quantity=line.quantity, level=commission.level, base_fen=line.base_fen,
            rate_bp=line.rate_bp, rate_source=line.source,
            capped_fen=line.by_rule(line.base_fen) - line.amount_fen,
            reversed_fen=line.full_fen - line.by_rule(line.base_fen), amount_fen=line.amount_fen,
            state=commission.state, created_at=commission.created_at, available_at=commission.available_at,
        )
        for number, line in enumerate(commission.lines, 1)
    ]  # fmt: skip


def _made_between(since: date | None, until: date | None) -> Any:
    """Make the condition on when commissions were made; None for any time."""
    for field, day in (("from", since), ("to", until)):
        if day is not None and day.year not in _YEARS:
            raise invalid(YEAR_BETWEEN.at(field, low=_YEARS[0], high=_YEARS[-1]))
    if since is not None and until is not None and until < since:
        raise invalid(ENDS_BEFORE_FROM.at("to"))
    first = None if since is None else clock.stamp(_midnight(since))
    end = None if until is None else clock.stamp(_midnight(until + timedelta(days=1)))
    if first is not None and end is not None:
        return Commissions.made.between(first, end)
    if first is not None:
        return Commissions.made >= first
    return None if end is None else Commissions.made < end


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), clock.SHANGHAI)


def statement(member_id: str, asked: str) -> Statement:
    """Sum up the account in a month, which opens as the month before closed.

    Raises `not_found` for a member who never applied, and for what is no month from then to now.
    """
    applied = distributor_queries.load(member_id).applied_at
    name, over = month_named(asked), month(clock.now() - _CLOSING)
    if name is None or name < month(applied):
        raise MallError("not_found")
    opening = closing = 0
    turnover = Turnover()
    for one in ledger_queries.months(member_id, date.fromisoformat(f"{name}-01")):
        if one.month == name:
            turnover = one.turnover
        else:
            opening += one.turnover.net
        closing += one.turnover.net
    return Statement(
        month=name, closed=name < over, opening_fen=opening, closing_fen=closing,
        **{f"{kind}_fen": fen for kind, fen in msgspec.structs.asdict(turnover).items()},
    )  # fmt: skip


def account(member_id: str, language: str, limit: int, cursor: str | None) -> tuple[list[LedgerLine], str | None]:
    """List a page of the changes of a distributor's account, the latest first; one of this moment may be missing.

    Raises `not_found` for a member who never applied, `cursor_invalid`.
    """
    distributor_queries.load(member_id)
    entries, after = ledger_queries.page_of_member(member_id, limit, cursor)
    return [ledger_line(entry, language) for entry in entries], after
