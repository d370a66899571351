"""Why a comparison with the bills or a closing is refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

NO_BILL_OF_DAY = Reason(
    "no_bill_of_day",
    "只能对账最近 {days} 天内、今天以前的日期",
    "{label} must be one of the last {days} days, before today",
)
NO_SUCH_DIFFERENCE = Reason("no_such_difference", "没有这条差异", "there is no such difference")
CLOSED_BEFORE = Reason(
    "difference_closed_before",
    "该差异已处理，不能再改，处理说明：{because}",
    "this difference was closed before and stays so, with the reason: {because}",
)
CLOSED_BY_ITSELF = Reason(
    "difference_closed_by_itself",
    "后来的对账中该差异已消失，系统已自动关闭，无需处理",
    "a later comparison no longer found this difference and closed it; there is nothing to do",
)

FIELDS: Labels = {
    "difference_id": ("差异", "difference"),
    "day": "对账日期",
    "state": "处理状态",
    "reason": ("处理说明", "reason"),
}
