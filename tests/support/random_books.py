"""How a random mall must have ended: prices, stock, coupons and the journal, each reckoned anew."""

from __future__ import annotations

from collections import Counter

import msgspec

from chalicelib.commerce.catalogue.tables import POOL, STOCK, Products
from chalicelib.commerce.coupons.tables import COUPON, CouponCounters, Coupons
from chalicelib.commerce.orders.checks import PaidRefund, Payment
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.tables import Orders
from chalicelib.growth.payouts.checks import Transfer
from chalicelib.ledger.tables import LedgerEntries
from chalicelib.platform.store import tools
from tests.support.random_commissions import check_commissions
from tests.support.random_groups import check_groups, seat_of
from tests.support.random_play import Placed, Play, at_step
from tests.support.random_refunds import check_refunds
from tests.support.random_withdrawals import check_withdrawals
from tools import audit


def check_end(play: Play) -> None:
    """Everything is where it should be."""
    stored = {item.order_id: item.order for item in tools.scan(Orders)}
    if stored.keys() != play.placed.keys():
        play.differs("orders", f"{stored.keys() ^ play.placed.keys()} were not placed, or are not there")
    for order_id, order in stored.items():
        if order != play.orders[order_id]:
            play.differs(order_id, "is not as it was committed last")
        if order_id in play.placed:
            _check_price(play, order, play.placed[order_id])
        _check_ended(play, order)
        play.told[f"order: {order.state}"] += 1
        play.told.update(f"refund: {one.state} {getattr(one, 'because', '')}" for one in order.refunds)
        check_refunds(play, order)
    check_groups(play)
    _check_wechat(play)
    _check_stock(play)
    _check_coupons(play)
    check_commissions(play)
    check_withdrawals(play)
    _check_journal(play)
    trades = play.wechat.trades
    payments = [Payment(each, trades[each].transaction_id, trades[each].total_fen) for each in play.wechat.paid()]
    done = [PaidRefund(number, one.fen) for number, one in play.wechat.payouts.items() if one.state == "SUCCESS"]
    bills = [Transfer(number, one.fen, one.state) for number, one in play.wechat.bills.items()]
    books = msgspec.structs.replace(audit.read(None), payments=payments, refunds=done, transfers=bills)
    for one in books.differences():
        play.differs(f"audit: {one.about}", one.what)


def _check_price(play: Play, order: Order, placed: Placed) -> None:
    """The order costs what it must, line by line, and says why."""
    about = f"price of {order.order_id}"
    off: Counter[str] = Counter()
    for discount in order.discounts:
        off.update({line.sku_id: line.discount_fen for line in discount.lines})
    for line, wanted in zip(order.lines, placed.lines, strict=True):
        has = (line.sku_id, line.quantity, line.unit_price_fen, line.amount_fen, line.payable_fen)
        cost = placed.price.costs[line.sku_id]
        must = (wanted.sku_id, wanted.quantity, wanted.unit, wanted.unit * wanted.quantity, cost)
        if has != must and not _resettled(play, order, placed, line.payable_fen):
            play.differs(about, f"a line is {has}, not {must}")
        if line.discount_fen != off[line.sku_id] or line.amount_fen - line.discount_fen != line.payable_fen:
            play.differs(about, f"{line.amount_fen} - {line.discount_fen} = {line.payable_fen}, discounts {off}")
    goods, payable = sum(x.amount_fen for x in order.lines), sum(x.payable_fen for x in order.lines)
    if (order.goods_fen, order.payable_fen) != (goods, payable + order.freight_fen):
        play.differs(about, f"{order.goods_fen} and {order.freight_fen} come to {order.payable_fen}")
    if order.freight_fen != placed.price.freight:
        play.differs(about, f"freight {order.freight_fen}, not {placed.price.freight}")
    if list(order.chain) != list(placed.chain):
        play.differs(about, f"pays {order.chain}, not {placed.chain}")
    took = [one for one in order.discounts if one.source == "promotion" and one.kind != "leader_price"]
    named = {one.id: one.discount_fen for one in took}
    must_be = {name: sum(parts.values()) for name, parts in placed.price.promotions.items() if name != "leader"}
    if named != {name: fen for name, fen in must_be.items() if fen}:
        play.differs(about, f"promotions took {named}, not {must_be}")


def _resettled(play: Play, order: Order, placed: Placed, payable: int) -> bool:
    """Whether a ladder's order was written anew at the price that it ended at."""
    if placed.offer is None or placed.offer.kind != "ladder" or seat_of(order) != "taken":
        return False
    return payable in [at_step(play, placed, step).goods for step in placed.offer.prices]


def _check_ended(play: Play, order: Order) -> None:
    """Nothing waits any more: it is closed, or completed."""
    if order.state not in ("closed", "completed"):
        play.differs(order.order_id, f"is {order.state} still, {[(e.what, e.by) for e in order.history][-3:]}")


