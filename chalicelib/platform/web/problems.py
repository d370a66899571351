"""Refusals as application/problem+json (RFC 9457), in the reader's language, with nothing internal in them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chalicelib.core.errors import FieldError, MallError

CONTENT_TYPE = "application/problem+json"


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The form of every error answer. `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldProblem] = []


def render(error: MallError, language: str, request_id: str) -> bytes:
    """The error as a problem document; its extra data (SKUs, a new quote) stands beside the usual fields."""
    status = error.status
    document: dict[str, Any] = {
        "type": f"/docs#error-{error.code}",
        "title": error.code.replace("_", " "),
        "status": status,
        "code": error.code,
        "detail": error.text(language),
        "request_id": request_id,
    }
    if error.errors:
        document["errors"] = [{"field": e.field, "message": _translate(e.message, language)} for e in error.errors]
    document.update((name, value) for name, value in error.data.items() if name not in document)
    return msgspec.json.encode(document)


#: None of these is compiled before it is needed: together they would be ten milliseconds of every cold start.
_PATH = r"(?s)^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$"
_FIELD = r"^Object (?:missing required|contains unknown) field `(.+)`$"
_KEY = r"^key` in `"  # msgspec on the keys of a map: "at `key` in `$.specs`"


def from_validation(fault: msgspec.ValidationError, where: str = "") -> MallError:
    """The 400 that names the field msgspec stumbled over; `where` stands for the whole when no field is named."""
    match = re.match(_PATH, str(fault))
    what, path = (match["what"], match["path"] or "") if match else (str(fault), "")
    path = re.sub(_KEY, "", path).strip().removeprefix("$").removeprefix(".").replace("[...]", "[]")
    named = re.match(_FIELD, what)
    if named:
        path = f"{path}.{named[1]}" if path else named[1]
    return MallError("malformed", errors=(FieldError(path or where, what),))


_ZH: list[tuple[str, str]] = [
    (r"^Object missing required field `.*`$", "缺少必填字段"),
    (r"^Object contains unknown field `.*`$", "未知字段"),
    (r"^Expected `(?:\w+)` of length (>=|<=) (\d+)$", r"长度应 \1 \2"),
    (r"^Expected `(?:\w+)` (>=|<=|>|<) (\S+)$", r"应 \1 \2"),
    (r"^Expected `\w+` matching regex .*$", "格式不正确"),
    (r"^Expected `(.*)`, got `(.*)`$", r"类型应为 \1，实际为 \2"),
    (r"^Invalid enum value (.*)$", r"不是允许的取值：\1"),
    (r"^JSON is malformed.*$", "不是合法的 JSON"),
    (r"^Expected `datetime` with a timezone component$", "时间要带时区"),
    (r"^Invalid RFC3339 encoded datetime$", "不是 RFC 3339 格式的时间"),
    # our own
    (r"^at most (\d+)$", r"最多 \1"),
    (r"^at most (\d+) (\w+)$", r"最多 \1 个"),
    (r"^no such SKU$", "没有这个 SKU"),
    (r"^no such address$", "没有这个收货地址"),
    (r"^no such category$", "没有这个分类"),
    (r"^no such refund of this order$", "该订单没有这笔退款"),
    (r"^named twice$", "重复出现"),
    (r"^name lines, or from_cart: true$", "请给出 lines，或 from_cart: true"),
    (r"^name either lines or from_cart$", "lines 与 from_cart 只能给出一个"),
    (r"^the order is too large$", "订单金额过大"),
    (r"^nothing of this SKU is left in the order$", "订单中没有可退的该 SKU"),
    (r"^its refunds were refused too often$", "该订单的退款申请多次被拒绝，请联系客服"),
    (r"^this parcel was sent with other pieces$", "该运单号已用于其他商品"),
    (r"^not a cursor of this list$", "不是该列表的翻页标记"),
    (r"^needs a word$", "请输入搜索词"),
    (r"^two SKUs have this code$", "SKU 编码重复"),
    (r"^another SKU has the same values$", "与另一个 SKU 规格相同"),
    # withdrawals
    (r"^after tax and fee at least (\d+) fen must be left$", r"扣除税费后应至少剩 \1 分"),
    (r"^must not be below min_fen$", "不能低于 min_fen"),
    (r"^at most (\d+) withdrawals a day$", r"每天最多提现 \1 次"),
    (r"^at most (\d+) a day$", r"每天最多 \1"),
    # distribution
    (r"^one rate for each level$", "每一级都要有比例"),
    (r"^no such tier in the settings$", "设置中没有这个等级"),
    (r"^each tier has an id of its own, other than standard$", "等级编号不能重复，也不能是 standard"),
    (r"^not before from$", "不能早于 from"),
    (r"^no day of this mall$", "日期不在范围内"),
    (r"^name an order or a member, one of them$", "order_id 与 member_id 请给出其中一个"),
    (r"^name a queue or a member, not both$", "queue 与 member_id 只能给出一个"),
    # group-buy
    (r"^one of (\d.*)$", r"应为 \1 之一"),
    (r"^not part of this group-buy$", "该 SKU 不参加此拼团"),
    (r"^a lobby has its size already$", "参团时不用给出人数"),
    (r"^name either an activity_id .*$", "开团给出 activity_id（和人数），参团给出 lobby_id，二者只能选一"),
    (r"^an order of a group-buy has exactly one line.*$", "拼团订单只能有一个商品行，且不能从购物车下单"),
    (r"^no coupon template that can be granted$", "没有这个可发放的优惠券模板"),
    (r"^no such coupon$", "没有这张优惠券"),
    (r"^in another order$", "已用于其他订单"),
    (r"^no such lobby$", "没有这个团"),
    (r"^no such activity$", "没有这个活动"),
    (r"^for new customers only$", "仅限未购买过的新客参团"),
    (r"^while its lobby is open, an order is refunded whole$", "拼团中的订单只能整单退款"),
    (r"^must be after starts_at$", "应晚于 starts_at"),
    (r"^is over$", "已经过去"),
    (r"^a year from (\d+) to (\d+)$", r"年份应在 \1 至 \2 之间"),
    (r"^each size once$", "人数重复"),
    (r"^each SKU once$", "SKU 重复"),
    (r"^no such product$", "没有这个商品"),
    (r"^no such SKU of this product$", "该商品没有这个 SKU"),
    (r"^is not offered$", "不在 sizes 之中"),
    (r"^none for size (\d+)$", r"缺少 \1 人团的价格"),
    (r"^this SKU and size has a price already$", "该 SKU 与人数已有价格"),
    (r"^must not be above price_fen$", "不能高于 price_fen"),
    (r"^\S+ needs a price for every step$", "阶梯的每一级都要有价格"),
    (r"^\S+ costs more with (\d+) than with (\d+)$", r"满 \1 人的价格不能高于满 \2 人"),
    (r"^name every SKU that has a price .*$", "请给出全部参加拼团的 SKU，或都不给出"),
    (r"^cannot be changed.*$", "不能修改，请另建活动"),
    # coupons and promotions
    (r"^needed for this kind$", "此类优惠券需要给出"),
    (r"^not of this kind$", "此类优惠券没有这一项"),
    (r"^at least (\d+)$", r"至少 \1"),
    (r"^(\d+) to (\d+)$", r"应为 \1 至 \2"),
    (r"^name the products that it is exchanged for$", "请给出可兑换的商品"),
    (r"^a coupon for the freight goes with every other already$", "运费券本来就能与其他券同用"),
    (r"^either from and until, or days$", "要么给出 from 与 until，要么给出 days"),
    (r"^needed with from$", "给出 from 时必须给出"),
    (r"^after from$", "应晚于 from"),
    (r"^needed where members share it$", "可分享的优惠券需要给出"),
    (r"^nobody shares it$", "不可分享的优惠券没有这一项"),
    (r"^at most limit_per_member$", "不能超过 limit_per_member"),
    (r"^no such token of this template$", "不是这张优惠券的分享标记"),
    (r"^(\d+) were issued already$", r"已发出 \1 张"),
    (r"^its time is over$", "已经过期"),
    (r"^this template is not for (codes|grants)$", "这个模板不含此种发放方式"),
    (r"^this grant is not to a list$", "这次发放没有会员名单"),
    (r"^either members, or audience, or all: true$", "members、audience、all: true 只能给出一个"),
    (r"^must be later than starts_at$", "应晚于 starts_at"),
    (r"^at most (\d+) promotions; delete one that is over$", r"最多 \1 个促销，请先删除已结束的"),
    # why a coupon cannot be used
    (r"^not_yet$", "还没到使用时间"),
    (r"^expired$", "已过期"),
    (r"^locked$", "已用于其他待付款的订单"),
    (r"^used$", "已使用"),
    (r"^scope$", "不适用于这些商品"),
    (r"^threshold$", "未达到使用门槛"),
    (r"^nothing_to_take_off$", "没有可抵扣的金额"),
    (r"^combination$", "同类优惠券只能用一张"),
]


def _translate(message: str, language: str) -> str:
    if language != "en":
        for pattern, text in _ZH:
            if re.match(pattern, message):  # which keeps what it has compiled
                return re.sub(pattern, text, message)
    return message
