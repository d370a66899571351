"""Why templates, codes, grants and claims are refused, in both languages, and the names of the fields. Pure.

A shopper is told the coupon by its name, and what they can do. Reasons that only operators meet say which fields go
together.
"""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason, Term

# what shoppers are told
NO_SUCH_TEMPLATE = Reason("no_such_coupon_template", "没有这个优惠券", "there is no such coupon template")
NOT_TO_BE_GOT = Reason(
    "coupon_not_to_be_got",
    "这张优惠券现在不能领取，可看看领券中心的其他优惠券",
    "this coupon cannot be got now; see the others in the coupon centre",
)
NOT_OFFERED = Reason(
    "coupon_not_given_out", "“{name}”目前暂停发放或已过期，请稍后再试", "“{name}” is paused or over; try again later"
)
SOLD_OUT = Reason(
    "coupon_sold_out", "“{name}”已被领完，可看看其他优惠券", "all of “{name}” are gone; see the other coupons"
)
SOLD_OUT_FOR_CODES = Reason(
    "coupon_sold_out_for_codes",
    "“{name}”已被领完，兑换码仍然有效，可稍后再试",
    "all of “{name}” are gone; the code stays good, so try again later",
)
LIMIT_REACHED = Reason(
    "coupon_limit_reached",
    "“{name}”每人限领 {limit} 张，您已领满",
    "you have had all of “{name}” that a member may: {limit}",
)
ONLY_FOR_NEW_CUSTOMERS = Reason(
    "coupon_for_new_customers", "“{name}”仅限新客领取", "“{name}” is for members who have not bought anything yet"
)
ONLY_FOR_SOME = Reason(
    "coupon_for_some_members", "“{name}”仅限指定会员领取", "“{name}” is for some members, and you are not among them"
)

# codes
WRONG_CODE = Reason(
    "coupon_code_wrong", "兑换码不正确，请核对后重新输入", "there is no such code; check it and enter it again"
)
TOO_MANY_WRONG_CODES = Reason(
    "too_many_wrong_codes",
    "输错的兑换码太多，请 {minutes} 分钟后再试",
    "too many wrong codes were entered; try again in {minutes} min",
)
CODES_AT_ONCE = Reason(
    "codes_at_once", "您同时提交了多个兑换码，请重新输入", "several codes were entered at once; enter this one again"
)
CODE_REDEEMED = Reason(
    "code_redeemed", "这个兑换码已被使用，请换一个", "this code has been redeemed; enter another one"
)
CODE_REDEEMED_BY_YOU = Reason(
    "code_redeemed_by_you",
    "您已兑换过这个码，请到“我的优惠券”查看",
    "you have redeemed this code; the coupon is among yours",
)

# shared coupons
SHARE_TOKEN_UNKNOWN = Reason(
    "share_token_unknown",
    "分享链接无效，请让好友重新分享",
    "this share link is not good; ask your friend to share again",
)
OWN_SHARE = Reason(
    "own_share",
    "不能领取自己分享的优惠券，请发给好友领取",
    "you cannot claim what you share yourself; send it to a friend",
)
SHARE_CLAIMED = Reason(
    "share_claimed",
    "好友分享的“{name}”每人只能领 {limit} 次，您已领过",
    "a friend's “{name}” can be claimed {limit} time, and you have claimed it",
)

# what a template is worth
NEEDED_FOR_KIND = Reason("needed_for_coupon_kind", "{kind}要填写{label}", "{label} is needed for {kind}")
NOT_OF_KIND = Reason("not_of_coupon_kind", "{kind}不能填写{label}", "{label} does not go with {kind}")
PRODUCTS_TO_EXCHANGE = Reason(
    "products_to_exchange",
    "换购券要指定可换购的商品",
    "name the products that the coupon is exchanged for",
)
FREIGHT_GOES_WITH_ALL = Reason(
    "freight_goes_with_all",
    "包邮券本来就可与其他优惠券同用，不必设为可叠加",
    "a coupon for the freight goes with every other one already",
)

# how long it is good, who gets it in which way, and how many there are
DATES_OR_DAYS = Reason(
    "dates_or_days",
    "{label}请填写起止时间，或填写领取后的有效天数，只能二选一",
    "{label} is either a time until which it is good, or a number of days",
)
UNTIL_NEEDED = Reason(
    "coupon_until_needed", "填写了生效时间，就要填写失效时间", "where there is a start time, an end time is needed"
)
UNTIL_AFTER_FROM = Reason(
    "coupon_until_after_from", "失效时间应晚于生效时间", "the end time must be after the start time"
)
SHARE_LIMIT_NEEDED = Reason(
    "share_limit_needed",
    "支持好友分享的优惠券要填写{label}",
    "{label} is needed where members share the coupon",
)
NOT_SHARED = Reason(
    "coupon_not_shared", "不支持好友分享的优惠券不能填写{label}", "{label} does not go with a coupon that nobody shares"
)
ISSUED_ALREADY = Reason(
    "coupons_issued_already",
    "{label}不能少于已发放的 {issued} 张",
    "{label} must not be less than the {issued} that were issued already",
)

