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

# what is wrong with a journey that is to be published; {step} is the step, or the part
NO_SUCH_STEP = Reason("no_such_step", "{step}：没有“{named}”这个步骤", "{step}: there is no step {named}")
NOT_REACHED = Reason("step_not_reached", "{step}：没有路径通向它", "{step}: no way leads to it")
NO_WAIT_IN_RING = Reason(
    "ring_without_wait",
    "{step}：这些步骤循环而中间没有等待：{steps}",
    "{step}: these steps go round without a wait: {steps}",
)
RING_OF_JOURNEYS = Reason(
    "ring_of_journeys",
    "{step}：这些旅程互相进入而中间没有等待：{journeys}",
    "{step}: these journeys lead into each other without a wait: {journeys}",
)
SLOT_OPEN = Reason("slot_open", "{step}：还没有选定“{slot}”", "{step}: nothing is chosen yet for {slot}")
COUPON_MISSING = Reason(
    "journey_coupon_missing", "{step}：没有优惠券模板 {named}", "{step}: there is no coupon template {named}"
)
COUPON_NOT_OFFERED = Reason(
    "journey_coupon_not_offered",
    "{step}：优惠券模板 {named} 未发布或已过期",
    "{step}: the coupon template {named} is not published, or is over",
)
COUPON_NOT_BY_JOURNEYS = Reason(
    "journey_coupon_not_by_journeys",
    "{step}：优惠券模板 {named} 的发放方式里没有 journey",
    "{step}: the coupon template {named} is not given by journeys: how lacks journey",
)
STOCK_TOO_SMALL = Reason(
    "journey_stock_too_small",
    "{step}：优惠券只剩 {left} 张，预计需要 {needed} 张",
    "{step}: {left} coupons are left, and some {needed} are needed",
)
MESSAGE_MISSING = Reason(
    "journey_message_missing", "{step}：没有消息模板 {named}", "{step}: there is no message template {named}"
)
PURPOSE_DIFFERS = Reason(
    "purpose_differs",
    "{step}：消息模板的用途是 {purpose}，与步骤不同",
    "{step}: the purpose of its message template is another: {purpose}",
)
NOT_TRANSACTIONAL = Reason(
    "journey_not_transactional",
    "{step}：只有由订单或拼团进入的旅程才能发交易通知；请把用途改为 service 或 marketing",
    "{step}: only a journey that an order or a lobby leads into sends what is transactional; say service or marketing",
)
NOT_OF_TEMPLATE = Reason(
    "medium_not_of_template",
    "{step}：消息模板没有 {medium} 这个触达方式",
    "{step}: its message template is not made for {medium}",
)
MARKETING_FORBIDDEN = Reason(
    "marketing_forbidden",
    "{step}：{medium} 上不允许发送营销消息",
    "{step}: what sells may not go by {medium}",
)
MEDIUM_SWITCHED_OFF = Reason(
    "medium_switched_off", "{step}：触达方式 {medium} 已关闭", "{step}: the medium {medium} is switched off"
)
MEDIUM_NOT_YET = Reason(
    "medium_not_yet", "{step}：还不能通过 {medium} 触达会员", "{step}: nobody is reachable by {medium} yet"
)
VAR_NOT_OF_TEMPLATE = Reason(
    "var_not_of_template", "{step}：消息模板没有变量 {var}", "{step}: its message template has no variable {var}"
)
NO_SUCH_PLACEHOLDER = Reason(
    "no_such_placeholder", "{step}：不认识的占位符 {named}", "{step}: {named} stands for nothing"
)
SEGMENT_MISSING = Reason("journey_segment_missing", "{step}：没有分群 {named}", "{step}: there is no segment {named}")
TAG_MISSING = Reason("journey_tag_missing", "{step}：没有标签“{named}”", "{step}: there is no tag {named}")
JOURNEY_MISSING = Reason(
    "journey_missing", "{step}：没有已发布的旅程 {named}", "{step}: there is no published journey {named}"
)
EVENT_MISSING = Reason(
    "journey_event_missing",
    "{step}：旅程听不到事件“{named}”",
    "{step}: no journey hears of an event {named}",
)
PROP_MISSING = Reason(
    "journey_prop_missing",
    "{step}：事件没有属性“{named}”，或属性没有这个值",
    "{step}: the event has no property {named}, or it is never that",
)
PROP_OF_ENTRY = Reason(
    "prop_of_entry",
    "{step}：入口事件没有属性“{named}”",
    "{step}: the event of the entry has no property {named}",
)
GOAL_BY_CLIENT = Reason(
    "goal_by_client",
    "{step}：目标要用商城自己的事实，客户端上报的事件不能作数",
    "{step}: a goal is a fact of the mall's own; what clients report does not count",
)
BY_CLIENTS_WORD = Reason(
    "journey_by_clients_word",
    "{step}：仅凭客户端上报或旅程自己的动作就能反复走到这里，而它有成本：请去掉入口的 key，"
    "或用 re_entry 的 after_days，或在它之前等待商城自己的事实（如 order_paid）",
    "{step}: what clients report, or the journey does itself, leads here again and again, and it costs something: "
    "leave out the key of the entry, say after_days in re_entry, or wait for a fact of the mall's own before it, such "
    "as order_paid",
)
RULE_WRONG = Reason("journey_rule_wrong", "{step}：规则不成立：{why}", "{step}: its rule does not stand: {why}")
NO_WEEKDAYS = Reason("no_weekdays", "{step}：weekdays 不能为空", "{step}: weekdays must not be empty")
ARM_TWICE = Reason("arm_twice", "{step}：分组“{named}”重复", "{step}: the arm {named} stands twice")
NO_SUCH_OUTCOME = Reason(
    "no_such_outcome", "{step}：任务没有“{named}”这个结果", "{step}: the task has no outcome {named}"
)
BAD_SCHEDULE = Reason(
    "bad_schedule", "{step}：schedule 要写成 cron 的五段", "{step}: schedule wants the five fields of cron"
)
HOW_AGAIN = Reason("how_again", "{step}：请写明 after_days 或 max", "{step}: name after_days or max")
ENDS_FIRST = Reason("journey_ends_first", "{step}：应晚于 starts_at", "{step}: it must be after starts_at")
ENDED_ALREADY = Reason("journey_ended_already", "{step}：已经过去", "{step}: it is over")

