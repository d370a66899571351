"""Why something about distribution is refused, in both languages, and the names of the fields that come in. Pure.

What a distributor's state does not allow is told with the state, the action, and what to do.
"""

from __future__ import annotations

from chalicelib.core.errors import Labels, MallError, Reason, Term

#: What a distributor is in each state, as a sentence about them says.
STATES: dict[str, Term] = {
    "pending": Term("pending", "正在等待审核", "waiting to be approved"),
    "active": Term("active", "正常", "active"),
    "suspended": Term("suspended", "已被暂停", "suspended"),
}
#: What a distributor wants to do.
ACTIONS: dict[str, Term] = {
    "share": Term("share", "分享商品", "share products"),
}
DISTRIBUTOR_STATE = Reason(
    "distributor_state",
    "您的分销员资格{state}，不能{action}，如有疑问请联系商家",
    "as a distributor you are {state} and cannot {action}; please contact the shop",
)
WAIT_FOR_APPROVAL = Reason(
    "wait_for_approval",
    "您的分销员申请{state}，通过后才能{action}",
    "as a distributor you are {state}; you can {action} once you are",
)


def distributor_state(state: str, action: str) -> MallError:
    """Make the refusal `distributor_state`: a distributor in this state cannot do this; with what to do instead."""
    reason = WAIT_FOR_APPROVAL if state == "pending" else DISTRIBUTOR_STATE
    error = reason.at("distributor_id", state=STATES[state], action=ACTIONS[action])
    return MallError("distributor_state", state=state, errors=(error,))


# links
NO_SUCH_SHARED_PRODUCT = Reason(
    "no_such_shared_product", "没有这个商品，请换一个商品分享", "there is no such product to share"
)
TOO_MANY_LINKS = Reason(
    "too_many_links",
    "最多创建 {limit} 个推广链接，请使用已有的链接",
    "at most {limit} links can be made; share one that you have",
)
SHARED_PRODUCT_UNAVAILABLE = Reason(
    "shared_product_unavailable",
    "该商品已下架，请换一个商品分享",
    "this product is not on sale; share another one",
)

# lists
ENDS_BEFORE_FROM = Reason("ends_before_from", "结束日期不能早于开始日期", "the last day must not be before the first")
ORDER_MEMBER_OR_DAY = Reason(
    "order_member_or_day",
    "请按订单、会员、日期三者之一查询",
    "name an order, a member or a day: one of them",
)

# settings and tiers
RATE_FOR_EACH_LEVEL = Reason(
    "rate_for_each_level",
    "{levels} 级分销需要填写 {levels} 个佣金比例",
    "{levels} levels need a rate each",
)
TIER_ID = Reason(
    "tier_id_taken",
    "等级编号不能重复，也不能为 {reserved}",
    "each tier has an id of its own, other than {reserved}",
)
NO_SUCH_TIER = Reason(
    "no_such_tier",
    "分销设置中没有这个等级，请先在设置中添加",
    "there is no such tier in the settings; add it there first",
)

FIELDS: Labels = {
    "distributor_id": ("分销员", "distributor"),
    "level": "级别",
    "month": "月份",
    "page": "页面",
    "channel": "渠道",
    "tier": "等级",
    "sort": "排序",
    "enabled": ("开启分销", "whether distribution is on"),
    "stopped_regions": ("停用地区", "regions where it is stopped"),
    "levels": "分销级数",
    "rates_bp": ("佣金比例（万分之一）", "rates in basis points"),
    "bind_on": ("绑定时机", "when a customer is bound"),
    "protection_days": ("客户保护天数", "days that a customer stays bound"),
    "self_purchase": ("自购返佣", "commission on own purchases"),
    "freeze_days": ("佣金冻结天数", "days until a commission can be withdrawn"),
    "approval": ("审核方式", "how distributors are approved"),
    "order_cap_bp": ("单笔订单佣金上限（万分之一）", "limit of an order's commissions in basis points"),
    "order_cap_fen": ("单笔订单佣金上限（分）", "limit of an order's commissions in fen"),
    "tiers": "分销员等级",
    "tier_id": ("等级编号", "id of a tier"),
    "tiers.name": ("等级名称", "name of a tier"),
    "sales_fen": ("销售额（分）", "sales in fen"),
    "orders": "订单数",
    "customers": "客户数",
    "reward_fen": ("一次性奖励（分）", "one-off reward in fen"),
    "rights": "权益说明",
    "leaderboard": "排行榜",
    "home_page": ("首页路径", "page of the mall"),
    "product_page": ("商品页路径", "page of a product"),
    "reason": ("说明", "reason"),
    "token": ("链接标识", "token of a link"),
}
