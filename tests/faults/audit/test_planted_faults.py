"""Faults that are planted into the code, not into the data: each is played in a small mall, and the audit names it.

Every play is played soundly first, and nothing is named; with the fault it must come to something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.coupons.wallet import service as wallet
from chalicelib.commerce.orders import service as order_changes
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.conditions import rules as conditions
from chalicelib.commerce.orders.refunds import push
from chalicelib.commerce.orders.refunds import rules as refund_rules
from chalicelib.commerce.pricing import rules as pricing_rules
from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.discounts import rules as discounts
from chalicelib.gateways.wechat import pay as wechat
from chalicelib.growth.distribution import rules as distribution_rules
from chalicelib.growth.distribution.commissions import service as commissions
from chalicelib.growth.distribution.distributors import queries as distributors
from chalicelib.growth.payouts.limits import rules as limits
from chalicelib.growth.payouts.queries import load as withdrawal
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger import rules as ledger
from chalicelib.platform.jobs import queue
from tests.support.small_mall import DAY, SmallMall

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Planted:
    """A fault, a play in which it matters, what that comes to, and what the audit says then."""

    plant: Callable[[Patch], None]
    play: Callable[[SmallMall], object]
    named: str


def wrapped(owner: Any, name: str, around: Callable[..., Any]) -> Callable[[Patch], None]:
    """Put a function around one of the mall's, which it is given first."""
    right = getattr(owner, name)
    return lambda patch: patch.setattr(owner, name, lambda *given, **more: around(right, *given, **more))


def replaced(owner: Any, name: str, by: object) -> Callable[[Patch], None]:
    """Put something in the place of one of the mall's."""
    return lambda patch: patch.setattr(owner, name, by)


def do_nothing(*_: object, **__: object) -> None:
    """What is not done."""


# The plays: each comes to what can be seen of it.


def earn(mall: SmallMall) -> object:
    """A customer buys, and everything is received."""
    order = mall.buy(mall.customers[0], ("pot", 1))
    mall.deliver(order)
    mall.wait(4 * DAY)
    return [ledger_queries.balance(one).owed for one in (mall.seller, mall.above)]


def earn_at_once(mall: SmallMall) -> object:
    """A customer buys; nothing has been sent yet."""
    mall.buy(mall.customers[0], ("pot", 1))
    mall.wait(4 * DAY)
    return ledger_queries.balance(mall.seller)


def rise(mall: SmallMall) -> object:
    """A distributor sells enough for a tier with a reward."""
    mall.deliver(mall.buy(mall.customers[0], ("pot", 2), ("cup", 1)))
    mall.wait(15 * DAY)
    assert distributors.load(mall.seller).tier == "gold"
    return ledger_queries.balance(mall.seller).owed


def use_coupon(mall: SmallMall) -> object:
    """A coupon is used."""
    member = mall.customers[0]
    return mall.buy(member, ("pot", 1), ("cup", 1), coupons=(mall.coupon(member),)).payable_fen


def use_two_coupons_once(mall: SmallMall) -> object:
    """Two orders want the same coupon."""
    member = mall.customers[0]
    coupon = mall.coupon(member)
    mall.place(member, ("pot", 1), coupons=(coupon,))
    try:
        return mall.place(member, ("cup", 1), coupons=(coupon,)).discount_fen
    except Exception as refused:
        return type(refused)


def give_part_back(mall: SmallMall) -> object:
    """A piece of three goes back."""
    return mall.refund(mall.buy(mall.customers[0], ("pot", 3)), ("pot", 1)).refunded_fen


def give_all_back(mall: SmallMall) -> object:
    """The pieces of an order go back, one after the other."""
    order = mall.buy(mall.customers[0], ("cup", 2))
    mall.buy(mall.customers[1], ("cup", 5))
    mall.refund(order, ("cup", 1))
    after = mall.refund(order, ("cup", 1))
    return after.refunded_fen, [(one.free, one.taken) for one in mall.books().stocks], len(mall.book.payouts)


def never_pay(mall: SmallMall) -> object:
    """An order is not paid."""
    order = mall.place(mall.customers[0], ("pot", 1))
    mall.wait(DAY)
    return mall.order(order).state


def wait_for_refund(mall: SmallMall) -> object:
    """A refund is granted, and two days pass."""
    order = mall.refund(mall.buy(mall.customers[0], ("pot", 2)), ("pot", 1))
    mall.wait(2 * DAY)
    return [one.state for one in mall.order(order).refunds]


def welcome_twice(mall: SmallMall) -> object:
    """Somebody who has bought wants a new customer's price."""
    member = mall.customers[0]
    mall.buy(member, ("pot", 1))
    return mall.buy(member, ("sample", 1)).discount_fen


def take_out(mall: SmallMall) -> object:
    """A distributor takes out what is taxed, in two parts of a month."""
    mall.deliver(mall.buy(mall.customers[0], ("crate", 4)))
    mall.wait(4 * DAY)
    taken = [mall.withdraw(mall.seller, fen) for fen in (70_000, 60_000)]
    return [withdrawal(one).tax_fen for one in taken]


