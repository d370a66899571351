"""Paying: handing the shopper to WeChat Pay, and marking the order when WeChat says that the money is there.

Whether the callback, the job that closes unpaid orders or a cancellation learns of a payment first, `record` takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.stock.pools import take_stock
from chalicelib.commerce.catalogue.tables import SHARD, Products, pool_key
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.accounting.rules import sold
from chalicelib.commerce.orders.holding.queries import limits_again, standing_now
from chalicelib.commerce.orders.holding.service import count_pieces
from chalicelib.commerce.orders.jobs import CONFIRMED, PAID, REFERRED_CONFIRMED
from chalicelib.commerce.orders.payment.rules import paid_from
from chalicelib.commerce.orders.ports import groups
from chalicelib.commerce.orders.redemption import queries as redemption_queries
from chalicelib.commerce.orders.redemption import service as redemption
from chalicelib.commerce.orders.refunds.issue import owe_push, refund_id, refund_in_full
from chalicelib.commerce.orders.refunds.rules import with_refund
from chalicelib.commerce.orders.refusals import (
    PAY_TIME_OVER,
    PAYMENT_BEGUN_ELSEWHERE,
    PAYMENT_REFUSED,
    order_state,
)
from chalicelib.commerce.orders.rules import PAY_MARGIN, Order, OrderLine, Refund, noted, step
from chalicelib.commerce.orders.views import PaymentView
from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import MallError, Mismatch
from chalicelib.core.metrics import Metric
from chalicelib.core.settings import settings
from chalicelib.customers.channels.ads import service as ads
from chalicelib.customers.channels.rooms import service as rooms
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.rules import openid_of
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.ledger.rules import Sale
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned
from chalicelib.platform.web.tokens import Token

if TYPE_CHECKING:
    from chalicelib.gateways.wechat.pay import Trade

#: Why money goes back that was paid when the lobby was over, for the shopper.
LOBBY_OVER = "拼团已结束，支付款项原路退回"
#: WeChat's words for a payment that was made, also where some of it went back.
PAID_WORDS = frozenset({"SUCCESS", "REFUND"})


def start(order_id: str, member_id: str, token: Token | None = None, subject: str = "") -> PaymentView:
    """Begin the payment of this order at WeChat Pay; beginning it again is the same payment, in the same words. An
    order that is paid already says so.

    Where it cannot be begun, WeChat is asked first, and a payment that it has is recorded. The member is admitted by
    what is read with the order, where they called with a `token`. Who pays is the login by which the session was
    opened, of the `subject`: WeChat takes it of the first who begins, and refuses another account of the same person's.
    Raises `unauthenticated`, `not_found`, `order_state`, `pay_time_over`, `lobby_over`, `payment_refused`,
    `unavailable`.
    """
    order = order_queries.find_owned(order_id, member_id, token).value
    if _is_paid(order):
        return PaymentView(paid=True)
    if order.payable_fen == 0 and order.state == "awaiting_payment":
        changes.change(order_id, _mark_free)
        return PaymentView(paid=True)
    if order.state != "awaiting_payment":
        raise order_state(order.state, "pay")
    if clock.now() >= order.pay_by - PAY_MARGIN:
        return _not_begun(order)
    if order.group is not None:
        groups().check_open(order)
    payer = _payer(order, member_id, subject or member_id)
    from chalicelib.gateways.wechat import pay as wechat  # 150 ms that no other call has to pay at a cold start
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        prepay_id = wechat.prepay(
            wechat.Prepay(
                out_trade_no=order.order_id,
                description=order.lines[0].name,
                # What is paid after our deadline is caught when the order closes.
                time_expire=order.time_expire,
                total_fen=order.payable_fen,
                openid=payer,
                notify_to=order.notify_to,
            )
        )
    except WechatError as fault:
        if fault.passing:
            raise MallError("unavailable", retry_after=2) from fault
        return _not_begun(order, fault.code, payer)
    params = wechat.pay_params(prepay_id)
    return PaymentView(
        timeStamp=params.timeStamp, nonceStr=params.nonceStr, package=params.package, signType=params.signType,
        paySign=params.paySign,
    )  # fmt: skip


def _payer(order: Order, member_id: str, subject: str) -> str:
    """Give the openid that pays: the order's own, or of another login of its member's. Raises `unauthenticated`."""
    if subject == order.placed_by:
        return order.openid
    return openid_of(member_queries.profile(member_id), subject)


def _is_paid(order: Order) -> bool:
    """Whether the order was paid and stands; one that was closed is not to be paid."""
    return order.paid_at is not None and order.state != "closed"


def _not_begun(order: Order, code: str = "", payer: str = "") -> PaymentView:
    """Say what becomes of a payment that WeChat refused to this payer with this code, or whose time is over, as WeChat
    tells of it now: one that it has is recorded, and the order is paid. Raises `order_state`, `pay_time_over`,
    `payment_refused`, WechatError."""
    word = ask(order.order_id)
    if word in PAID_WORDS:
        after = order_queries.load(order.order_id)
        if not _is_paid(after):
            raise order_state(after.state, "pay")
        return PaymentView(paid=True)
    if word == "CLOSED" or not code:
        raise _pay_time_over()
    if word is not None and (order.placed_as or payer != order.openid):
        raise MallError("payment_refused", errors=(PAYMENT_BEGUN_ELSEWHERE.at("order_id"),))
    log.error("prepay_refused", order_id=order.order_id, reason=code)
    raise MallError("payment_refused", errors=(PAYMENT_REFUSED.at("order_id"),))


def _pay_time_over() -> MallError:
    return MallError("pay_time_over", errors=(PAY_TIME_OVER.at("order_id"),))


def check(order_id: str, member_id: str) -> Order:
    """Ask WeChat whether the member's order is paid, where that is not known: a payment that was made is recorded as by
    its notice. The order as it is then.

    Raises `not_found`, `conflict`, and WechatError or Mismatch where WeChat does not say.
    """
    order = order_queries.owned(order_id, member_id)
    is_open = order.state == "awaiting_payment" or (order.state == "closed" and not order.transaction_id)
    if order.payable_fen and is_open and ask(order_id) in PAID_WORDS:
        return order_queries.load(order_id)
    return order


def ask(order_id: str) -> str | None:
    """Ask WeChat about the order's payment, record one that was made, and give WeChat's word for it: SUCCESS or REFUND
    (paid), NOTPAY, CLOSED; None where WeChat has never heard of it. Raises WechatError, Mismatch."""
    from chalicelib.gateways.wechat import pay as wechat

    trade = wechat.query(order_id)
    if trade is None:
        return None
    if trade.state in PAID_WORDS:
        record(trade)
    return trade.state


def record(trade: Trade, by: str = "wechat") -> Order:
    """Mark the order that this payment is for; the same payment again changes nothing.

    A payment for an order that is closed is owed back at once, unless the order finds a seat of its group again.
    Raises `not_found`, and Mismatch when merchant, app or amount are not ours.
    """
    config = settings()
    ours = (trade.mchid, trade.appid) == (config.wechat_mchid, config.wechat_appid)
    if not ours or trade.state not in PAID_WORDS:
        raise Mismatch(trade.out_trade_no)

    pools: dict[str, str] | None = None

    def find() -> Versioned[Order]:
        nonlocal pools
        found = order_queries.find(trade.out_trade_no)
        pools = _pools_for_late(found.value)
        return found

    def decide(order: Order, tx: Transaction) -> Order:
        if trade.total_fen != order.payable_fen or not trade.transaction_id:
            raise Mismatch(order.order_id)
        if order.transaction_id:
            return order
        order = paid_from(order, trade.openid)
        tx.after_commit(metrics.add, Metric.ORDERS_PAID)
        tx.after_commit(metrics.add, Metric.PAID_FEN, order.payable_fen)
        if order.state != "closed":
            return _mark_paid(order, tx, trade.transaction_id, by)
        seated = None if pools is None else _seated_late(order, tx, trade.transaction_id, by, pools)
        return seated or _owe_back(order, tx, trade.transaction_id)

    try:
        return versioned.change(find, decide, changes.write)
    except shards.Scattered as fault:  # moving them is a change of its own, not done while this one is decided
        shards.consolidate_all(fault.wanted)
        return versioned.change(find, decide, changes.write)


def _mark_paid(order: Order, tx: Transaction, transaction_id: str, by: str) -> Order:
    now = clock.now()
    if order.group is None:
        redemption.use(tx, order)
        return step(_to_ship(_received(order, tx, transaction_id, now), tx, now), "pay", "paid", by, now)
    seat = groups().take(tx, order)
    paid = msgspec.structs.replace(_received(order, tx, transaction_id, now), group=seat)
    after = step(paid, "take_seat", "paid", by, now)
    if seat.state == "taken":
        redemption.use(tx, order)
        return after
    redemption.free(tx, order)  # not used and given back: one transaction changes an item once
    after = noted(after, "lobby_over", "system", clock.now())
    return refund_in_full(after, tx, "lobby_over", LOBBY_OVER, coupons_free=True)


def _received(order: Order, tx: Transaction, transaction_id: str, now: datetime) -> Order:
    """Give the order its money, with the entry and the event that tell of it in `tx`."""
    ledger.post(tx, entries.paid(order.order_id, now, sold(order)))
    _tell_paid(tx, order, now)
    return msgspec.structs.replace(order, paid_fen=order.payable_fen, paid_at=now, transaction_id=transaction_id)


def _pools_for_late(order: Order) -> dict[str, str] | None:
    """Find where an order of a group that was closed before its money came takes its pieces from, by SKU.

    None where it cannot have them, or its coupons, any more, or its member has left; and of any other order. It is
    looked for before each decision, so that a transaction that finds the pieces gone is one that another writer was
    faster than.
    """
    if order.state != "closed" or order.transaction_id or order.group is None:
        return None
    if standing_now(order.member_id).gone:
        if member_queries.resolved(order.member_id) != order.member_id:
            raise Conflict  # it is being moved to whom they were merged into, where it may be seated
        return None
    pools = _in_stock(order)
    return pools if pools is not None and redemption_queries.all_unused(order) else None


def _in_stock(order: Order) -> dict[str, str] | None:
    """Find where the pieces of each SKU can be taken from now: an activity's own, or ordinary stock; None where some
    cannot. All of the order's were given back, so that they may come from another shard this time."""
    pools = {line.sku_id: _pool_with(order.order_id, line) for line in order.lines}
    found = {sku_id: pool for sku_id, pool in pools.items() if pool is not None}
    return found if len(found) == len(pools) else None


