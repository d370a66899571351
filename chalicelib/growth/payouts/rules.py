"""Withdrawals: what a merchant may set of them, what may happen to one, what is kept back of it. Pure; amounts are fen.

WeChat's bounds (its merchant transfers): at least 10 fen are sent, and from 200,000 on it wants the receiver's real
name, which the mall does not have. A transfer that nobody takes is over a day after it was made, and WeChat tells of
one for 30 days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.platform.web.types import Fen

#: What WeChat sends at the least and, to somebody whose name it is not told, at the most.
NET_FEN_MIN = 10
AMOUNT_FEN_MAX = 199_999
#: For so long after a transfer was submitted WeChat surely answers a query for it; later its silence says nothing.
QUERYABLE_FOR = timedelta(days=29)
#: So long a receiver has to take a transfer, and a little more.
TO_CONFIRM = timedelta(days=1, seconds=30)
_ASK_SECONDS_MIN = 10.0
_ASK_SECONDS_MAX = 3600.0

_WHOLE_BP = 10_000

Amount = Annotated[int, Meta(ge=30, le=AMOUNT_FEN_MAX)]
Tax = Literal["none", "labour"]

WithdrawalState = Literal["reviewing", "processing", "awaiting_confirmation", "succeeded", "failed"]
#: What may follow a state; nothing follows the last two. Money on its way to its receiver is processing again.
TRANSITIONS: Mapping[WithdrawalState, frozenset[WithdrawalState]] = {
    "reviewing": frozenset({"processing", "failed"}),
    "processing": frozenset({"awaiting_confirmation", "succeeded", "failed"}),
    "awaiting_confirmation": frozenset({"processing", "succeeded", "failed"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
}
#: WeChat's word for a transfer, as a withdrawal's state.
STATES: Mapping[str, WithdrawalState] = {
    "ACCEPTED": "processing",
    "PROCESSING": "processing",
    "WAIT_USER_CONFIRM": "awaiting_confirmation",
    "TRANSFERING": "processing",
    "CANCELING": "processing",
    "SUCCESS": "succeeded",
    "FAIL": "failed",
    "CANCELLED": "failed",
}
#: Why a withdrawal does not go on of which WeChat no longer knows: only an operator can say how it ended.
UNKNOWN_AT_WECHAT = "UNKNOWN_AT_WECHAT"


class WithdrawalRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a withdrawal may be: from `min_fen` to `max_fen`; a day (Asia/Shanghai) `per_day` of them, `per_day_fen`.

    From `review_from_fen` on an operator decides (null: never, but for who is suspended). `tax` names the rule by which
    income tax is withheld; `fee_bp` of the amount are the mall's.
    """

    min_fen: Amount = 100
    max_fen: Amount = AMOUNT_FEN_MAX
    per_day: Annotated[int, Meta(ge=1, le=100)] = 10
    per_day_fen: Fen = 2_000_000
    review_from_fen: Fen | None = 100_000
    tax: Tax = "none"
    fee_bp: Annotated[int, Meta(ge=0, le=1000)] = 0


def check(rules: WithdrawalRules) -> None:
    """Raises `invalid` for what no field alone shows: bounds that leave no amount between them."""
    if rules.max_fen < rules.min_fen:
        raise invalid("max_fen", "must not be below min_fen")


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Commission that a member takes out. Its id is the number of its transfer, for ever; of `amount_fen`, tax and fee
    are kept back and the rest is sent to `openid`.

    `submitted_at`: since when WeChat may have heard of it; `cancel_requested_at`: since when it is not sent any more,
    and WeChat is to call it off. `package_info`: what lets the receiver confirm. `outcome`: WeChat's last word on why
    it failed or does not go on; `reason`: an operator's.
    """

    withdrawal_id: str
    member_id: str
    openid: str
    state: WithdrawalState
    first_state: WithdrawalState
    amount_fen: int
    tax_fen: int
    fee_fen: int
    rules_version: int
    created_at: datetime
    submitted_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    finished_at: datetime | None = None
    package_info: str = ""
    outcome: str = ""
    reason: str = ""
    decided_by: str = ""

    @property
    def net_fen(self) -> int:
        """What is sent."""
        return self.amount_fen - self.tax_fen - self.fee_fen

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return bool(TRANSITIONS[self.state])

    def is_queryable(self, now: datetime) -> bool:
        """Whether WeChat would still answer a query for its transfer, were there one."""
        return self.submitted_at is not None and now < self.submitted_at + QUERYABLE_FOR

    def at_first(self) -> Withdrawal:
        """As it was answered when it was asked for."""
        fresh = {"package_info": "", "outcome": "", "reason": "", "decided_by": ""}
        return msgspec.structs.replace(
            self, state=self.first_state, cancel_requested_at=None, finished_at=None, **fresh
        )


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What a member has withdrawn on a day, in its month and its year, that has not failed: how often, how much, which
    tax. `first_month` is the year's first (1-12, 0: none) in which they asked for any, whatever became of it.
    """

    day: date
    count: int = 0
    fen: int = 0
    month_fen: int = 0
    month_tax_fen: int = 0
    year_fen: int = 0
    year_tax_fen: int = 0
    first_month: int = 0

    @property
    def months(self) -> int:
        """The months of the year from the first one on, this one included."""
        return self.day.month - (self.first_month or self.day.month) + 1

    def on(self, today: date) -> Allowance:
        """The same on a later day: a new day begins with nothing, a new month and a new year as well."""
        if today <= self.day:
            return self
        if today.year != self.day.year:
            return Allowance(day=today)
        new_month = {"month_fen": 0, "month_tax_fen": 0} if today.month != self.day.month else {}
        return msgspec.structs.replace(self, day=today, count=0, fen=0, **new_month)

    def with_one(self, given: Withdrawal) -> Allowance:
        """With this withdrawal."""
        return self._plus(1, given)

    def without(self, given: Withdrawal) -> Allowance:
        """Without this withdrawal, which has failed."""
        return self._plus(-1, given)

    def _plus(self, sign: int, given: Withdrawal) -> Allowance:
        """With it once more or less, in what is not over of its day, its month and its year."""
        made = clock.day(given.created_at)
        if made.year != self.day.year:
            return self
        fen, tax = sign * given.amount_fen, sign * given.tax_fen
        in_day, in_month = made == self.day, made.month == self.day.month
        return Allowance(
            day=self.day,
            count=self.count + sign * in_day,
            fen=self.fen + fen * in_day,
            month_fen=self.month_fen + fen * in_month,
            month_tax_fen=self.month_tax_fen + tax * in_month,
            year_fen=self.year_fen + fen,
            year_tax_fen=self.year_tax_fen + tax,
            first_month=min(self.first_month or made.month, made.month),
        )


