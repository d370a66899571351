"""Every refusal the mall can answer: one table of stable codes, and the exception that carries one.

A code is part of the wire contract. The table gives its HTTP status and what a person is told, in Chinese
and in English; `{names}` in a text are filled from the exception's data. What is wrong with a single field is a Reason,
which stands in the refusals.py of its wing. docs/errors.md is made from all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec


class Term(msgspec.Struct, frozen=True):
    """A word of the mall's own that a text is filled with: `code` for machines, and its name in each language."""

    code: str
    zh: str
    en: str


class Reason(msgspec.Struct, frozen=True):
    """Why a field is refused: a stable `code`, and the text for a person in each language.

    `{label}` in a text is the field's name in the reader's language, `{field}` the field as the client wrote it, and
    `{names}` are filled from the parameters. The reasons of a wing stand in its refusals.py, those that every wing may
    give in core/refusals.py.
    """

    code: str
    zh: str
    en: str

    def at(self, field: str, **params: Any) -> FieldError:
        """Say this of a field, as the client wrote it (`lines[0].quantity`); a parameter may be a Term."""
        return FieldError(field, self, params)


#: Names of fields for people, by the field's name or its path without indices: Chinese, or Chinese and English.
#: Where no English is given, it is the field's own name as words.
Labels = Mapping[str, str | tuple[str, str]]


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request, as `Reason.at` makes it."""

    field: str
    reason: Reason
    params: dict[str, Any] = {}

    def text(self, language: str, labels: Labels) -> str:
        """Give the text for a person, in `language` ("zh" or "en"), by the names that `labels` has for fields."""
        template = _said(self.reason, language)
        names = {"field": self.field, "label": _label(self.field, language, labels)}
        text = template.format_map(names | _in_language(self.params, language))
        return text[:1].upper() + text[1:] if language == "en" else text

    def data(self) -> dict[str, Any]:
        """Give the parameters for machines: a Term by its code."""
        return {name: value.code if isinstance(value, Term) else value for name, value in self.params.items()}


def _said(text: Term | Reason | Meaning, language: str) -> str:
    return text.en if language == "en" else text.zh


def _in_language(params: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The parameters as a text of this language shows them."""

    def shown(value: Any) -> Any:
        if isinstance(value, Term):
            return _said(value, language)
        if isinstance(value, list | tuple | set | frozenset):
            return (", " if language == "en" else "、").join(str(shown(one)) for one in value)
        return value

    return {name: shown(value) for name, value in params.items()}


def _label(field: str, language: str, labels: Labels) -> str:
    """The field's name for people; an item of a list says which: "quantity (item 2)"."""
    path = re.sub(r"\[\d*\]", "", field)
    name = path.rpartition(".")[2]
    known = labels.get(path) or labels.get(name)
    if isinstance(known, tuple):
        label = known[language == "en"]
    elif language == "en" or known is None:
        label = name.replace("_", " ")
    else:
        label = known
    places = re.findall(r"\[(\d+)\]", field)
    if not places:
        return label
    place = int(places[-1]) + 1
    return f"{label} (item {place})" if language == "en" else f"{label}（第 {place} 项）"


class Meaning(msgspec.Struct, frozen=True):
    """What a code means: HTTP status, and the text for a person."""

    status: int
    zh: str
    en: str


