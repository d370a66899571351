"""Commissions and the account as a distributor reads them: every sum explained, every month closed to the fen."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, Literal

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.distribution import service
from chalicelib.distribution.rules import Commission, CommissionState
from chalicelib.distribution.tables import Commissions
from chalicelib.distribution.views import month_named
from chalicelib.ledger import service as ledger
from chalicelib.ledger.members import Effect, effect, month
from chalicelib.ledger.rules import Entry
from chalicelib.store import cursor, read

_READS_MAX = 8
#: So long after a month's end its last entries may still be on their way into the books.
_CLOSING = timedelta(minutes=1)
#: No commission is older, and further on no instant can be told.
_YEARS = range(2000, 3000)

What = Literal[
    "commission_earned",
    "commission_taken_back",
    "commission_released",
    "tier_reward",
    "withdrawal_begun",
    "withdrawal_returned",
    "withdrawal_paid",
    "other",
]
_WORDS: dict[What, tuple[str, str]] = {
    "commission_earned": ("订单佣金，待结算", "Commission on an order, pending"),
    "commission_taken_back": ("订单退款，扣回佣金", "Commission taken back by a refund"),
    "commission_released": ("佣金已结算，可提现", "Commission settled, can be withdrawn"),
    "tier_reward": ("等级奖励", "Reward for a tier"),
    "withdrawal_begun": ("申请提现", "Withdrawal begun"),
    "withdrawal_returned": ("提现未成功，已退回", "Withdrawal did not succeed, given back"),
    "withdrawal_paid": ("提现成功", "Withdrawal paid"),
    "other": ("账户变动", "Change of the account"),
}


class CommissionView(msgspec.Struct, kw_only=True):
    """What one line of an order earns on one level, in fen: `base_fen` was paid for it and not given back, `rate_bp`
    basis points of it (of the product, the tier or the default) are the commission, of which `capped_fen` went over
    the order's limit and `reversed_fen` back with refunds; `amount_fen` is left."""

    commission_id: str
    order_id: str
    line: str
    name: str
    quantity: int
    level: int
    base_fen: int
    rate_bp: int
    rate_source: str
    capped_fen: int
    reversed_fen: int
    amount_fen: int
    state: CommissionState
    created_at: datetime
    available_at: datetime | None


class Statement(msgspec.Struct, kw_only=True):
    """What the mall owed a distributor before and after a month (pending and held for withdrawals included), and what
    came between, in fen: opening + earned + rewarded - reversed - withdrawn = closing. A month is `closed` a minute
    after its end."""

    month: str
    closed: bool
    opening_fen: int
    earned_fen: int
    rewarded_fen: int
    reversed_fen: int
    withdrawn_fen: int
    closing_fen: int


class LedgerLine(msgspec.Struct, kw_only=True):
    """A change of the account: what it was, in a stable word and for people, of which order or withdrawal, and by how
    many fen each part of the account changed."""

    at: datetime
    what: What
    text: str
    about: str
    pending_fen: int
    available_fen: int
    withdrawing_fen: int
    withdrawn_fen: int


def commissions(
    member_id: str, state: CommissionState | None, since: date | None, until: date | None, limit: int, given: str | None
) -> tuple[list[CommissionView], str | None]:
    """A page of a distributor's commissions by line and level, the latest order first; days of Asia/Shanghai, both
    included. One of this moment may be missing; a page may be short and not the last.

    Raises `not_found` for who never applied, `invalid` naming `from` or `to`, `cursor_invalid`.
    """
    service.item(member_id)
    where = _made_between(since, until)
    keep = None if state is None else Commissions.state == state
    listing = f"commissions:{member_id}:{state}:{since}:{until}"
    # Behind which order, and in the order that comes next, which it was, how many of its lines were shown.
    behind, partly, shown = cursor.read(listing, given) or (None, None, 0)
    lines: list[CommissionView] = []
    for _ in range(_READS_MAX):
        page, rest = read.query(
            Commissions, member_id, index=Commissions.by_member, where=where, keep=keep, forward=False,
            limit=limit - len(lines), after=behind,
        )  # fmt: skip
        for place, commission in zip(page, records(page), strict=True):
            key = _key(place)
            views = [] if commission is None else commission_views(commission)
            room = limit - len(lines)
            done = shown if key == partly else 0
            lines += views[done : done + room]
            if len(views) - done > room:
                return lines, cursor.write(listing, (behind, key, done + room))
            behind = key
        behind = rest
        if rest is None or len(lines) >= limit:
            break
    return lines, cursor.write(listing, None if behind is None else (behind, None, 0))