def check_limits(amount_fen: int, before: Allowance, rules: WithdrawalRules) -> None:
    """Raises `withdrawal_limit`, naming the limit, when the amount is not one that may be withdrawn on that day."""
    limits = {
        "min_fen": (amount_fen < rules.min_fen, f"at least {rules.min_fen}"),
        "max_fen": (amount_fen > rules.max_fen, f"at most {rules.max_fen}"),
        "per_day": (before.count >= rules.per_day, f"at most {rules.per_day} withdrawals a day"),
        "per_day_fen": (before.fen + amount_fen > rules.per_day_fen, f"at most {rules.per_day_fen} a day"),
    }
    for limit, (is_broken, said) in limits.items():
        if is_broken:
            raise MallError("withdrawal_limit", limit=limit, errors=(FieldError("amount_fen", said),))


def kept_back(amount_fen: int, before: Allowance, rules: WithdrawalRules) -> tuple[int, int]:
    """Tax and fee of a withdrawal, after what was withdrawn before it. Raises `invalid` when too little is left."""
    tax = min(amount_fen, TAXES[rules.tax](amount_fen, before))
    fee = amount_fen * rules.fee_bp // _WHOLE_BP
    if amount_fen - tax - fee < NET_FEN_MIN:
        raise invalid("amount_fen", f"after tax and fee at least {NET_FEN_MIN} fen must be left")
    return tax, fee


#: What is withheld of an amount, given what was withdrawn before it in its month and its year, what was withheld of
#: that, and how many months of the year it has been: what rules by payment, by month and by the year so far need.
TaxRule = Callable[[int, Allowance], int]


def no_tax(_amount_fen: int, _before: Allowance) -> int:
    """Nothing is withheld."""
    return 0


def labour_tax(amount_fen: int, before: Allowance) -> int:
    """Income tax on labour remuneration, by calendar month (State Taxation Administration, announcement 61 of 2018).

    The month's tax so far, less what was withheld: rounded down on the month's sum, so that however a sum is split, all
    parts together withhold exactly what it would as one. What was taken out before the mall withheld anything is not
    made up for; what was withheld too much, because something failed afterwards, is set off.
    """
    owed_before = labour_tax_of(before.month_fen)
    return max(0, labour_tax_of(before.month_fen + amount_fen) - max(before.month_tax_fen, owed_before))


#: Of the taxable part: from so much on, so many percent, less so much.
_BRACKETS = ((5_000_000, 40, 700_000), (2_000_000, 30, 200_000), (0, 20, 0))
_FREE_FEN = 80_000
_FREE_UP_TO_FEN = 400_000


def labour_tax_of(month_fen: int) -> int:
    """The tax on a month's remuneration: of it 800 yuan are free, above 4,000 a fifth; 20, 30 or 40 % of the rest."""
    taxable = max(0, month_fen - _FREE_FEN) if month_fen <= _FREE_UP_TO_FEN else month_fen * 4 // 5
    percent, off = next((percent, off) for above, percent, off in _BRACKETS if taxable > above or not above)
    return taxable * percent // 100 - off


TAXES: Mapping[str, TaxRule] = {"none": no_tax, "labour": labour_tax}


def ask_again_seconds(submitted_at: datetime, now: datetime) -> float:
    """How long to wait before WeChat is asked again: after as long as it has had it, an hour at most, and at once when
    the time to confirm ends."""
    had = (now - submitted_at).total_seconds()
    wait = min(max(had, _ASK_SECONDS_MIN), _ASK_SECONDS_MAX)
    left = (submitted_at + TO_CONFIRM - now).total_seconds()
    return min(wait, left) if left > 0 else wait


def quarter_of(instant: datetime) -> str:
    """The quarter in Asia/Shanghai, as 2026-Q4."""
    day = clock.day(instant)
    return f"{day.year}-Q{(day.month + 2) // 3}"