# what operators ask for
TOO_MANY_JOURNEYS = Reason(
    "too_many_journeys",
    "未结束的旅程最多 {limit} 个，请先结束或删除一些",
    "a mall has at most {limit} journeys that have not ended: end some, or delete drafts",
)
NO_SUCH_BUILT_IN = Reason("no_such_built_in", "没有“{named}”这个内置旅程", "no journey is built in as {named}")
NO_SUCH_SLOT = Reason("no_such_slot", "这个内置旅程没有“{slot}”", "the built-in journey has no slot {slot}")
SLOT_DIFFERS = Reason(
    "slot_differs",
    "“{slot}”要选减 {percent}% 的折扣券",
    "{slot} wants a coupon of {percent} percent off",
)
NO_SUCH_VERSION = Reason("no_such_version", "旅程没有版本 {version}", "the journey has no version {version}")
VERSION_HOLDS = Reason("version_holds", "版本 {version} 就是当前版本", "version {version} is the one that holds")
MOVE_UNDER_WAY = Reason(
    "move_under_way",
    "这个旅程的会员正在迁移，请稍后再试",
    "its members are being taken over; try again in a while",
)
NO_STEP_THERE = Reason("no_step_there", "没有“{named}”这个步骤", "there is no step {named}")
WHO_ENTERS = Reason(
    "who_enters", "请在 members、audience_id 中选且只选一项", "name exactly one of members and audience_id"
)
NO_SUCH_RUN = Reason("no_such_run", "没有这次旅程", "there is no such run")

FIELDS: Labels = {
    "entry": ("入口", "entry"),
    "steps": ("步骤", "steps"),
    "journey_id": ("旅程", "journey"),
    "after_days": ("间隔天数", "days after"),
    "audience": ("目标分群", "audience"),
    "audience_id": ("人群包", "audience"),
    "built_in": ("内置旅程", "built-in journey"),
    "control_percent": ("对照组比例", "percent of control"),
    "dry_run": ("试算", "dry run"),
    "ends_at": "结束时间",
    "enrolment_id": ("入旅程批次", "enrolment"),
    "event": "事件",
    "exclude": ("排除分群", "excluded segment"),
    "exits": ("退出条件", "exits"),
    "first": ("第一步", "first step"),
    "goal": ("目标", "goal"),
    "grants_fen_max": ("赠券金额上限", "most in coupons"),
    "grants_max": ("赠券张数上限", "most coupons"),
    "left": ("离开的分群", "segment left"),
    "map": ("步骤对应", "map of steps"),
    "max": ("最多次数", "most times"),
    "members": "会员名单",
    "missing": ("缺失步骤的处理", "what becomes of missing steps"),
    "note": "备注",
    "percent": ("比例", "percent"),
    "priority": ("优先级", "priority"),
    "re_entry": ("再次进入", "coming in again"),
    "run_id": ("旅程实例", "run"),
    "runs": ("进行中的实例", "runs under way"),
    "segment": "分群",
    "starts_at": "开始时间",
    "templates": ("所选模板", "chosen templates"),
    "version": "版本",
    "where": ("属性条件", "properties"),
    "within_days": ("天数", "days"),
}
