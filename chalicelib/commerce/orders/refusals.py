"""Why something about an order is refused, in both languages, and the names of the fields that come in. Pure.

What an order's or a refund's state does not allow is told with the state, the action, and what to do instead.
"""

from __future__ import annotations

from chalicelib.core.errors import Labels, MallError, Reason, Term

#: What an order is in each state, as a sentence about it says.
STATES: dict[str, Term] = {
    "awaiting_payment": Term("awaiting_payment", "尚未付款", "not paid yet"),
    "awaiting_group": Term("awaiting_group", "已付款，正在等待成团", "waiting for its group"),
    "awaiting_shipment": Term("awaiting_shipment", "已付款", "paid"),
    "shipped": Term("shipped", "已发货", "shipped"),
    "received": Term("received", "已收货", "received"),
    "completed": Term("completed", "已完成", "completed"),
    "closed": Term("closed", "已关闭", "closed"),
}
#: What somebody wants with an order: what people ask for, and the further actions of the table of its states.
ACTIONS: dict[str, Term] = {
    "cancel": Term("cancel", "取消", "cancelled"),
    "pay": Term("pay", "付款", "paid"),
    "ship": Term("ship", "发货", "shipped"),
    "receive": Term("receive", "确认收货", "confirmed as received"),
    "change_address": Term("change_address", "修改收货地址", "sent to another address"),
    "correct": Term("correct", "更正运单号", "given another tracking number"),
    "refund": Term("refund", "退款", "refunded"),
    "take_seat": Term("take_seat", "参团", "given a seat in a lobby"),
    "proceed": Term("proceed", "转入待发货", "sent to shipping"),
    "complete": Term("complete", "完成", "completed"),
    "close": Term("close", "关闭", "closed"),
    "refund_all": Term("refund_all", "全额退款", "refunded whole"),
}
ORDER_STATE = Reason(
    "order_state", "订单{state}，不能{action}", "the order is {state} and cannot be {action}"
)  # fmt: skip
ASK_FOR_A_REFUND = Reason(
    "ask_for_a_refund",
    "订单{state}，不能{action}，可申请退款",
    "the order is {state} and cannot be {action}; ask for a refund",
)
PAY_FIRST = Reason(
    "pay_first", "订单{state}，不能{action}，请先付款", "the order is {state} and cannot be {action}; pay for it first"
)
CANCEL_INSTEAD = Reason(
    "cancel_instead",
    "订单{state}，不能{action}，可直接取消订单",
    "the order is {state} and cannot be {action}; it can be cancelled",
)
ORDER_ANEW = Reason(
    "order_anew",
    "订单{state}，不能{action}，请重新下单",
    "the order is {state} and cannot be {action}; place a new one",
)
SENT_ALREADY = Reason(
    "sent_already", "订单{state}，没有待发货的商品", "the order is {state}; nothing of it is left to send"
)
WAIT_FOR_PAYMENT = Reason(
    "wait_for_payment",
    "订单{state}，不能{action}，请等待买家付款",
    "the order is {state} and cannot be {action}; wait until it is paid",
)
WAIT_FOR_GROUP = Reason(
    "wait_for_group",
    "订单{state}，不能{action}，请等待拼团结果",
    "the order is {state} and cannot be {action}; wait for the end of its group",
)
WAIT_FOR_PARCEL = Reason(
    "wait_for_parcel",
    "订单{state}，不能{action}，请等待发货",
    "the order is {state} and cannot be {action}; wait until it is shipped",
)
ASK_AGAIN_SOON = Reason(
    "ask_again_soon",
    "订单{state}，暂时不能{action}，请稍后再试",
    "the order is {state} and cannot be {action} at the moment; try again soon",
)
#: What to tell of a state and an action that do not go together, where there is more to tell than that.
ORDER_ADVICE: dict[tuple[str, str], Reason] = {
    ("awaiting_payment", "cancel"): ASK_AGAIN_SOON,
    ("awaiting_group", "cancel"): ASK_FOR_A_REFUND,
    ("awaiting_shipment", "cancel"): ASK_FOR_A_REFUND,
    ("shipped", "cancel"): ASK_FOR_A_REFUND,
    ("received", "cancel"): ASK_FOR_A_REFUND,
    ("awaiting_payment", "pay"): ASK_AGAIN_SOON,
    ("closed", "pay"): ORDER_ANEW,
    ("awaiting_payment", "ship"): WAIT_FOR_PAYMENT,
    ("awaiting_group", "ship"): WAIT_FOR_GROUP,
    ("awaiting_shipment", "ship"): SENT_ALREADY,
    ("shipped", "ship"): SENT_ALREADY,
    ("received", "ship"): SENT_ALREADY,
    ("completed", "ship"): SENT_ALREADY,
    ("awaiting_payment", "receive"): PAY_FIRST,
    ("awaiting_group", "receive"): WAIT_FOR_GROUP,
    ("awaiting_shipment", "receive"): WAIT_FOR_PARCEL,
    ("awaiting_payment", "refund"): CANCEL_INSTEAD,
    ("awaiting_group", "refund"): ASK_AGAIN_SOON,
}