# batches of codes, and grants
NOT_FOR_CODES = Reason(
    "template_not_for_codes",
    "这个优惠券模板未开启兑换码领取，请先修改领取方式",
    "coupons of this template are not for codes; change the ways to get them first",
)
NO_SUCH_BATCH = Reason("no_such_code_batch", "没有这批兑换码", "there is no such batch of codes")
BATCH_EXPORTED = Reason(
    "code_batch_exported",
    "这批兑换码已导出过，只能导出一次，请重新生成一批",
    "this batch was exported before, which is done once; make another batch",
)
NOT_FOR_GRANTS = Reason(
    "template_not_for_grants",
    "这个优惠券模板未开启批量发放，请先修改领取方式",
    "coupons of this template are not granted; change the ways to get them first",
)
NOT_PUBLISHED = Reason(
    "template_not_published",
    "这个优惠券模板未发布或已过期，请先发布",
    "this template is not published, or is over; publish it first",
)
WHO_GETS_THEM = Reason(
    "who_gets_coupons",
    "请在会员名单、人群条件、已生成的人群包和全部会员中选一种",
    "name either members, or an audience, or a list that was made of one, or all",
)
NO_SUCH_GRANT = Reason("no_such_coupon_grant", "没有这次发放", "there is no such grant")
GRANT_WITHOUT_LIST = Reason(
    "grant_without_list",
    "这次发放不是按会员名单进行的，不能追加会员",
    "this grant is not to a list, so no members can be added",
)

ANOTHER_OPERATOR = Reason(
    "another_operator_for_coupons",
    "您已同意发布；这些优惠券的总价值超过单人权限，需要另一位操作员发布",
    "you have published this already; it is above what one operator may let out, so another must publish it too",
)
WORTH_MORE_NOW = Reason(
    "coupons_worth_more_now",
    "这些优惠券的总价值超过单人权限，且尚未由两人同意，请重新发布",
    "these coupons are worth more than was agreed on, or nobody has agreed yet; publish the template again",
)

#: What a coupon is called, by its kind.
KINDS: dict[str, Term] = {
    "amount_off": Term("amount_off", "满减券", "a coupon for an amount"),
    "percent_off": Term("percent_off", "折扣券", "a coupon for a percentage"),
    "free_shipping": Term("free_shipping", "包邮券", "a coupon for the freight"),
    "exchange": Term("exchange", "换购券", "a coupon for an exchange"),
}

FIELDS: Labels = {
    "template_id": ("优惠券模板", "coupon template"),
    "batch_id": ("兑换码批次", "batch of codes"),
    "grant_id": ("发放任务", "grant"),
    "name": "优惠券名称",
    "kind": "优惠券类型",
    "amount_fen": ("金额（分）", "amount in fen"),
    "percent_off": ("减免百分比", "percentage off"),
    "ceiling_fen": ("最高减免（分）", "ceiling in fen"),
    "threshold_fen": ("使用门槛（分）", "threshold in fen"),
    "scope": "适用范围",
    "categories": "适用分类",
    "products": "适用商品",
    "excluded_products": "不适用商品",
    "stacking": "叠加方式",
    "returns": ("退款后是否退回", "whether it comes back after a refund"),
    "total": ("发放总量", "total"),
    "limit_per_member": ("每人限领数量", "limit per member"),
    "valid": ("有效期", "validity"),
    "valid.from": ("生效时间", "start time"),
    "valid.until": ("失效时间", "end time"),
    "until": ("失效时间", "end time"),
    "days": ("有效天数", "number of days"),
    "how": ("领取方式", "ways to get it"),
    "audience": "人群条件",
    "audience_id": ("人群包", "audience's list"),
    "segments": "会员分层",
    "tags": "会员标签",
    "new_customers": "仅限新客",
    "share_limit": ("分享奖励上限", "share limit"),
    "publish": "是否立即发布",
    "state": "优惠券状态",
    "code": "兑换码",
    "share_token": ("分享口令", "share token"),
    "count": ("兑换码数量", "number of codes"),
    "members": "会员名单",
    "all": ("全部会员", "all members"),
    "second_operator_above_fen": ("须两人同意的金额（分）", "sum in fen above which two operators must agree"),
}
