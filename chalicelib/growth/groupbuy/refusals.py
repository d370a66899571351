"""Why something about a group-buy is refused, in both languages, and the names of the fields that come in. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

# opening and joining a lobby
NO_SUCH_LOBBY = Reason(
    "no_such_lobby", "没有找到这个团，可另开一团", "there is no such lobby; you can open one yourself"
)
NO_SUCH_ACTIVITY = Reason(
    "no_such_activity", "没有这个拼团活动，可看看其他活动", "there is no such group-buy; have a look at the others"
)
LOBBY_FULL = Reason("lobby_full", "该团已满员，可另开一团", "this lobby is full; you can open one yourself")
LOBBY_OVER = Reason("lobby_over", "该团已结束，可另开一团", "this lobby is over; you can open one yourself")
LOBBY_OVER_UNPAID = Reason(
    "lobby_over_unpaid",
    "该团已结束，订单不能再付款，可取消后另开一团",
    "the lobby of this order is over, so it cannot be paid any more; cancel it and open a lobby yourself",
)
ALREADY_IN_LOBBY = Reason(
    "already_in_lobby",
    "您已在该团中，可邀请好友来参团",
    "you have a seat in this lobby already; invite others to join",
)
OWN_LOBBY = Reason(
    "own_lobby",
    "您退出了自己开的团，不能再参加该团，可另开一团",
    "you opened this lobby and left it, so you cannot join it; you can open another one",
)
SEATS_HELD = Reason(
    "seats_held",
    "您已占用 {limit} 个未付款的团位，请先付款或取消，再开团或参团",
    "you hold {limit} unpaid seats of group-buys already; pay for one or cancel it first",
)
SEAT_LET_GO = Reason(
    "seat_let_go",
    "您在该团占用过座位而未付款，不能再次参加，可另开一团",
    "you let a seat in this lobby go unpaid and cannot have one there again; you can open one yourself",
)
ACTIVITY_NOT_BEGUN = Reason(
    "activity_not_begun",
    "活动尚未开始，将于北京时间 {begins_at} 开始，届时再来",
    "this group-buy begins at {begins_at}, Beijing time; come back then",
)
ACTIVITY_OVER = Reason(
    "activity_over", "活动已结束，可看看其他拼团活动", "this group-buy is over; have a look at the others"
)
NEW_CUSTOMERS_ONLY = Reason(
    "group_for_new_customers",
    "该团仅限新客参加，您可以自己开团邀请新客",
    "only new customers may join this lobby; you can open one yourself and invite them",
)
PURCHASE_LIMIT = Reason(
    "purchase_limit",
    "该活动每人限购 {limit} 件，已购买的也计算在内，请减少数量",
    "this group-buy sells at most {limit} pieces to a member, earlier orders included; order fewer",
)
NOT_IN_GROUP_BUY = Reason(
    "not_in_group_buy", "该{label}不参加这个拼团，请换一个规格", "this {label} is not part of this group-buy"
)
SIZE_NOT_OFFERED = Reason(
    "size_not_offered", "{label}请从 {sizes} 中选择", "{label} must be one of {sizes}"
)  # fmt: skip
LOBBY_IS_ENDING = Reason(
    "lobby_is_ending",
    "该团已结束，正在处理结果，请稍后再申请退款",
    "the lobby of this order is over and being settled; ask for the refund again in a moment",
)
DRAW_IS_MADE = Reason(
    "draw_is_made",
    "活动已结束，正在开奖，请稍后查看结果",
    "the activity is over and being drawn; look at the result in a moment",
)

# making and changing an activity
ACTIVITY_EXISTS = Reason(
    "activity_exists",
    "完全相同的活动已存在，尚未结束；确需再建一个，请更换名称，或使用新的 Idempotency-Key",
    "the very same activity is there and not over; for another one give it another name, or a new Idempotency-Key",
)
NOT_BEFORE_END = Reason("ends_before_start", "结束时间必须晚于开始时间", "the end must be after the start")
DRAW_TOO_LATE = Reason(
    "draw_too_late",
    "按活动统一开奖的抽奖团，须在开始后 {days} 天内结束（已开始的从现在起算）：微信支付只在付款后一年内可退款",
    "a lottery that is drawn over the whole activity must end within {days} days of its start, or of now where that is"
    " later: WeChat refunds a payment for a year only",
)
NO_SUCH_SKU_OF_PRODUCT = Reason("no_such_sku_of_product", "该商品没有这个规格", "the product has no such SKU")
VARIANT_NAME = Reason(
    "variant_name",
    "{label}不能重复，也不能为 {reserved}",
    "{label} must be unique, and not {reserved}",
)
SHARES_TOO_LARGE = Reason(
    "shares_too_large",
    "各实验组的占比合计不能超过 {limit}（万分之一）",
    "the shares of all variants may be {limit} basis points in all",
)
STOCK_DIFFERS_FROM_PRICES = Reason(
    "stock_differs_from_prices",
    "预留库存应包含且仅包含所有定了拼团价的规格，或完全不设",
    "set pieces aside for every SKU that has a price in this group-buy and for no other, or for none",
)
MIN_FILL_OF_LADDER = Reason(
    "min_fill_of_ladder",
    "阶梯拼团不设最低成团人数，由第一级阶梯决定",
    "a ladder has no least number of seats of its own: its first step says that",
)
MIN_FILL_TOO_LARGE = Reason(
    "min_fill_too_large", "最低成团人数不能超过最大的成团人数 {limit}", "the least is at most {limit}, the largest size"
)
LOTTERY_MISSING = Reason("lottery_missing", "抽奖团需要填写抽奖规则", "a lottery needs the rules by which it is drawn")
LOTTERY_UNEXPECTED = Reason(
    "lottery_unexpected", "只有抽奖团才能填写抽奖规则", "only a lottery has rules by which it is drawn"
)
NO_VARIANTS_OF_LOTTERY = Reason(
    "no_variants_of_lottery",
    "抽奖团不能分实验组：所有人的中奖机会相同",
    "a lottery has no variants: everybody has the same chance",
)
TOO_MANY_WINNERS = Reason(
    "too_many_winners",
    "每团中奖人数不能超过最小的成团人数 {limit}",
    "there are at most {limit} winners in each lobby, its smallest size",
)
SIZE_OF_PRICE = Reason(
    "size_of_price", "该价格的成团人数不在活动提供的人数中", "the size of this price is not one that is offered"
)
PRICE_TWICE = Reason("price_twice", "该规格在这个成团人数下已有价格", "this SKU has a price for this size already")
LEADER_PRICE_ABOVE = Reason(
    "leader_price_above", "团长价不能高于拼团价", "the leader's price must not be above the others'"
)
SIZE_WITHOUT_PRICE = Reason("size_without_price", "{size} 人团还没有定价", "there is no price for lobbies of {size}")
STEP_WITHOUT_PRICE = Reason(
    "step_without_price",
    "规格 {sku_id} 在每一级阶梯都要有价格",
    "{sku_id} needs a price on every step of the ladder",
)
PRICE_RISES = Reason(
    "price_rises",
    "规格 {sku_id} 的 {higher} 人价格不能高于 {lower} 人价格",
    "{sku_id} must not cost more with {higher} people than with {lower}",
)
SKU_TWICE = Reason("sku_set_aside_twice", "预留库存中同一规格只能出现一次", "each SKU is set aside once")
TOO_FEW_TO_SET_ASIDE = Reason(
    "too_few_to_set_aside",
    "规格 {sku_id} 的可售库存不足 {pieces} 件，不能预留，请减少数量或先补货",
    "fewer than {pieces} pieces of {sku_id} are free to be set aside; set fewer aside, or stock up first",
)
NOT_GRANTABLE = Reason(
    "consolation_not_grantable",
    "没有这个可以发放的优惠券模板",
    "there is no coupon template of this id that can be granted",
)
PRODUCT_FIXED = Reason(
    "product_fixed", "活动的商品不能更换，请另建活动", "the product cannot be changed; make another activity"
)
STOCK_FIXED = Reason(
    "set_aside_fixed",
    "已预留的库存不能更改，请结束该活动后另建",
    "what was set aside cannot be changed; end this activity and make another",
)
KIND_FIXED = Reason(
    "lottery_fixed",
    "抽奖团不能改为其他类型，其他类型也不能改为抽奖团，请另建活动",
    "a lottery cannot become something else, nor something else a lottery; make another activity",
)
BEGUN = Reason(
    "activity_begun",
    "活动已开始或已结束，不能修改，可结束该活动后另建",
    "this activity has begun or was ended and cannot be changed; end it and make another",
)

FIELDS: Labels = {
    "activity_id": ("活动", "activity"),
    "lobby_id": ("团", "lobby"),
    "kind": "拼团类型",
    "name": "名称",
    "size": "成团人数",
    "sizes": "成团人数",
    "prices": "拼团价",
    "price_fen": ("拼团价（分）", "price in fen"),
    "leader_price_fen": ("团长价（分）", "leader's price in fen"),
    "lobby_minutes": ("成团时限（分钟）", "minutes that a lobby is open"),
    "starts_at": ("开始时间", "start"),
    "ends_at": ("结束时间", "end"),
    "limit_per_member": "每人限购件数",
    "min_fill": ("最低成团人数", "least number of paid seats"),
    "new_customers_only": ("仅限新客参团", "for new customers only"),
    "stock": ("预留库存", "stock that is set aside"),
    "pieces": "件数",
    "variants": "实验组",
    "variants.name": ("实验组名称", "name of a variant"),
    "share_bp": ("占比（万分之一）", "share in basis points"),
    "lottery": "抽奖规则",
    "winners": ("中奖人数", "number of winners"),
    "per": "开奖范围",
    "prize": "奖品",
    "losers_coupon": ("未中奖安慰券", "coupon for losers"),
    "hold_minutes": ("付款时限（分钟）", "minutes that a seat is held"),
    "held_seats": ("每人未付款团位上限", "limit of a member's unpaid seats"),
}
