"""Withdrawals: what a merchant may set of them, what one is, and what may happen to it. Pure; amounts are fen.

reviewing -> processing <-> awaiting_confirmation
    |            |  |                |  |
    |            |  +-> succeeded <--+  |
    +---> failed <----------------------+

WeChat's bounds (its merchant transfers): at least 10 fen are sent, and from 200,000 on it wants the receiver's real
name, which the mall does not have. A transfer that nobody takes is over a day after it was made, and WeChat tells of
one for 30 days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.core import clock
from chalicelib.core.errors import Reason, invalid
from chalicelib.core.refusals import AT_LEAST
from chalicelib.gateways.patience import STRAY_REQUESTS
from chalicelib.growth.payouts.refusals import (
    CANCEL_IT,
    CONCLUDE_IT,
    ON_ITS_WAY,
    REVIEW_IT,
    WECHAT_WILL_TELL,
    WITHDRAWAL_STATE,
    withdrawal_state,
)
from chalicelib.platform.web.types import Fen

#: What WeChat sends at the least and, to somebody whose name it is not told, at the most.
NET_FEN_MIN = 10
AMOUNT_FEN_MAX = 199_999
#: How long after a transfer was submitted WeChat surely answers a query for it; later its silence says nothing.
QUERYABLE_FOR = timedelta(days=29)

Amount = Annotated[int, Meta(ge=30, le=AMOUNT_FEN_MAX)]
Tax = Literal["none", "labour"]

WithdrawalState = Literal["reviewing", "processing", "awaiting_confirmation", "succeeded", "failed"]
#: What happens to a withdrawal: an operator's decision, or what is learned of its transfer.
WithdrawalEvent = Literal["approve", "reject", "take_on", "await_confirmation", "pay", "fail"]
#: What may happen to a withdrawal in each state, and the state after it; nothing happens to one that has ended. Money
#: on its way to its receiver, who has confirmed, is processing again.
TRANSITIONS: Mapping[WithdrawalState, Mapping[WithdrawalEvent, WithdrawalState]] = {
    "reviewing": {"approve": "processing", "reject": "failed"},
    "processing": {
        "take_on": "processing", "await_confirmation": "awaiting_confirmation", "pay": "succeeded", "fail": "failed",
    },
    "awaiting_confirmation": {
        "take_on": "processing", "await_confirmation": "awaiting_confirmation", "pay": "succeeded", "fail": "failed",
    },
    "succeeded": {},
    "failed": {},
}  # fmt: skip
#: What WeChat's word for a transfer means for its withdrawal.
WECHAT_EVENTS: Mapping[str, WithdrawalEvent] = {
    "ACCEPTED": "take_on",
    "PROCESSING": "take_on",
    "WAIT_USER_CONFIRM": "await_confirmation",
    "TRANSFERING": "take_on",
    "CANCELING": "take_on",
    "SUCCESS": "pay",
    "FAIL": "fail",
    "CANCELLED": "fail",
}
#: WeChat's word for a transfer, as a withdrawal's state.
STATES: Mapping[str, WithdrawalState] = {
    word: TRANSITIONS["processing"][event] for word, event in WECHAT_EVENTS.items()
}
#: Why a withdrawal does not go on of which WeChat no longer knows: only an operator can say how it ended.
UNKNOWN_AT_WECHAT = "UNKNOWN_AT_WECHAT"


class WithdrawalRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a withdrawal may be: from `min_fen` to `max_fen`; a day (Asia/Shanghai) `per_day` of them, `per_day_fen`.

    From `review_from_fen` on an operator decides (null: only of suspended distributors). `tax` names the rule by which
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
    """Refuse what no field alone shows: bounds that leave no amount between them. Raises `invalid`."""
    if rules.max_fen < rules.min_fen:
        raise invalid(AT_LEAST.at("max_fen", limit=rules.min_fen))


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Commission that a member takes out. Its id is the number of its transfer, for ever; of `amount_fen`, tax and fee
    are kept back and the rest is sent to `openid`.

    `tax_returned_fen`: what came back beside its amount as it failed, of the tax that others of its month were kept
    back because of it; below zero, what was taken off as they were kept back too little without it.

    `submitted_at`: since when WeChat may have heard of it; `cancel_requested_at`: since when it is not sent any more,
    and WeChat is to call it off. `sent_at`: when the last request was sent of which only queries follow, because WeChat
    refuses it or was asked to call it off. `package_info`: what lets the receiver confirm. `outcome`: WeChat's last
    word on why it failed or does not go on; `reason`: an operator's. `notify_to`: the mall's address that WeChat is
    told, always the same. `asked_as`: the member who asked for it, where they turned out to be this one since; it ends
    in the account that it left.
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
    tax_returned_fen: int = 0
    submitted_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    sent_at: datetime | None = None
    finished_at: datetime | None = None
    package_info: str = ""
    outcome: str = ""
    reason: str = ""
    decided_by: str = ""
    notify_to: str = ""
    asked_as: str = ""

    @property
    def account(self) -> str:
        """Whose account it left, and comes back to where it fails."""
        return self.asked_as or self.member_id

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

    def silent_from(self) -> datetime | None:
        """From when on no request for its transfer can be on its way to WeChat, to make it or to call it off; None
        while some are sent. That WeChat knows nothing of it is final only then."""
        if self.sent_at is None and self.cancel_requested_at is None:
            return None
        sent = (self.submitted_at, self.cancel_requested_at, self.sent_at)
        return max(at for at in sent if at is not None) + STRAY_REQUESTS

    def has_never_been(self, now: datetime) -> bool:
        """Whether there is no transfer and never will be, where WeChat has just said that it knows of none."""
        silent_from = self.silent_from()
        return silent_from is not None and now >= silent_from and self.is_queryable(now)

    def at_first(self) -> Withdrawal:
        """Take it back to how it was answered when it was asked for."""
        fresh = {"package_info": "", "outcome": "", "reason": "", "decided_by": ""}
        return msgspec.structs.replace(
            self, state=self.first_state, cancel_requested_at=None, sent_at=None, finished_at=None,
            tax_returned_fen=0, **fresh,
        )  # fmt: skip


# --- how a withdrawal changes ---------------------------------------------------------------------


def step(withdrawal: Withdrawal, event: WithdrawalEvent, **changes: Any) -> Withdrawal:
    """Take the withdrawal to the state after an event: the one way in which its state changes.

    `changes` are of its other fields. Raises `withdrawal_state` where its state does not allow the event.
    """
    after = TRANSITIONS[withdrawal.state].get(event)
    if after is None:
        raise withdrawal_state(withdrawal.state, event)
    return msgspec.structs.replace(withdrawal, state=after, **changes)


def ended(withdrawal: Withdrawal, event: WithdrawalEvent, at: datetime, **changes: str) -> Withdrawal:
    """Take the withdrawal to its end: nothing is left to confirm. `changes`: outcome, reason, decided_by."""
    return step(withdrawal, event, finished_at=at, **({"outcome": "", "package_info": ""} | changes))


def progressed(withdrawal: Withdrawal, word: str, package_info: str | None) -> Withdrawal:
    """Take the withdrawal as far as WeChat's word says its transfer is, which has not ended; the same one where that
    is known. PROCESSING is why it waits: the merchant's balance there is short. What was refused is asked for again now
    that WeChat knows of it: that tells what lets the receiver confirm."""
    after = step(
        withdrawal,
        WECHAT_EVENTS[word],
        package_info=package_info or withdrawal.package_info,
        outcome="PROCESSING" if word == "PROCESSING" else "",
        sent_at=None if withdrawal.cancel_requested_at is None else withdrawal.sent_at,
    )
    return withdrawal if after == withdrawal else after


def approved(withdrawal: Withdrawal, by: str, at: datetime) -> Withdrawal:
    """Let the withdrawal go, to be handed to WeChat. Raises `withdrawal_state`."""
    check_action(withdrawal, "approve", at)
    return step(withdrawal, "approve", submitted_at=at, decided_by=by)


def cancel_requested(withdrawal: Withdrawal, reason: str, by: str, at: datetime) -> Withdrawal:
    """Have nothing sent from now on, and WeChat asked to cancel what it has: that says how it ends, so the state stays.
    Raises `withdrawal_state`."""
    check_action(withdrawal, "cancel", at)
    return msgspec.structs.replace(withdrawal, cancel_requested_at=at, outcome="", reason=reason, decided_by=by)


def refused(withdrawal: Withdrawal, why: str, at: datetime) -> Withdrawal:
    """Send nothing more for the withdrawal, which WeChat refuses and knows nothing of, unless it has ended."""
    if not withdrawal.open:
        return withdrawal
    return msgspec.structs.replace(withdrawal, sent_at=at, outcome=why)


def waiting_for(withdrawal: Withdrawal, outcome: str) -> Withdrawal:
    """Note why the open withdrawal does not go on; the same one where that is known, or it has ended."""
    if not withdrawal.open or withdrawal.outcome == outcome:
        return withdrawal
    return msgspec.structs.replace(withdrawal, outcome=outcome)


#: What an operator may want with a withdrawal.
Action = Literal["approve", "reject", "cancel", "conclude"]


def check_action(withdrawal: Withdrawal, action: Action, now: datetime) -> None:
    """Refuse an operator's action that the withdrawal does not allow now. Raises `withdrawal_state`, saying what to do
    instead."""
    reason = GUARDS[action](withdrawal, now)
    if reason is not None:
        raise withdrawal_state(withdrawal.state, action, reason)


def is_in_review(withdrawal: Withdrawal, now: datetime) -> Reason | None:
    """Let only one pass that is to be decided; another may still be cancelled."""
    if withdrawal.state == "reviewing":
        return None
    return CANCEL_IT if can_be_cancelled(withdrawal, now) is None else WITHDRAWAL_STATE


def can_be_cancelled(withdrawal: Withdrawal, now: datetime) -> Reason | None:
    """Let only one pass that WeChat may have, and knows, and whose receiver has not confirmed."""
    if not withdrawal.open:
        return WITHDRAWAL_STATE
    if withdrawal.submitted_at is None:
        return REVIEW_IT
    if not withdrawal.is_queryable(now):
        return CONCLUDE_IT
    return ON_ITS_WAY if withdrawal.state == "processing" and withdrawal.package_info else None


def is_forgotten(withdrawal: Withdrawal, now: datetime) -> Reason | None:
    """Let only one pass of which WeChat tells nothing any more."""
    if not withdrawal.open:
        return WITHDRAWAL_STATE
    if withdrawal.submitted_at is None:
        return REVIEW_IT
    return WECHAT_WILL_TELL if withdrawal.outcome != UNKNOWN_AT_WECHAT or withdrawal.is_queryable(now) else None


#: Under which condition each action is allowed; it gives why not.
GUARDS: Mapping[Action, Callable[[Withdrawal, datetime], Reason | None]] = {
    "approve": is_in_review,
    "reject": is_in_review,
    "cancel": can_be_cancelled,
    "conclude": is_forgotten,
}


def quarter_of(instant: datetime) -> str:
    """Name the quarter in Asia/Shanghai, as 2026-Q4."""
    day = clock.day(instant)
    return f"{day.year}-Q{(day.month + 2) // 3}"