CODES: dict[str, Meaning] = {
    # the request itself
    "malformed": Meaning(400, "请求格式不正确", "The request is malformed"),
    "cursor_invalid": Meaning(400, "翻页标记无效", "The cursor is not one of this list"),
    "idempotency_key_missing": Meaning(
        400,
        "缺少 Idempotency-Key 请求头（1-64 个可见字符）",
        "The header Idempotency-Key is missing (1-64 printable characters)",
    ),
    "idempotency_key_reused": Meaning(
        422, "该 Idempotency-Key 已用于另一个请求", "This Idempotency-Key was used with another body"
    ),
    "too_large": Meaning(413, "请求体过大", "The body is too large"),
    "unauthenticated": Meaning(401, "请先登录", "Please log in"),
    "forbidden": Meaning(403, "没有权限", "You may not do this"),
    "not_found": Meaning(404, "未找到", "Not found"),
    "method_not_allowed": Meaning(405, "不支持该请求方法", "This method is not supported here"),
    "conflict": Meaning(409, "数据已被他人修改，请重试", "Somebody else changed this at the same time; try again"),
    "invalid": Meaning(422, "请求内容不符合规则", "The request breaks a rule"),
    "too_many_requests": Meaning(429, "操作过于频繁，请稍后再试", "Too many requests; try again later"),
    "internal": Meaning(500, "服务出错，请稍后再试", "Something went wrong on our side"),
    "unavailable": Meaning(503, "服务繁忙，请稍后再试", "A service we depend on is down; try again soon"),
    # members
    "wechat_code_invalid": Meaning(401, "登录凭证无效，请重新登录", "The WeChat login code is invalid"),
    "wechat_code_used": Meaning(401, "登录凭证已使用，请重新登录", "The WeChat login code was used before"),
    "wechat_user_blocked": Meaning(403, "该微信账号暂时无法登录", "WeChat blocks this account for now"),
    "address_limit": Meaning(422, "最多保存 {limit} 个收货地址", "At most {limit} addresses can be kept"),
    "account_open": Meaning(
        409, "尚有未完结的订单或未结清的佣金，暂不能注销", "Orders are under way, or commissions are not settled"
    ),
    "member_blocked": Meaning(
        403,
        "您的账号已被商家限制，暂时不能下单、领券或使用购物车，如有疑问请联系客服",
        "The shop has blocked this account from shopping; please contact the shop",
    ),
    # events
    "batch_reused": Meaning(422, "该 batch_id 已用于另一批事件", "This batch_id was used for another batch of events"),
    # operators
    "login_failed": Meaning(401, "账号或密码错误", "Wrong name or password"),
    "totp_required": Meaning(401, "请输入动态验证码", "The code of your second factor is needed, too"),
    "totp_wrong": Meaning(
        401,
        "动态验证码错误或已使用过，请用下一个",
        "The code of the second factor is wrong or was used before; take the next",
    ),
    "totp_not_set_up": Meaning(
        403, "请先设置动态验证码，再使用其他功能", "Set up your second factor first; nothing else is open until then"
    ),
    "origin_refused": Meaning(403, "请求不是来自本站页面", "This request comes from no page of this mall"),
    "name_taken": Meaning(409, "名称已被使用", "This name is taken"),
    "last_owner": Meaning(409, "至少要保留一位可用的所有者", "The mall needs at least one active owner"),
    # catalogue
    "category_in_use": Meaning(409, "分类下还有商品或子分类", "The category still has products or children"),
    "code_taken": Meaning(409, "编码已被使用：{taken}", "This code is taken: {taken}"),
    "stock_short": Meaning(409, "库存不足，无法减少", "There is not that much stock to take away"),
    "sku_in_use": Meaning(409, "该规格已有订单占用，不能删除", "Orders hold pieces of this SKU"),
    "freight_template_in_use": Meaning(409, "还有商品使用这个运费模板", "Products still use this freight template"),
    "catalogue_full": Meaning(422, "在售商品数量已达上限", "No more products can be published"),
    # cart, quote, order
    "cart_full": Meaning(422, "购物车最多 {limit} 种商品", "A cart holds at most {limit} lines"),
    "cart_empty": Meaning(422, "购物车中没有选中的商品", "Nothing is selected in the cart"),
    "product_unavailable": Meaning(409, "商品已下架", "Some of this is not on sale"),
    "region_not_served": Meaning(422, "该地区暂不配送", "We do not deliver to this region"),
    "price_changed": Meaning(409, "价格已变动，请确认后重新提交", "The price has changed; please confirm it"),
    "out_of_stock": Meaning(409, "库存不足", "Out of stock"),
    "too_many_unpaid": Meaning(
        422,
        "最多同时保留 {limit} 个未付款订单，请先付款或取消",
        "At most {limit} unpaid orders; pay or cancel one first",
    ),
    "order_state": Meaning(409, "订单当前状态不允许该操作", "The order's state does not allow this"),
    "freight_differs": Meaning(
        409, "送到新地址的运费不同，请联系商家", "Sending it there does not cost what was paid; contact the shop"
    ),
    "parcel_corrected": Meaning(
        409,
        "该订单的运单号已更正过一次，微信不再接受更正",
        "A tracking number of this order was corrected before, which WeChat takes once",
    ),
    "pay_time_over": Meaning(409, "已超过支付时间", "The time to pay is over"),
    "payment_refused": Meaning(409, "微信支付拒绝了该笔支付", "WeChat Pay refused this payment"),
    "nothing_to_refund": Meaning(422, "没有可退款的商品", "There is nothing left to refund"),
    "refund_limit": Meaning(
        422,
        "微信支付对一个订单最多退款 {limit} 次，最后一次须退回剩余的全部商品",
        "WeChat Pay refunds an order in at most {limit} parts; the last must take all that is left",
    ),
    "refund_window_over": Meaning(409, "已超过可退款期限", "The time for refunds is over"),
    "second_operator": Meaning(409, "需要另一位操作员同意", "Another operator must agree"),
    # coupons
    "coupon_unusable": Meaning(422, "这张优惠券不能用于这次购买", "This coupon cannot be used for this purchase"),
    "coupon_taken": Meaning(409, "优惠券已用于其他订单", "This coupon is in another order"),
    "sold_out": Meaning(409, "已被领完", "There are none left"),
    "claim_limit": Meaning(409, "每人限领 {limit} 张", "At most {limit} of these per member"),
    "coupon_not_offered": Meaning(409, "该优惠券当前不发放", "This coupon is not given out at the moment"),
    "code_unknown": Meaning(404, "兑换码无效", "There is no such code"),
    "code_used": Meaning(409, "兑换码已被使用", "This code has been redeemed"),
    "codes_exported": Meaning(409, "该批兑换码已导出过", "These codes were exported before, which is done once"),
    # group-buy
    "lobby_full": Meaning(409, "该团已满员", "All seats of this lobby are held or taken"),
    "lobby_over": Meaning(409, "该团已结束", "This lobby is over"),
    "already_in_lobby": Meaning(409, "您已在该团中", "You have a seat in this lobby already"),
    "activity_over": Meaning(409, "活动尚未开始或已结束", "This activity has not begun, or is over"),
    "activity_exists": Meaning(409, "完全相同的活动已存在", "The very same activity is there already"),
    "activity_begun": Meaning(409, "活动已开始，不能修改", "This activity has begun and cannot be changed"),
    "not_for_you": Meaning(422, "您不符合参与条件", "You are not among those this is for"),
    "purchase_limit": Meaning(422, "每人限购 {limit} 件", "At most {limit} pieces per member"),
    # distribution
    "distribution_off": Meaning(409, "分销功能未开启", "Distribution is switched off"),
    "distributor_state": Meaning(409, "分销员当前状态不允许该操作", "The distributor's state does not allow this"),
    "balance_short": Meaning(409, "可提现余额不足", "There is not that much to withdraw"),
    "withdrawal_limit": Meaning(
        422, "超出单笔或当日的提现限制", "This is outside the limits of one withdrawal, or of a day's"
    ),
    "withdrawal_state": Meaning(409, "提现当前状态不允许该操作", "The withdrawal's state does not allow this"),
    "too_many_entries": Meaning(
        422,
        "该账户分录超过 {limit} 条，请用命令核对全部账目：见 docs/operations.md",
        "More than {limit} entries; audit all accounts with the command in docs/operations.md",
    ),
    # messages
    "task_closed": Meaning(409, "该任务已结束", "This task has ended"),
    "send_recalled": Meaning(409, "这次群发已撤回", "This send was recalled"),
    "medium_off": Meaning(422, "该触达方式不能用于此用途", "This medium may not be used for that"),
    "message_state": Meaning(409, "消息已发出或正在发送，不能撤回", "The message has gone out, or is just going"),
    "source_is_push": Meaning(
        409, "订阅次数以微信推送为准，无需上报", "WeChat itself tells what users let through; no report counts"
    ),
    # reconciliation
    "rule_invalid": Meaning(422, "规则引用了不存在的内容", "The rule names something that there is not"),
    "rule_too_large": Meaning(422, "规则过大", "The rule is too large"),
    "segment_cycle": Meaning(422, "规则互相引用", "The rules name each other in a ring"),
    "merge_refused": Meaning(422, "不能这样合并", "These accounts cannot be merged so"),
    "merge_conflict": Meaning(409, "其中一个账号已不存在", "One of the accounts is gone"),
    "already_merged": Meaning(409, "两个账号已是同一会员", "The two are one member already"),
    "two_logins": Meaning(409, "两个会员各有登录", "Both members have a login of their own"),
    "in_use": Meaning(409, "还有地方在使用", "Something still names this"),
    # journeys
    "journey_invalid": Meaning(422, "旅程还不能发布", "The journey cannot be published like this"),
    "nothing_to_publish": Meaning(409, "没有可发布的修改", "There is nothing to publish"),
    "not_running": Meaning(409, "旅程当前状态不允许该操作", "The journey's state does not allow this"),
    "difference_closed": Meaning(409, "该差异已处理", "This difference was closed before"),
    "job_not_dead": Meaning(404, "未找到该失败任务", "There is no such dead job"),
}