def give_back_after_earning(mall: SmallMall) -> object:
    """An order that pays commissions is refunded; days pass."""
    mall.refund(mall.buy(mall.customers[0], ("pot", 1)))
    mall.wait(3 * DAY)
    return len(queue.dead(10, None)[0])


# The faults.


def freight_kept(patch: Patch) -> None:
    """No refund gives freight back."""
    patch.setattr(refund_rules, "_freight_of", lambda asked: 0)
    patch.setattr(conditions, "freight_left", lambda order: 0)


def coupons_unlocked(patch: Patch) -> None:
    """A coupon is taken, whoever has it."""
    patch.setattr(Held, "unusable", lambda held, now: None)
    patch.setattr(wallet, "lock", lambda tx, *_: None)


def twice_at_wechat(right: Callable[..., Any], request: Any) -> Any:
    """A refund is handed over under two numbers."""
    right(msgspec.structs.replace(request, out_refund_no=f"{request.out_refund_no}x"))
    return right(request)


def broken(*_: object) -> None:
    """What never works."""
    raise ValueError("broken")


def half_as_much_again(right: Callable[..., int], paid_fen: int, *given: int) -> int:
    """Of the share that a refund gives back."""
    return min(paid_fen, right(paid_fen, *given) * 3 // 2)


PLANTED = {
    "every commission doubled": Planted(
        wrapped(distribution_rules, "_share", lambda right, fen, bp: 2 * right(fen, bp)),
        earn, "fen are not 1000 basis points",
    ),
    "commissions never made": Planted(replaced(commissions, "_make", do_nothing), earn, "nothing on level 1"),
    "a coupon takes off twice its worth": Planted(
        wrapped(discounts, "_off", lambda right, *given: 2 * right(*given)),
        use_coupon, "takes off 1000 fen, by its terms 500",
    ),
    "a part refund gives back half as much again": Planted(
        wrapped(refund_rules, "refund_fen", half_as_much_again), give_part_back, "1 of 3 pieces give back",
    ),
    "orders never close": Planted(replaced(closing, "close_unpaid", do_nothing), never_pay, "and is still open"),
    "freight is not given back with the last pieces": Planted(
        freight_kept, give_all_back,
        "all of it is given back, and of 800 fen freight 0",
    ),
    "stock comes back twice": Planted(
        wrapped(order_changes, "return_stock", lambda right, tx, sku, pieces, pool: right(tx, sku, 2 * pieces, pool)),
        give_all_back, "taken, orders and pools hold 5",
    ),
    "a posting goes to another account": Planted(
        replaced(ledger, "FREIGHT", "sales:parcels"), lambda mall: _accounts(mall), "moves sales:parcels",
    ),
    "a coupon is in two orders": Planted(coupons_unlocked, use_two_coupons_once, "is in two orders"),
    "a new customer's price for who has bought": Planted(
        wrapped(pricing_rules, "promoted", lambda right, *given: right(*given[:3], True)),
        welcome_twice, "has the price for new customers, and its member had bought",
    ),
    "a refund is paid out twice": Planted(
        lambda patch: wrapped(wechat, "refund", twice_at_wechat)(patch),
        give_all_back, "refunded: we say None, WeChat says",
    ),
    "refunds are never handed over": Planted(
        replaced(push, "push_refund", do_nothing), wait_for_refund, "is approved since",
    ),
    "a reward is paid twice": Planted(
        wrapped(ledger, "rewarded", lambda right, who, tier, at, fen: right(who, tier, at, 2 * fen)),
        rise, "was rewarded for gold with 1400 fen",
    ),
    "tax is withheld twice": Planted(
        wrapped(limits, "labour_tax_of", lambda right, fen: 2 * right(fen)), take_out,
        "fen tax are withheld of 130000, by law 10000",
    ),
    "commissions are free before the order is received": Planted(
        replaced(commissions, "_due", lambda one, order: one.state == "pending"), earn_at_once,
        "is available before the order was received",
    ),
    "a job fails for good": Planted(
        replaced(commissions, "take_back_commissions", broken), give_back_after_earning, "the job is dead",
    ),
    "one piece of each line is free": Planted(
        replaced(Item, "amount_fen", property(lambda item: item.unit_price_fen * (item.quantity - 1))),
        lambda mall: mall.buy(mall.customers[0], ("cup", 3)).payable_fen, "3 pieces of 3333 fen are not 6666",
    ),
}  # fmt: skip


def _accounts(mall: SmallMall) -> object:
    order = mall.buy(mall.customers[0], ("pot", 1))
    return {posting.account for entry in ledger_queries.entries_about(order.order_id) for posting in entry.postings}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_named(small: SmallMall, monkeypatch: Patch, fault: str) -> None:
    planted = PLANTED[fault]
    sound = planted.play(small)
    assert small.told() == []
    small.reopen()
    planted.plant(monkeypatch)
    assert planted.play(small) != sound, "the fault did not take effect"
    told = small.told()
    assert [one for one in told if planted.named in one], told
