"""Why an order is refused, in both languages, and the names of the fields that come in. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

# what is asked for
LINES_OR_CART = Reason("lines_or_cart", "请选择商品，或从购物车下单", "name lines, or from_cart: true")
LINES_AND_CART = Reason(
    "lines_and_cart", "从购物车下单时不能再另选商品", "name either lines or from_cart, and not both"
)
GROUP_OF_ONE_LINE = Reason(
    "group_of_one_line",
    "拼团订单只能有一种商品，且不能从购物车下单",
    "an order of a group-buy has exactly one line, and is not made from the cart",
)
OPEN_OR_JOIN = Reason(
    "open_or_join",
    "请选择开团的活动，或要参加的团，二者选一",
    "name either an activity_id (and a size), to open a lobby, or a lobby_id, to join one",
)
SIZE_OF_ITS_OWN = Reason("size_of_its_own", "参团时不能选择人数，该团的人数已定", "a lobby has its size already")
ORDER_TOO_LARGE = Reason(
    "order_too_large", "订单金额过大，请减少商品，分几次下单", "the order is too large; split it into several"
)

# what is on offer
OFF_SALE = Reason("off_sale", "{name} 已下架，请从订单中移除", "{name} is no longer on sale; remove it from the order")
SOLD_OUT_NAMED = Reason("sold_out_named", "{name} 已售罄", "{name} is sold out")
FEW_LEFT_NAMED = Reason("few_left_named", "库存不足：{name} 只剩 {left} 件", "out of stock: {name}, only {left} left")
SHORT_NAMED = Reason(
    "short_named", "库存不足：{name}，请减少件数或稍后再试", "out of stock: {name}; order fewer, or try again later"
)
SOLD_OUT_LINE = Reason("sold_out_line", "{label}已售罄", "{label} is sold out")
FEW_LEFT_LINE = Reason("few_left_line", "库存不足：{label}只剩 {left} 件", "out of stock: {label}, only {left} left")
PRICE_IS_NOW = Reason(
    "price_is_now",
    "价格已变动，现在应付 {yuan} 元，请确认后重新提交",
    "the price has changed to ¥{yuan}; please confirm it and order again",
)

FIELDS: Labels = {
    "lines": "商品",
    "lines.sku_id": ("商品", "product"),
    "from_cart": "是否从购物车下单",
    "address_id": ("收货地址", "address"),
    "coupon_ids": ("优惠券", "coupon"),
    "group": ("拼团", "group-buy"),
    "activity_id": ("拼团活动", "activity"),
    "size": "拼团人数",
    "lobby_id": ("团", "lobby"),
    "expected_payable_fen": ("应付金额（分）", "payable amount in fen"),
    "remark": "备注",
}
