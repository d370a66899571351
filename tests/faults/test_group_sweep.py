"""The crash sweep over group-buy: opening, joining, paying, ending by the last seat or by time, draws, late payers,
leaving.

Each flow with a fault at its k-th call that may change something, for every k; and once with every call failing at
first. One person pays per order, every seat is counted, and nobody's money stays with the mall without goods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest

from chalicelib.commerce.catalogue.tables import stock_key
from chalicelib.commerce.orders.holding import queries as holding
from chalicelib.commerce.orders.holding import rules
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.tables import Purchases, UnpaidOrders
from chalicelib.core import clock
from chalicelib.growth.groupbuy.tables import position
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import remove
from chalicelib.platform.web import tokens
from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.group_flows import FLOWS, End, Flow
from tests.support.group_world import (
    PIECES,
    SET_ASIDE,
    STOCK,
    GroupWorld,
    Offer,
    Seen,
)  # fmt: skip
from tests.support.operators import owner_token
from tests.support.outside import WEATHER, Mode, Outside, may_change
from tests.support.sweep import Sweep, dead_jobs, struck_once


@pytest.fixture(scope="module")
def people(dynamodb: str, sandbox: str, sandbox_clock: LocalClock) -> list[Shopper]:
    """The same in every world, with tokens that are good however far the clock moves."""
    before = clock.use(sandbox_clock)
    arrived = [Shopper.arrive(in_process(), Sandbox(sandbox)) for _ in range(3)]
    for shopper in arrived:
        shopper.token = tokens.issue("member", shopper.member_id, clock.now() + timedelta(days=36500))
    clock.use(before)
    return arrived


@pytest.fixture
def new_world(people: list[Shopper], sandbox: str, mall_clock: LocalClock) -> Callable[[Offer], GroupWorld]:
    """Makes a world: an activity that nobody has taken part in yet, and no job of any world before."""
    send = in_process()
    operator = Operator(send, owner_token())
    product = operator.product(stock=STOCK, limit_per_member=STOCK)
    sku_id = product["skus"][0]["sku_id"]
    wechat = Sandbox(sandbox)

    def make(offer: Offer) -> GroupWorld:
        forget_all()
        for shopper in people:  # what was not brought to its end there is held no more
            remove(UnpaidOrders, (shopper.member_id,))
            remove(Purchases, (shopper.member_id, product["product_id"]))
        mall_clock.advance(1)  # so that no order of the world before falls into this one
        taken = int(read.batch_get([stock_key(sku_id)])[0].taken)
        began = clock.now()
        activity = offer.make(product["product_id"], sku_id)
        return GroupWorld(send, wechat, mall_clock, operator, people, sku_id, activity, offer.leader_fen, taken, began)

    return make


@pytest.fixture
def sweep(new_world: Callable[[Offer], GroupWorld], outside: Outside) -> Sweep[Flow, GroupWorld]:
    return Sweep(outside, lambda flow: new_world(flow.offer), _check, may_change)


test_wherever_it_is_struck_the_mall_heals = struck_once(FLOWS)


@pytest.mark.parametrize("mode", WEATHER)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_when_every_call_fails_at_first_the_mall_copes(flow: Flow, mode: Mode, sweep: Sweep[Flow, GroupWorld]) -> None:
    sweep.check = _check_twice
    assert sweep.play(flow, mode, None)


def _check_standing(orders: Iterable[Order]) -> None:
    """What is kept of each of the people is what their order makes of it."""
    for order in orders:
        kept = holding.standing_now(order.member_id)
        assert (kept.orders, kept.held) == (len(kept.held), {text for text in [rules.hold_of(order)] if text})
        assert kept.let_go == {text for text in [rules.let_go_of(order)] if text}
        assert kept.bought >= {text for text in [rules.bought_of(order)] if text}
        pieces = holding.bought_pieces(order.member_id, order.lines[0].product_id)
        assert pieces == rules.counted(order)[order.lines[0].product_id]


def _check_twice(flow: Flow, world: GroupWorld) -> None:
    """Everything is as it must be, also when every job that may come late or twice does so."""
    _check(flow, world)
    seen = world.look()
    world.owe_again(seen)
    world.run_jobs()
    assert world.look() == seen


def _check(flow: Flow, world: GroupWorld) -> None:
    """Everything is as it must be, and stays so."""
    seen = world.look()
    orders = {who: found.value for who, found in seen.orders.items()}
    expected = flow.ends(world) if callable(flow.ends) else flow.ends
    assert {who: _end(one) for who, one in orders.items()} == dict(enumerate(expected))
    assert {who: world.orders_of(who) for who in orders} == dict.fromkeys(orders, 1)
    _check_lobby(flow, seen)
    _check_pieces(flow, seen)
    _check_standing(orders.values())
    assert [f"{one.about}: {one.what}" for one in world.differences(seen)] == []
    assert dead_jobs() == []
    world.run_jobs()
    assert world.look() == seen


def _end(order: Order) -> End:
    assert order.group is not None
    assert all(refund.state == "succeeded" for refund in order.refunds), order.refunds
    assert len(order.refunds) == bool(order.refunded_fen or (order.paid_at and order.state == "closed"))
    return End(order.state, order.paid_fen, order.refunded_fen, order.group.state)


def _check_lobby(flow: Flow, seen: Seen) -> None:
    """Its counters, its place in the list, what was paid into it; and whether it is done with."""
    lobby = seen.lobby
    assert lobby is not None
    assert (lobby.state, lobby.free, lobby.held, lobby.taken) == flow.lobby
    assert lobby.finished == (lobby.state in ("succeeded", "failed"))
    kept = [one.value for one in seen.orders.values() if one.value.group.state not in ("held", "released")]
    assert (lobby.taken, lobby.paid_fen) == (len(kept), sum(order.paid_fen for order in kept))
    if lobby.state == "opening":
        assert (lobby.expires_at, seen.position) == (None, None)
    else:
        assert lobby.expires_at is not None
        assert seen.position == position(lobby.terms, lobby.state, lobby.terms.size - lobby.taken, lobby.expires_at)
    assert len(seen.seats) == len(seen.orders)


def _check_pieces(flow: Flow, seen: Seen) -> None:
    """Pieces that are taken, in the pool where there is one, and that count for the limit of each member."""
    holding = {who for who, found in seen.orders.items() if found.value.state != "closed"}
    taken = PIECES * len(holding)
    assert seen.bought == [PIECES * (who in holding) for who in range(3)]
    stock, *pools = seen.stocks
    assert len(pools) == flow.offer.aside
    for pool in pools:
        assert (pool.free, pool.taken) == (0 if flow.over else SET_ASIDE - taken, taken)
        taken = pool.supplied
    assert (stock.taken, stock.free) == (taken, stock.supplied - taken)
    assert (seen.announced, seen.pool_closed, seen.drawn is not None) == (not flow.over, flow.over, flow.over)