def order_state(state: str, action: str) -> MallError:
    """Make the refusal `order_state`: an order in this state does not allow the action; with what to do instead."""
    reason = ORDER_ADVICE.get((state, action), ORDER_STATE)
    error = reason.at("order_id", state=STATES[state], action=ACTIONS[action])
    return MallError("order_state", state=state, errors=(error,))


#: What a refund is in each state, as a sentence about it says.
REFUND_STATES: dict[str, Term] = {
    "requested": Term("requested", "待审核", "waiting for a decision"),
    "approved": Term("approved", "已同意", "granted"),
    "processing": Term("processing", "正在到账", "being paid out"),
    "succeeded": Term("succeeded", "已到账", "paid out"),
    "rejected": Term("rejected", "已拒绝", "rejected"),
    "failed": Term("failed", "未能到账", "stuck at WeChat"),
}
#: What somebody wants with a refund: what operators ask for, and what WeChat says of it.
REFUND_ACTIONS: dict[str, Term] = {
    "approve": Term("approve", "同意", "granted"),
    "reject": Term("reject", "拒绝", "rejected"),
    "ask_again": Term("ask_again", "重新查询", "asked about again"),
    "push_anew": Term("push_anew", "重新提交", "handed to WeChat anew"),
    "hand_over": Term("hand_over", "提交微信支付", "handed to WeChat"),
    "pay_out": Term("pay_out", "到账", "paid out"),
    "fail": Term("fail", "记为失败", "marked as failed"),
}
REFUND_STATE = Reason("refund_state", "退款{state}，不能{action}", "the refund is {state} and cannot be {action}")
DECIDE_FIRST = Reason(
    "decide_first",
    "退款{state}，不能{action}，请先同意或拒绝",
    "the refund is {state} and cannot be {action}; grant or reject it first",
)
REFUND_ANEW = Reason(
    "refund_anew",
    "退款{state}，不能{action}，可由商家重新发起退款",
    "the refund is {state} and cannot be {action}; make a new one",
)
GRANTED_ALREADY = Reason(
    "granted_already",
    "退款{state}，不能{action}，款项会退回买家",
    "the refund is {state} and cannot be {action} any more: the money goes back to the buyer",
)
#: What to tell of a refund's state and an action that do not go together, where there is more to tell than that.
REFUND_ADVICE: dict[tuple[str, str], Reason] = {
    ("requested", "ask_again"): DECIDE_FIRST,
    ("rejected", "approve"): REFUND_ANEW,
    ("rejected", "ask_again"): REFUND_ANEW,
    ("approved", "reject"): GRANTED_ALREADY,
    ("processing", "reject"): GRANTED_ALREADY,
    ("failed", "reject"): GRANTED_ALREADY,
}


def refund_state(state: str, action: str) -> MallError:
    """Make the refusal `order_state`: a refund in this state does not allow the action; with what to do instead."""
    reason = REFUND_ADVICE.get((state, action), REFUND_STATE)
    error = reason.at("refund_id", state=REFUND_STATES[state], action=REFUND_ACTIONS[action])
    return MallError("order_state", state=state, errors=(error,))


# paying
PAY_TIME_OVER = Reason(
    "pay_time_over", "订单已超过支付时间，请重新下单", "the time to pay for this order is over; place a new one"
)
PAYMENT_REFUSED = Reason(
    "payment_refused",
    "微信支付拒绝了这笔付款，请联系商家",
    "WeChat Pay refused the payment of this order; please contact the shop",
)
PAYMENT_BEGUN_ELSEWHERE = Reason(
    "payment_begun_elsewhere",
    "这笔订单已用您的另一个微信账号发起支付，请用那个微信付款，或取消后重新下单",
    "the payment was begun with another WeChat account of yours; pay with that one, or cancel the order and order anew",
)

