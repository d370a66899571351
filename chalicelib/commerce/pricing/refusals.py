"""Why something about prices is refused, in both languages, and the names of the fields that come in. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

# a coupon of a purchase: the codes are the words of `coupons.rules.Unusable`
COUPON_NOT_YET = Reason("not_yet", "{label}还没到使用时间", "{label} cannot be used yet")
COUPON_EXPIRED = Reason("expired", "{label}已过期，请换一张", "{label} has expired; choose another one")
COUPON_LOCKED = Reason(
    "locked", "{label}已用于另一个未付款的订单，请换一张或先取消那个订单",
    "{label} is in another order that is not paid yet; choose another one, or cancel that order",
)  # fmt: skip
COUPON_USED = Reason("used", "{label}已使用，请换一张", "{label} has been used; choose another one")
COUPON_SCOPE = Reason("scope", "{label}不适用于所选商品", "{label} is for none of these goods")
COUPON_THRESHOLD = Reason(
    "threshold", "{label}适用的商品金额未达到使用门槛，可再选购一些",
    "the goods that {label} is for do not cost enough yet; add some more",
)  # fmt: skip
NOTHING_TO_TAKE_OFF = Reason(
    "nothing_to_take_off", "{label}在这次购买中没有可抵扣的金额", "there is nothing that {label} could take off"
)
COUPON_COMBINATION = Reason(
    "combination", "{label}不能与前面的优惠券同时使用，同类优惠券只能用一张",
    "{label} cannot be used together with one before it: of each kind an order takes one",
)  # fmt: skip
#: Why a coupon cannot be used, by the word that stands as `why` in a quote and in the refusal.
UNUSABLE: dict[str, Reason] = {
    reason.code: reason
    for reason in (
        COUPON_NOT_YET, COUPON_EXPIRED, COUPON_LOCKED, COUPON_USED, COUPON_SCOPE, COUPON_THRESHOLD,
        NOTHING_TO_TAKE_OFF, COUPON_COMBINATION,
    )
}  # fmt: skip

# freight templates and promotions
TOO_MANY_TEMPLATES = Reason(
    "too_many_freight_templates", "最多保存 {limit} 个运费模板，请先删除不用的",
    "at most {limit} freight templates can be kept; delete one that is not used",
)  # fmt: skip
TEMPLATE_IN_USE = Reason(
    "freight_template_in_use", "还有 {count} 件商品使用这个运费模板，如 {products}；请先给它们换一个",
    "{count} products use this freight template, such as {products}; give them another one first",
)  # fmt: skip
TOO_MANY_PROMOTIONS = Reason(
    "too_many_promotions", "最多保存 {limit} 个促销活动，请先删除已结束的",
    "at most {limit} promotions can be kept; delete one that is over",
)  # fmt: skip
ENDS_BEFORE_IT_STARTS = Reason(
    "ends_before_it_starts", "结束时间应晚于开始时间", "the promotion must end later than it starts"
)
EACH_SKU_ONCE = Reason("each_sku_once", "{label}中每个规格只能出现一次", "each SKU may stand once in {label}")

FIELDS: Labels = {
    "template_id": ("运费模板编号", "freight template"),
    "by": ("计费方式", "way of charging"),
    "rules": "运费规则",
    "regions": "地区",
    "unserved": ("不配送地区", "regions not served"),
    "note": "说明",
    "first": ("首件（首重）", "first step"),
    "first_fen": ("首件运费（分）", "freight of the first step in fen"),
    "further": ("续件（续重）", "further step"),
    "further_fen": ("续件运费（分）", "freight of a further step in fen"),
    "free_from_fen": ("包邮门槛（分）", "amount in fen from which freight is free"),
    "promotion_id": ("促销编号", "promotion"),
    "kind": ("促销类型", "kind of promotion"),
    "scope": "适用范围",
    "categories": "分类",
    "products": "商品",
    "excluded_products": ("除外商品", "excluded products"),
    "starts_at": ("开始时间", "start"),
    "ends_at": ("结束时间", "end"),
    "priority": "优先级",
    "segments": "会员分层",
    "prices": "促销价格",
    "price_fen": ("价格（分）", "price in fen"),
    "pieces": "件数",
    "tiers": "优惠档位",
    "percent_off": ("折扣百分比", "percent off"),
    "threshold_fen": ("满额门槛（分）", "threshold in fen"),
    "off_fen": ("减免金额（分）", "amount off in fen"),
    "limit": ("每单限购件数", "limit of an order"),
    "every": ("每满重复减免", "every"),
    "floor_bp": ("最低折后比例（万分之一）", "floor in basis points"),
}
