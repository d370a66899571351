"""Why something about a withdrawal is refused, in both languages, and the names of the fields that come in. Pure.

What a withdrawal's state does not allow is told with the state, the action, and what to do instead. Amounts are shown
in yuan, and go with the answer in fen as well (`money`).
"""

from __future__ import annotations

from typing import Any

from chalicelib.core.errors import Labels, MallError, Reason, Term

#: How a withdrawal is in each state, as a sentence about it says.
STATES: dict[str, Term] = {
    "reviewing": Term("reviewing", "还在审核中", "is still to be reviewed"),
    "processing": Term("processing", "已在处理中", "is being processed"),
    "awaiting_confirmation": Term("awaiting_confirmation", "正等待收款确认", "waits for its receiver to confirm"),
    "succeeded": Term("succeeded", "已到账", "has been paid"),
    "failed": Term("failed", "已失败，款项已退回余额", "has failed, and its money is in the balance again"),
}
#: What somebody wants with a withdrawal: what operators ask for, and what WeChat says of it.
ACTIONS: dict[str, Term] = {
    "approve": Term("approve", "通过审核", "approved"),
    "reject": Term("reject", "驳回", "rejected"),
    "cancel": Term("cancel", "取消", "cancelled"),
    "conclude": Term("conclude", "登记转账结果", "concluded by hand"),
    "take_on": Term("take_on", "转为处理中", "processed"),
    "await_confirmation": Term("await_confirmation", "转为等待确认", "confirmed by its receiver"),
    "pay": Term("pay", "记为到账", "recorded as paid"),
    "fail": Term("fail", "记为失败", "recorded as failed"),
}
WITHDRAWAL_STATE = Reason(
    "withdrawal_state", "提现{state}，不能{action}", "the withdrawal {state} and cannot be {action}"
)  # fmt: skip
REVIEW_IT = Reason(
    "review_withdrawal_first",
    "提现{state}，不能{action}，请通过或驳回",
    "the withdrawal {state} and cannot be {action}; approve or reject it",
)
CANCEL_IT = Reason(
    "cancel_withdrawal_instead",
    "提现{state}，不能{action}，可在收款确认前取消",
    "the withdrawal {state} and cannot be {action}; it can be cancelled until its receiver confirms",
)
ON_ITS_WAY = Reason(
    "transfer_on_its_way",
    "提现{state}，收款人已确认，不能{action}，请等待微信的结果",
    "the withdrawal {state}, its receiver has confirmed, and it cannot be {action}; wait for WeChat's result",
)
WECHAT_WILL_TELL = Reason(
    "wechat_will_tell",
    "提现{state}，不能{action}，请等待微信的结果",
    "the withdrawal {state} and cannot be {action}; wait for WeChat's result",
)
CONCLUDE_IT = Reason(
    "conclude_withdrawal_instead",
    "微信已查不到这笔转账，不能{action}，请在商户平台查看后登记转账结果",
    "WeChat no longer knows of this transfer, which cannot be {action}; look it up in WeChat Pay's console and conclude"
    " it by hand",
)

BELOW_MIN = Reason(
    "withdrawal_below_min", "单笔最低提现 {limit_yuan} 元", "one withdrawal is of {limit_yuan} yuan at least"
)  # fmt: skip
ABOVE_MAX = Reason(
    "withdrawal_above_max", "单笔最高提现 {limit_yuan} 元", "one withdrawal is of {limit_yuan} yuan at most"
)  # fmt: skip
TOO_MANY_TODAY = Reason(
    "withdrawals_per_day",
    "每天最多提现 {limit} 次，今天已提现 {count} 次，请明天再来",
    "at most {limit} withdrawals a day, and there were {count} today; come back tomorrow",
)
TOO_MUCH_TODAY = Reason(
    "withdrawn_per_day",
    "每天最多提现 {limit_yuan} 元，今天还可提现 {remaining_yuan} 元",
    "at most {limit_yuan} yuan a day, of which {remaining_yuan} can be withdrawn today",
)
BALANCE_SHORT = Reason(
    "withdrawal_above_balance",
    "可提现余额不足 {amount_yuan} 元，请减少提现金额",
    "the balance is less than {amount_yuan} yuan; withdraw less",
)
TOO_LITTLE_LEFT = Reason(
    "withdrawal_below_deductions",
    "扣除税费后不足 {limit_yuan} 元，请增加提现金额",
    "less than {limit_yuan} yuan would remain after tax and fee; withdraw more",
)
NOT_APPROVED_YET = Reason(
    "withdraw_once_approved",
    "分销员申请待审核，通过后才能提现",
    "the application as a distributor is not approved yet; withdraw once it is",
)

FIELDS: Labels = {
    "withdrawal_id": ("提现", "withdrawal"),
    "amount_fen": ("提现金额（分）", "amount in fen"),
    "queue": "队列",
    "reason": ("说明", "reason"),
    "paid": ("是否已到账", "whether it was paid"),
    "quarter": ("季度", "quarter"),
    # settings
    "min_fen": ("单笔最低金额（分）", "least amount in fen"),
    "max_fen": ("单笔最高金额（分）", "largest amount in fen"),
    "per_day": ("每天提现次数", "withdrawals a day"),
    "per_day_fen": ("每天提现金额（分）", "amount a day in fen"),
    "review_from_fen": ("需审核的金额（分）", "amount in fen from which it is reviewed"),
    "tax": ("个税规则", "tax rule"),
    "fee_bp": ("手续费（万分之一）", "fee in basis points"),
}


def money(**amounts_fen: int) -> dict[str, Any]:
    """Make the parameters of a reason that names amounts: each in fen for machines, and in yuan for its text."""
    in_fen = {f"{name}_fen": fen for name, fen in amounts_fen.items()}
    return in_fen | {f"{name}_yuan": f"{fen // 100}.{fen % 100:02d}" for name, fen in amounts_fen.items()}


def withdrawal_state(state: str, action: str, reason: Reason = WITHDRAWAL_STATE) -> MallError:
    """Make the refusal of an action that the withdrawal's state does not allow."""
    error = reason.at("withdrawal_id", state=STATES[state], action=ACTIONS[action])
    return MallError("withdrawal_state", errors=(error,), state=state)