def _check_wechat(play: Play) -> None:
    """Whatever was paid at WeChat stands on its order, or has gone back."""
    for number in play.wechat.paid():
        order = play.orders[number]
        if order.transaction_id != play.wechat.trades[number].transaction_id:
            play.differs(number, f"was paid at WeChat, and is {order.state} with {order.transaction_id!r}")
    for order in play.orders.values():
        if order.paid_fen and order.order_id not in play.wechat.paid():
            play.differs(order.order_id, "was never paid at WeChat")


def _check_stock(play: Play) -> None:
    """Of each SKU all pieces are there: free, or with the orders that have them."""
    has: Counter[str] = Counter()
    for order in play.orders.values():
        has.update({line.sku_id: line.quantity - line.restocked for line in order.lines})
    free: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    pools = 0
    for item in tools.scan(Products):
        if not item.part.startswith((STOCK, POOL)):
            continue
        sku_id = item.part.split("#")[1]
        free[sku_id] += int(item.free)
        # What lies in a pool is taken from the SKU's own, and supplied to the pool.
        taken[sku_id] += int(item.taken) - (int(item.supplied) if item.part.startswith(POOL) else 0)
        pools += item.part.startswith(POOL) and bool(item.free)
        if min(item.free, item.taken) < 0 or item.free + item.taken != item.supplied:
            play.differs(f"stock {item.part}", f"{item.free} + {item.taken} is not {item.supplied}")
    if pools:
        play.differs("pools", f"{pools} that are over hold pieces")
    for sku in play.mall.skus.values():
        if (free[sku.sku_id] + taken[sku.sku_id], taken[sku.sku_id]) != (sku.supplied, has[sku.sku_id]):
            told = f"{free[sku.sku_id]} free, {taken[sku.sku_id]} taken of {sku.supplied}"
            play.differs(f"stock {sku.sku_id}", f"{told}, orders have {has[sku.sku_id]}")


def _check_coupons(play: Play) -> None:
    """Each coupon is where its orders leave it; each template has given what members have, and counts what was used."""
    lost: Counter[str] = Counter()
    for order in play.orders.values():
        if order.group is not None and order.group.state == "lost":
            lottery = play.offers[order.group.activity_id].lottery or {}
            lost[lottery.get("losers_coupon", "")] += 1
    given: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for item in tools.scan(Coupons):
        if not item.part.startswith(COUPON):
            continue
        template_id, coupon_id = item.coupon.template_id, item.coupon.coupon_id
        given[template_id] += 1
        used[template_id] += item.state == "used"
        wanted = play.ticket_state(coupon_id)
        holders = play.holders(coupon_id)
        if len(holders) > 1:
            play.differs(f"coupon {coupon_id}", f"is in {holders}")
        if item.state != wanted:
            play.differs(f"coupon {coupon_id}", f"is {item.state} of {item.order_id}, not {wanted} of {holders}")
    for template_id, fields in play.mall.templates.items():
        shards = [x for x in tools.scan(CouponCounters) if x.counter.split("#")[1] == template_id]
        left = sum(int(x.free or 0) for x in shards if x.counter.startswith("stock#"))
        said = sum(int(x.used or 0) for x in shards if x.counter.startswith("used#"))
        most = play.claimed[template_id] + lost[template_id]
        if not play.claimed[template_id] <= given[template_id] <= most or left + given[template_id] != fields["total"]:
            play.differs(f"template {fields['kind']}", f"{given[template_id]} given, {left} left of {fields['total']}")
        if said != used[template_id]:
            play.differs(f"template {fields['kind']}", f"{said} used by its count, {used[template_id]} are")


def _check_journal(play: Play) -> None:
    """Every entry sums to zero; what lies with WeChat is what WeChat has; nothing is owed; sales are what was kept."""
    stands: Counter[str] = Counter()
    for item in tools.scan(LedgerEntries):
        if sum(one.amount_fen for one in item.entry.postings):
            play.differs(f"entry {item.entry.cause} of {item.entry.about}", "does not sum to zero")
        for one in item.entry.postings:
            stands[one.account] += one.amount_fen
    kept = {number: play.wechat.kept_fen(number) for number in play.wechat.trades}
    sent = sum(bill.fen for bill in play.wechat.bills.values() if bill.state == "SUCCESS")
    wanted = {"wechat": sum(kept.values()) - sent, "payouts": sent, "refunds:owed": 0, "payments:surplus": 0}
    for account, fen in wanted.items():
        if stands[account] != fen:
            play.differs(f"account {account}", f"stands at {stands[account]}, not at {fen}")
    sold = -sum(stands[name] for name in ("sales:goods", "sales:freight", "discounts:coupons", "discounts:promotions"))
    if sold != sum(kept.values()):
        play.differs("accounts of sales", f"come to {sold}, {sum(kept.values())} was kept")
