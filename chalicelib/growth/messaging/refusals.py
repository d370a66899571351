"""Why templates, messages and wishes about them are refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

# templates
NO_SUCH_TEMPLATE = Reason("no_such_message_template", "没有这个消息模板", "there is no such message template")
MEDIUM_OR_MEDIA = Reason("medium_or_media", "请在 medium 与 media 中写且只写一项", "give medium or media, and not both")
NOT_BY_MEDIUM = Reason(
    "not_by_medium",
    "营销内容不能通过 {medium} 发送（微信不允许）",
    "what sells may not go by {medium}: WeChat forbids it",
)
NO_SUCH_VAR = Reason(
    "no_such_var", "文案用到的变量 {var} 没有列在 vars 里", "the text names {var}, which is not in vars"
)
VAR_UNUSED = Reason("var_unused", "变量 {var} 没有用到", "nothing names the variable {var}")
STRAY_BRACE = Reason("stray_brace", "花括号里只能写变量名", "braces are for the names of variables alone")
UNSUBSCRIBE_MISSING = Reason("unsubscribe_missing", "营销短信须写明“{words}”", "an SMS that sells must say {words}")
FORM_OF_NO_MEDIUM = Reason(
    "form_of_no_medium",
    "没有选择 {medium}，不能填写它的格式",
    "there is a form of {medium}, which is not among the media",
)
NO_SUCH_FIELD = Reason(
    "no_such_wechat_field",
    "微信模板没有 {name} 这样的字段，应形如 thing1、time2",
    "WeChat's templates have no field {name}; they are called thing1 or time2",
)
FIELD_TOO_LONG = Reason(
    "wechat_field_too_long", "字段 {name} 最多 {limit} 个字", "the field {name} takes at most {limit} characters"
)
PURPOSE_STAYS = Reason(
    "purpose_stays", "模板的用途不能修改，请新建一个", "what a template is for does not change; make another one"
)

# messages
NO_SUCH_MESSAGE = Reason("no_such_message", "没有这条消息", "there is no such message")

# when and how often
NO_HOURS_LEFT = Reason(
    "no_hours_left", "免打扰时段过长，每天至少要留一小时", "the quiet hours leave less than an hour of the day"
)

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
NOBODY_ON_IT = Reason("nobody_on_it", "人群里没有会员", "nobody is on this list")
SEND_WANTS_ANOTHER = Reason(
    "send_wants_another",
    "您已同意这次群发；人数超过单人权限，需要另一位操作员同意",
    "you have agreed to this send already; it goes to more than one operator may write to, so another must agree",
)
SEND_IS_RECALLED = Reason("send_is_recalled", "这次群发已撤回", "this send was recalled")

FIELDS: Labels = {
    "template_id": ("消息模板", "message template"),
    "message_id": ("消息", "message"),
    "send_id": ("群发", "send"),
    "vendor": ("短信服务商", "vendor of SMS"),
    "members": ("会员", "members"),
    "audience_id": ("人群", "audience"),
    "purpose": ("用途", "purpose"),
    "values": ("变量的值", "values"),
    "at": ("发送时间", "time of sending"),
    "expires_hours": ("有效小时数", "hours that it is good for"),
    "task_id": ("任务", "task"),
    "outcome": ("结果", "outcome"),
    "assignee": ("负责人", "whose task it is"),
    "q": ("要找的会员", "whom to find"),
    "note": ("备注", "note"),
    "medium": ("触达方式", "medium"),
    "media": ("触达方式", "media"),
    "text": ("文案", "text"),
    "vars": ("变量", "variables"),
    "forms": ("各方式的格式", "forms of the media"),
    "fields": ("模板字段", "fields of the template"),
    "page": ("打开的页面", "page that it opens"),
    "journey": ("旅程", "journey"),
    "source": ("来源", "source"),
    "marketing": ("营销消息", "whether offers are wanted"),
    "personalised": ("个性化推荐", "whether offers are chosen personally"),
    "quiet": ("免打扰时段", "quiet hours"),
    "quiet.from": ("开始时间", "when they begin"),
    "from": ("开始时间", "when they begin"),
    "until": ("结束时间", "when they end"),
    "marketing_sms_from": ("营销短信免打扰开始时间", "from when on no SMS sells"),
    "results": ("订阅结果", "results"),
    "result": ("订阅结果", "result"),
    "caps": ("频次上限", "caps"),
    "purposes": ("用途", "purposes"),
    "max": ("上限", "the most"),
    "per": ("周期", "the period"),
    "subscribe": ("订阅消息", "subscribe messages"),
    "oa": ("公众号", "official account"),
    "sms": ("短信", "SMS"),
    "call": ("电话", "telephone"),
    "wecom": ("企业微信", "WeCom"),
    "sms_fen": ("短信单价（分）", "price of an SMS in fen"),
    "sms_daily_budget_fen": ("短信日预算（分）", "budget of a day's SMS in fen"),
    "allowances_from": ("订阅次数来源", "whose word counts for subscriptions"),
    "resend_unknown": ("结果未知时重发", "whether unknown sends are repeated"),
    "order_shipped": ("发货通知", "notice of a parcel"),
    "refund_succeeded": ("退款到账通知", "notice of a refund paid out"),
    "refund_failed": ("退款失败通知", "notice of a refund that failed"),
    "refund_rejected": ("退款被拒通知", "notice of a refund rejected"),
    "group_succeeded": ("成团通知", "notice of a lobby that succeeded"),
    "group_failed": ("未成团通知", "notice of a lobby that failed"),
    "draw_won": ("中奖通知", "notice of a draw won"),
    "draw_lost": ("未中奖通知", "notice of a draw lost"),
    "group_lacks_one": ("差一人成团通知", "notice that a lobby lacks one"),
    "coupon_got": ("得券通知", "notice of a coupon"),
}