# refunds
NO_SUCH_REFUND = Reason("no_such_refund", "这个订单没有这笔退款", "there is no such refund of this order")
NOTHING_TO_REFUND = Reason(
    "nothing_to_refund",
    "订单中的商品均已退款或正在退款",
    "everything in this order has been refunded, or its refund has been asked for",
)
COMPLETED_SINCE = Reason(
    "completed_since",
    "订单已完成，超过了可退款期限，如有问题请联系商家",
    "the order is completed and the time for refunds is over; please contact the shop",
)
PAID_TOO_LONG_AGO = Reason(
    "paid_too_long_ago",
    "付款已超过 {days} 天，微信支付不再支持退款",
    "the order was paid more than {days} days ago; WeChat Pay refunds nothing after that",
)
REJECTED_TOO_OFTEN = Reason(
    "rejected_too_often",
    "订单的退款申请已被拒绝 {limit} 次，请联系商家处理",
    "refunds of this order were rejected {limit} times; please contact the shop",
)
TOO_MANY_REFUNDS = Reason(
    "too_many_refunds",
    "微信支付对一个订单最多退款 {limit} 次，最后一次须退回剩余的全部商品",
    "WeChat Pay refunds an order in at most {limit} parts; the last must take all that is left",
)
ORDER_TOO_LONG = Reason(
    "order_too_long",
    "订单的记录过长，无法继续添加，可一次退回剩余的全部商品",
    "too much has happened to this order to add more; all that is left can still be refunded at once",
)
WHOLE_WHILE_LOBBY_OPEN = Reason(
    "whole_while_lobby_open",
    "拼团或抽奖尚未结束，只能整单退款，不能只退部分商品",
    "while its lobby is open or its draw to come, an order can only be refunded whole",
)

ANOTHER_OPERATOR = Reason(
    "another_operator",
    "您已同意这笔退款；金额超过单人权限，需要另一位操作员同意",
    "you have agreed to this refund already; it is above what one operator may give back, so another must agree",
)

# pieces of an order, for a refund or a parcel
NOTHING_REMAINS = Reason(
    "nothing_remains",
    "{label}不在这个订单中，或已全部处理",
    "nothing of {label} remains in this order",
)
FEWER_REMAIN = Reason(
    "fewer_remain",
    "{label}最多为 {limit}，订单中只剩这么多",
    "{label} must be at most {limit}: no more remain in the order",
)

# parcels
PARCEL_DIFFERS = Reason(
    "parcel_differs",
    "该运单号已发货，且包裹中的商品不同，请核对运单号",
    "this tracking number was sent with other pieces; check the number",
)
TOO_MANY_PARCELS = Reason(
    "too_many_parcels",
    "一个订单最多 {limit} 个包裹，请将剩余商品一次发出",
    "an order has at most {limit} parcels; send all that remains in this one",
)
UNKNOWN_CARRIER = Reason(
    "unknown_carrier",
    "不认识这家快递公司，请从快递公司列表（GET /v1/carriers）中选择，或在订单设置中添加",
    "no such carrier is known; choose one of GET /v1/carriers, or add it to the settings of orders",
)
NO_SUCH_PARCEL = Reason("no_such_parcel", "这个订单没有这个包裹", "the order has no such parcel")
PARCEL_KNOWN = Reason(
    "parcel_known", "这个订单的另一个包裹已使用该运单号", "another parcel of this order has this tracking number"
)
PARCEL_LEFT = Reason(
    "parcel_left",
    "订单已有包裹发出，不能修改收货地址，请联系商家",
    "a parcel of this order has left, so its address stays; please contact the shop",
)

# the address of an order that was placed
ADDRESS_CHANGED_OFTEN = Reason(
    "address_changed_often",
    "收货地址已修改 {limit} 次，不能再修改，请联系商家",
    "the address was changed {limit} times and stays now; please contact the shop",
)
ADDRESS_OR_FIELDS = Reason(
    "address_or_fields",
    "请选择一个收货地址，或填写完整的新地址，二者选一",
    "name either an address_id, or the new address in full",
)
FREIGHT_DIFFERS = Reason(
    "freight_differs",
    "送到新地址的运费为 {yuan} 元，与订单不同，请联系商家，或取消后重新下单",
    "sending it there costs ¥{yuan}, which is not what was paid; contact the shop, or place a new order",
)
REGION_NOT_SERVED_NOW = Reason(
    "region_not_served",
    "新地址所在地区暂不配送，请换一个地址",
    "the shop does not deliver to that region; choose another address",
)

