"""Reasons that every wing may give for refusing a field, and the names of fields that mean the same everywhere.

A reason that only one wing gives stands in that wing's refusals.py, which has the same two: Reasons as constants, and
`FIELDS`.
"""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason, Term

# what a request looks like
REQUIRED = Reason("required", "缺少{label}", "{label} is missing")
UNKNOWN_FIELD = Reason("unknown_field", "不认识的字段：{field}", "{field} is not a field of this request")
BAD_JSON = Reason("bad_json", "请求内容不是合法的 JSON", "the body is not JSON")
BODY_TOO_LARGE = Reason(
    "body_too_large", "{label}过大，最多 {limit_kb} KB", "{label} is too large; at most {limit_kb} KB"
)
WRONG_KIND = Reason("wrong_kind", "{label}应为{kind}", "{label} must be {kind}")
WRONG_FORMAT = Reason("wrong_format", "{label}格式不正确", "{label} has the wrong format")
NOT_A_NAME = Reason(
    "not_a_name",
    "{label}不能含有控制字符、不可见字符，也不能只有空格",
    "{label} must not have characters that are not seen, nor blanks alone",
)
NOT_A_CHOICE = Reason("not_a_choice", "{label}不是可选的值", "{label} is none of the allowed values")
NO_TIME_ZONE = Reason("no_time_zone", "{label}要带时区，如 +08:00", "{label} must name its time zone, as +08:00")
NOT_A_TIME = Reason("not_a_time", "{label}不是有效的时间", "{label} is not a time in RFC 3339 format")
NOT_A_DAY = Reason("not_a_day", "{label}不是有效的日期，如 2026-11-29", "{label} is not a day such as 2026-11-29")
UNREADABLE = Reason("unreadable", "{label}无法识别", "{label} cannot be read")

# how long, how many, how much
EMPTY = Reason("empty", "{label}不能为空", "{label} must not be empty")
TOO_SHORT = Reason("too_short", "{label}至少 {limit} 个字符", "{label} must have at least {limit} characters")
TOO_LONG = Reason("too_long", "{label}最多 {limit} 个字符", "{label} must have at most {limit} characters")
TOO_FEW = Reason("too_few", "{label}至少 {limit} 项", "{label} must have at least {limit} items")
TOO_MANY = Reason("too_many", "{label}最多 {limit} 项", "{label} must have at most {limit} items")
AT_LEAST = Reason("at_least", "{label}不能小于 {limit}", "{label} must be at least {limit}")
AT_MOST = Reason("at_most", "{label}不能大于 {limit}", "{label} must be at most {limit}")
ABOVE = Reason("above", "{label}应大于 {limit}", "{label} must be above {limit}")
BELOW = Reason("below", "{label}应小于 {limit}", "{label} must be below {limit}")
BETWEEN = Reason("between", "{label}应为 {low} 至 {high}", "{label} must be {low} to {high}")
YEAR_BETWEEN = Reason(
    "year_between", "{label}的年份应在 {low} 至 {high} 之间", "the year of {label} must be {low} to {high}"
)
IS_OVER = Reason("is_over", "{label}已经过去", "{label} is over")

# what is named
NO_SUCH = Reason("no_such", "没有这个{label}", "there is no such {label}")
NAMED_TWICE = Reason("named_twice", "{label}重复出现", "{label} stands twice")
QUEUE_OR_MEMBER = Reason("queue_or_member", "按队列或按会员查询，请只选一种", "name a queue or a member, not both")
BAD_CURSOR = Reason("bad_cursor", "翻页标记无效，请从第一页重新读取", "the cursor is not one of this list; begin anew")

#: What a value should have been, for WRONG_KIND, by msgspec's name of it.
KINDS: dict[str, Term] = {
    "int": Term("integer", "整数", "an integer"),
    "float": Term("number", "数字", "a number"),
    "str": Term("text", "文本", "text"),
    "bool": Term("boolean", "是或否（true 或 false）", "true or false"),
    "array": Term("list", "列表", "a list"),
    "object": Term("object", "对象", "an object"),
    "null": Term("null", "null", "null"),
    "datetime": Term("time", "时间", "a time"),
    "date": Term("day", "日期", "a day"),
}

FIELDS: Labels = {
    "body": ("请求内容", "the body"),
    "query": ("查询参数", "the query"),
    "cursor": "翻页标记",
    "limit": "每页条数",
    "from": "开始日期",
    "to": "结束日期",
    "day": "日期",
    "quantity": "数量",
    "sku_id": ("规格", "SKU"),
    "product_id": ("商品", "product"),
    "order_id": ("订单", "order"),
    "member_id": ("会员", "member"),
    "reason": "原因",
    "name": "名称",
    "state": "状态",
    "amount_fen": ("金额（分）", "amount in fen"),
}