def _pool_with(order_id: str, line: OrderLine) -> str | None:
    if not line.pool or SHARD in line.pool:
        return shards.find(line.sku_id, line.quantity, order_id)
    item = read.get(Products, *pool_key(line.sku_id, line.pool)[1])
    return line.pool if item is not None and item.free >= line.quantity and not item.closed else None


def _seated_late(
    order: Order, tx: Transaction, transaction_id: str, by: str, pools: Mapping[str, str]
) -> Order | None:  # fmt: skip
    """Seat the order, whose hold on its seat had ended when the money came; its pieces come from these pools. None, and
    nothing in `tx`, when no seat is free any more."""
    limits = limits_again(order)
    seat = None if limits is None else groups().retake(tx, order)
    if seat is None or limits is None:
        return None
    lines = [msgspec.structs.replace(line, restocked=0, pool=pools[line.sku_id]) for line in order.lines]
    for line in lines:
        take_stock(tx, line.sku_id, line.quantity, Conflict, line.pool)
    redemption.use(tx, order, again=True)
    now = clock.now()
    paid = msgspec.structs.replace(_received(order, tx, transaction_id, now), group=seat, lines=lines)
    after = step(paid, "take_seat", "paid_late", by, now)
    count_pieces(tx, after, limits, look_again=True)
    return after