# coupons
IN_ANOTHER_ORDER = Reason(
    "in_another_order",
    "这张优惠券已用于其他订单，请换一张或先取消那个订单",
    "this coupon is in another order; choose another one, or cancel that order",
)

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

# how much one member may have
LET_GO = Reason(
    "let_go",
    "近一天内有多个订单未付款，现在最多同时保留 {limit} 个未付款订单，请先付款",
    "several orders of the last day were not paid, so at most {limit} may be unpaid now; pay for one first",
)
PIECES_PER_ORDER = Reason(
    "pieces_per_order",
    "{name} 每单限购 {limit} 件，请减少数量",
    "an order takes at most {limit} pieces of {name}; order fewer",
)
PIECES_HELD = Reason(
    "pieces_held",
    "{name} 未付款的最多 {limit} 件，现在还可下单 {left} 件，请减少数量，或先付款、取消其他订单",
    "at most {limit} unpaid pieces of {name}, {left} more now; order fewer, or pay or cancel another order first",
)
PIECES_PER_MEMBER = Reason(
    "pieces_per_member",
    "{name} 每人限购 {limit} 件，已购买的也计算在内，现在还可购买 {left} 件",
    "at most {limit} pieces of {name} to a member, earlier orders included; {left} more can be bought",
)
LIMITED_TOGETHER = Reason(
    "limited_together",
    "限购的商品种类太多，请分成几个订单",
    "there are too many products with a limit for each member; make several orders of them",
)

# what is on offer
OFF_SALE = Reason("off_sale", "{name} 已下架，请从订单中移除", "{name} is no longer on sale; remove it from the order")
SOLD_OUT_NAMED = Reason("sold_out_named", "{name} 已售罄", "{name} is sold out")
FEW_LEFT_NAMED = Reason("few_left_named", "库存不足：{name} 只剩 {left} 件", "out of stock: {name}, only {left} left")
SOLD_OUT_LINE = Reason("sold_out_line", "{label}已售罄", "{label} is sold out")
FEW_LEFT_LINE = Reason("few_left_line", "库存不足：{label}只剩 {left} 件", "out of stock: {label}, only {left} left")
PRICE_IS_NOW = Reason(
    "price_is_now",
    "价格已变动，现在应付 {yuan} 元，请确认后重新提交",
    "the price has changed to ¥{yuan}; please confirm it and order again",
)

FIELDS: Labels = {
    "pictures": ("图片", "pictures"),
    "lines": "商品",
    "lines.sku_id": ("商品", "product"),
    "from_cart": "从购物车下单",
    "address_id": ("收货地址", "address"),
    "coupon_ids": ("优惠券", "coupon"),
    "group": ("拼团", "group-buy"),
    "activity_id": ("拼团活动", "activity"),
    "size": "成团人数",
    "lobby_id": ("团", "lobby"),
    "expected_payable_fen": ("应付金额（分）", "expected amount in fen"),
    "remark": "备注",
    "refund_id": ("退款", "refund"),
    "queue": "订单队列",
    "carrier": "快递公司",
    "more_carriers": ("更多快递公司", "further carriers"),
    "n": ("包裹", "parcel"),
    "phone": ("手机号", "phone number"),
    "region_code": ("省市区编码", "region code"),
    "province": "省份",
    "city": "城市",
    "district": "区县",
    "detail": ("详细地址", "street address"),
    "tracking_no": ("运单号", "tracking number"),
    "restock": "退回库存",
    "pay_minutes": ("支付时限（分钟）", "minutes to pay"),
    "receive_days": ("自动确认收货天数", "days until receipt is taken for granted"),
    "refund_days": ("可退款天数", "days in which a refund can be asked for"),
    "conditions_lost": ("不再满足优惠条件时的退款方式", "what becomes of a refund that loses a condition"),
    "unpaid_max": ("未付款订单上限", "limit of unpaid orders"),
    "second_operator_above_fen": ("须两人同意的金额（分）", "sum in fen above which two operators must agree"),
    "hold_pieces": ("每种规格未付款件数上限", "limit of unpaid pieces of a SKU"),
}
