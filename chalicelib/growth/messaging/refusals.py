"""Why templates, messages and wishes about them are refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

# templates
NO_SUCH_TEMPLATE = Reason("no_such_message_template", "没有这个消息模板", "there is no such message template")
NO_SUCH_MESSAGE = Reason("no_such_message", "没有这条消息", "there is no such message")

# tasks
NO_SUCH_TASK = Reason("no_such_task", "没有这个任务", "there is no such task")
NO_OUTCOME_OF_IT = Reason(
    "no_outcome_of_it", "该任务的结果只能是：{outcomes}", "the outcome of this task is one of: {outcomes}"
)
TASK_HAS_ENDED = Reason("task_has_ended", "该任务已结束，不能改为别的结果", "this task has ended, otherwise than so")

# notices
NOTICES_ARE_TRANSACTIONAL = Reason(
    "notices_are_transactional", "通知只能用「交易」类的模板", "a notice's template has the purpose transactional"
)
NOTICE_HAS_NO_SUCH_VAR = Reason(
    "notice_has_no_such_var",
    "这类通知没有变量 {unknown}，可用：{known}",
    "a notice of this kind has no {unknown}; it has: {known}",
)

# sends
WHO_IS_WRITTEN_TO = Reason(
    "who_is_written_to", "请在 members 和 audience_id 中选且只选一项", "name exactly one of members and audience_id"
)
NO_SUCH_SEND = Reason("no_such_send", "没有这次群发", "there is no such send")
SENDS_ARE_NOT_TRANSACTIONAL = Reason(
    "sends_are_not_transactional",
    "群发不能用「交易」类的模板：它不受频次和退订限制",
    "a send's template is not transactional: those know no caps and no opt-out",
)
ANOTHER_PURPOSE = Reason("another_purpose", "该模板的用途是 {purpose}", "the purpose of this template is {purpose}")
VALUES_MISSING = Reason("values_missing", "缺少变量：{missing}", "values are missing: {missing}")
VALUES_UNKNOWN = Reason("values_unknown", "模板没有变量：{unknown}", "the template has no {unknown}")
TOO_FAR_AHEAD = Reason("too_far_ahead", "{label}最多在 {days} 天之内", "{label} is at most {days} days ahead")
NO_SUCH_AUDIENCE = Reason("no_such_audience", "没有这个人群", "there is no such audience")
AUDIENCE_BEING_MADE = Reason("audience_being_made", "人群还在生成，请稍后再试", "the audience is still being made")
NOBODY_ON_IT = Reason("nobody_on_it", "人群里没有会员", "nobody is on this list")
ANOTHER_OPERATOR = Reason("another_operator", "需要另一位操作员同意", "another operator than the first must agree")
SEND_IS_RECALLED = Reason("send_is_recalled", "这次群发已撤回", "this send was recalled")

FIELDS: Labels = {
    "template_id": ("消息模板", "message template"),
    "message_id": ("消息", "message"),
    "send_id": ("群发", "send"),
    "members": ("会员", "members"),
    "audience_id": ("人群", "audience"),
    "purpose": ("用途", "purpose"),
    "values": ("变量的值", "values"),
    "at": ("发送时间", "time of sending"),
    "expires_hours": ("有效小时数", "hours that it is good for"),
    "task_id": ("任务", "task"),
    "outcome": ("结果", "outcome"),
    "note": ("备注", "note"),
}