def _mark_free(order: Order, tx: Transaction) -> Order:
    """Mark an order that costs nothing as paid. No money moves: its entry tells what its coupons cost."""
    if order.paid_at is not None:
        return order
    if order.state != "awaiting_payment":
        raise order_state(order.state, "pay")
    now = clock.now()
    if now >= order.pay_by:
        raise _pay_time_over()
    paid = msgspec.structs.replace(order, paid_at=now)
    redemption.use(tx, order)
    if (sale := sold(order)) != Sale():
        ledger.post(tx, entries.paid(order.order_id, now, sale))
    _tell_paid(tx, order, now)
    if order.group is None:
        return step(_to_ship(paid, tx, now), "pay", "paid", "member", now)
    seat = groups().take(tx, order)
    if seat.state != "taken":
        raise MallError("lobby_over")
    return step(msgspec.structs.replace(paid, group=seat), "take_seat", "paid", "member", now)


def proceed(order: Order, tx: Transaction, what: str, note: str = "") -> Order:
    """Send an order whose group has come together to shipping: only now does it count as sold."""
    now = clock.now()
    return step(_to_ship(order, tx, now), "proceed", what, "system", now, note)


def _tell_paid(tx: Transaction, order: Order, now: datetime) -> None:
    emit(tx, PAID, order.order_id, member_id=order.member_id, at=clock.stamp(now))
    rooms.owe_sale(tx, order.source, order.order_id, order.member_id, order.payable_fen)
    ads.owe_order(tx, order.source, order.order_id, order.member_id, order.payable_fen, now)


def _to_ship(order: Order, tx: Transaction, now: datetime) -> Order:
    """Confirm the order, and tell that it counts as sold, as part of `tx`; give the order after it."""
    lines = msgspec.json.encode([[part.sku_id, part.quantity] for part in order.pieces]).decode()
    emit(tx, CONFIRMED, order.order_id, lines=lines)
    changes.publish(tx, REFERRED_CONFIRMED, order)
    return msgspec.structs.replace(order, confirmed_at=now)


def _owe_back(order: Order, tx: Transaction, transaction_id: str) -> Order:
    """Owe back the whole payment of an order that was closed before the money came."""
    now = clock.now()
    amount = order.payable_fen
    refund = Refund(
        refund_id=refund_id(order.order_id, "late", transaction_id),
        state="approved",
        lines=[],
        goods_fen=amount - order.freight_fen,
        freight_fen=order.freight_fen,
        reason="订单已关闭，支付款项原路退回",
        created_at=now,
        late=True,
    )
    ledger.post(tx, entries.paid_late(order.order_id, now, amount))
    ledger.post(tx, entries.surplus_owed(refund.refund_id, order.order_id, now, amount))
    owe_push(tx, refund.refund_id)
    paid = msgspec.structs.replace(order, paid_fen=amount, paid_at=now, transaction_id=transaction_id)
    return noted(with_refund(paid, refund), "paid_late", "wechat", now, refund_id=refund.refund_id)