#: How many of the field errors the text of the whole names at most; all of them stand in `errors`.
_IN_TEXT_MAX = 3


class MallError(Exception):
    """A refusal with a stable `code` from `CODES`.

    `errors` name fields, and are what a person is told then; `retry_after` is in seconds; `data` fills the text and,
    where the contract says so, is part of the answer (the new quote of `price_changed`, the SKUs of `out_of_stock`).
    """

    def __init__(
        self,
        code: str,
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
        **data: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors
        self.retry_after = retry_after
        self.data = data

    @property
    def status(self) -> int:
        """The HTTP status of this code."""
        return CODES[self.code].status

    def text(self, language: str, labels: Labels) -> str:
        """Give the text for a person, in `language` ("zh" or "en"): what is wrong with which fields, if known."""
        if not self.errors:
            return _said(CODES[self.code], language).format_map(_in_language(self.data, language))
        texts = list(dict.fromkeys(error.text(language, labels) for error in self.errors[:_IN_TEXT_MAX]))
        return ("; " if language == "en" else "；").join(texts)


class OutsideError(Exception):
    """A service outside failed or refused, and no use case knew better: the edge answers 503."""

    @property
    def passing(self) -> bool:
        """Whether the fault may go away by itself: what is owed is tried again for as long as that takes."""
        return True


class Mismatch(OutsideError):
    """What a service outside says is about something else than ours of that number: it is never taken for it."""

    @property
    def passing(self) -> bool:
        """It will say the same again."""
        return False


class BadField(ValueError):
    """A field's value cannot be what it should: what a struct raises as it is decoded. `error` names the field within
    the struct; whoever decodes puts the way to the struct before it."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(error.reason.code)
        self.error = error


def malformed(*errors: FieldError) -> MallError:
    """400: fields cannot be read as what they should be."""
    return MallError("malformed", errors=errors)


def invalid(*errors: FieldError) -> MallError:
    """422: fields were understood, and a rule refuses them."""
    return MallError("invalid", errors=errors)


def unavailable(retry_after: int = 2) -> MallError:
    """503: something outside did not answer; nothing was done, or doing it again does no harm."""
    return MallError("unavailable", retry_after=retry_after)