def _key(raw: read.Raw) -> read.Raw:
    """Where a commission stands in the index of its taker."""
    return {name: raw[name] for name in ("member_id", "made", "order_id", "level")}


def records(places: list[read.Raw]) -> list[Commission | None]:
    """The commissions that an index has found."""
    keys = [(Commissions, (raw["order_id"]["S"], raw["level"]["S"])) for raw in places]
    return [None if item is None else item.commission for item in read.batch_get(keys, consistent=False)]


def commission_views(commission: Commission) -> list[CommissionView]:
    """A commission by its lines, those that earn nothing too."""
    return [
        CommissionView(
            commission_id=f"{commission.order_id}-{commission.level}-{number}", order_id=commission.order_id,
            line=line.sku_id, name=line.name, quantity=line.quantity, level=commission.level, base_fen=line.base_fen,
            rate_bp=line.rate_bp, rate_source=line.source, capped_fen=line.full_fen - line.earned_fen,
            reversed_fen=line.earned_fen - line.amount_fen, amount_fen=line.amount_fen, state=commission.state,
            created_at=commission.created_at, available_at=commission.available_at,
        )
        for number, line in enumerate(commission.lines, 1)
    ]  # fmt: skip


def _made_between(since: date | None, until: date | None) -> Any:
    """The condition on when commissions were made; None for any time."""
    for field, day in (("from", since), ("to", until)):
        if day is not None and day.year not in _YEARS:
            raise invalid(field, "no day of this mall")
    if since is not None and until is not None and until < since:
        raise invalid("to", "not before from")
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
    """The account in a month, which opens as the month before closed.

    Raises `not_found` for who never applied, and for what is no month from then to now.
    """
    applied: datetime = service.item(member_id).distributor.applied_at
    name, over = month_named(asked), month(clock.now() - _CLOSING)
    if name is None or name < month(applied):
        raise MallError("not_found")
    opening = closing = 0
    earned = rewarded = taken_back = withdrawn = 0
    for one in ledger.months(member_id, date.fromisoformat(f"{name}-01")):
        if one.month == name:
            earned, rewarded = one.turnover.earned, one.turnover.rewarded
            taken_back, withdrawn = one.turnover.reversed, one.turnover.withdrawn
        else:
            opening += one.turnover.net
        closing += one.turnover.net
    return Statement(
        month=name, closed=name < over, opening_fen=opening, earned_fen=earned, rewarded_fen=rewarded,
        reversed_fen=taken_back, withdrawn_fen=withdrawn, closing_fen=closing,
    )  # fmt: skip


def account(member_id: str, language: str, limit: int, given: str | None) -> tuple[list[LedgerLine], str | None]:
    """A page of the changes of a distributor's account, the latest first; one of this moment may be missing.

    Raises `not_found` for who never applied, `cursor_invalid`.
    """
    service.item(member_id)
    entries, after = ledger.of_member(member_id, limit, given)
    return [_line(entry, language) for entry in entries], after


def _line(entry: Entry, language: str) -> LedgerLine:
    told = effect(entry)
    assert told is not None
    what, change = explained(told), told.change
    return LedgerLine(
        at=entry.at, what=what, text=_WORDS[what][language == "en"], about=entry.about, pending_fen=change.pending,
        available_fen=change.available, withdrawing_fen=change.withdrawing, withdrawn_fen=change.withdrawn,
    )  # fmt: skip


def explained(told: Effect) -> What:
    """What an entry was, which its amounts say."""
    change, turnover = told.change, told.turnover
    signs = tuple((fen > 0) - (fen < 0) for fen in (change.pending, change.available, change.withdrawing))
    if turnover.withdrawn:
        return "withdrawal_paid"
    if turnover.rewarded:
        return "tier_reward"
    if turnover.earned or turnover.reversed:
        return "commission_earned" if turnover.earned else "commission_taken_back"
    moves: dict[tuple[int, ...], What] = {
        (-1, 1, 0): "commission_released", (0, -1, 1): "withdrawal_begun", (0, 1, -1): "withdrawal_returned",
    }  # fmt: skip
    return moves.get(signs, "other")
