"""Why rules, segments, tags and audiences are refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

# what a rule looks like
RULE_TOO_LARGE = Reason("rule_leaves", "规则最多 {limit} 个条件", "a rule has at most {limit} conditions")
RULE_TOO_DEEP = Reason("rule_depth", "规则最多嵌套 {limit} 层", "a rule is nested at most {limit} deep")
RULES_TOO_LARGE = Reason(
    "rules_together",
    "所有规则合计最多统计 64 种事件、100 种商品范围、50 个优惠券模板",
    "all rules together count at most 64 kinds of events, 100 kinds of goods and the coupons of 50 templates",
)
BETWEEN_TWO = Reason(
    "between_two", "between 要给出两个数，其他比较只给一个数", "between wants two numbers, any other comparison one"
)
BETWEEN_ORDER = Reason(
    "between_order", "between 的第一个数不能大于第二个", "the first number of between may not be above the second"
)
ONE_PART = Reason("one_part", "{label}要且只能写一项", "{label} must name exactly one")
ONE_WINDOW = Reason(
    "one_window", "within_days 与 within_hours 要且只能写一个", "give within_days or within_hours, and not both"
)
GOES_ROUND = Reason("goes_round", "规则互相引用：{segments}", "the rules name each other in a ring: {segments}")

# what a rule names
NO_SUCH_SEGMENT = Reason("no_such_segment", "没有这个分群：{segment_id}", "there is no segment {segment_id}")
NO_SUCH_TAG = Reason("no_such_tag", "没有这个标签：{tag}", "there is no tag {tag}")
NO_SUCH_EVENT = Reason("no_such_event", "埋点计划里没有这个事件", "the tracking plan has no such event")
KEPT_SHORTER = Reason(
    "kept_shorter",
    "这个事件只保留 {limit} 天，窗口不能更长",
    "this event is kept for {limit} days, and no window is longer",
)
NO_SUCH_PROP = Reason("no_such_prop", "这个事件没有这个属性", "this event has no such property")

# segments, tags, audiences
TOO_MANY_DEFINITIONS = Reason(
    "too_many_definitions", "分群与标签总数最多 {limit} 个", "a mall has at most {limit} segments and tags"
)
IN_USE = Reason("segment_in_use", "还有地方在使用：{users}", "it is still named by: {users}")
TAG_THERE = Reason("tag_there", "已有同名标签", "there is a tag of this name")
BY_CLIENTS_ALONE = Reason(
    "by_clients_alone",
    "这个分群只凭客户端上报的行为就能进入，不能用来发券或优惠",
    "what clients report alone leads into this segment; coupons and offers may not follow from that",
)
BEING_BUILT = Reason(
    "segment_being_built",
    "正在为全部会员重新计算，请稍后再试",
    "everybody is being looked at for it; try again in a moment",
)
MEMBERS_UNCOUNTED = Reason(
    "members_uncounted",
    "会员还没有全部统计过，人数又太多，请稍后再试",
    "the members have not all been counted yet, and are too many to be gone through; try again in a while",
)
UNREADABLE = Reason(
    "segment_unreadable",
    "当前版本读不懂它或它引用的分群、标签，暂不使用",
    "this version of the mall cannot read it, or a segment or tag that it names; nothing follows from it",
)
NO_SUCH_AUDIENCE = Reason("no_such_audience", "没有这个人群包", "there is no such audience")
AUDIENCE_BEING_MADE = Reason(
    "audience_being_made", "人群包还在生成，请稍后再试", "the audience is still being made; try again in a moment"
)
WHO_IS_IN_IT = Reason(
    "who_is_in_it",
    "请在 segment_id、rule、members 中选且只选一项",
    "name exactly one of segment_id, rule and members",
)

FIELDS: Labels = {
    "rule": ("规则", "the rule"),
    "tag": "标签",
    "add": ("要加的标签", "tags to add"),
    "remove": ("要去掉的标签", "tags to remove"),
    "group": "标签组",
    "segment_id": ("分群", "segment"),
    "audience_id": ("人群包", "audience"),
    "members": "会员名单",
    "within_days": ("天数", "days"),
    "within_hours": ("小时数", "hours"),
    "of": ("商品范围", "goods"),
    "source": "来源",
    "where": ("属性条件", "properties"),
    "event": "事件",
    "coupon": ("优惠券模板", "coupon template"),
    "value": ("数值", "value"),
    "count": "次数",
    "op": ("比较方式", "comparison"),
    "days": "天数",
    "ttl_days": ("保留天数", "days kept"),
    "from_now_on": "只计以后",
    "shown": "向会员展示",
    "segment": "分群",
    "tag_id": ("标签", "tag"),
    "wecom": ("同步企业微信", "told to WeCom"),
}
