"""Why journeys are refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

ONE_OF = Reason("one_of", "要且只能写一项：{names}", "name exactly one of: {names}")
SOME_WAIT = Reason("some_wait", "没有写明等多久", "it does not say how long to wait")
SPAN_ORDER = Reason(
    "span_order",
    "between_days 的第一个数不能大于第二个",
    "the first number of between_days may not be above the second",
)

NO_SUCH_JOURNEY = Reason("no_such_journey", "没有这个旅程", "there is no such journey")

FIELDS: Labels = {
    "entry": ("入口", "entry"),
    "steps": ("步骤", "steps"),
    "journey_id": ("旅程", "journey"),
}
