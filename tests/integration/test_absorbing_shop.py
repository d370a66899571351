"""Two members turn out to be one person: their orders, coupons, carts and what is counted of them become one's. At no
moment do the books differ, nothing is lost or there twice, and what was begun as either goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from bench.units.recorder import Recorder
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.holding.queries import standing_now
from chalicelib.commerce.orders.inputs import LineInput, OrderInput, QuoteInput
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.commerce.orders.rules import Order
from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as members
from chalicelib.customers.members import service as members_service
from chalicelib.platform.store import tools
from chalicelib.platform.store.transaction import Transaction
from tests.support.coupons import coupons_of, shopper, told
from tests.support.distribution import bare_member
from tests.support.merging import redirect, settle
from tests.support.own_tables import snapshot
from tests.support.segment_mall import SegmentMall, opened
from tests.support.shop_merges import absorb, changed, merge, shop_differences, shops, steps, sums, with_limited
from tests.support.small_mall import DAY, SmallMall

if TYPE_CHECKING:
    from chalicelib.platform.jobs.job import Job


@pytest.fixture(scope="module")
def play(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("absorbing-shop") as mall:
        with_limited(mall.mall)
        yield mall


@pytest.fixture
def mall(play: SegmentMall) -> SmallMall:
    return play.mall


@pytest.fixture
def two(play: SegmentMall) -> tuple[str, str]:
    """Two members with an address each."""
    return play.member(), play.member()


def test_at_every_moment_the_books_agree_and_in_the_end_one_has_what_two_had(
    mall: SmallMall, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    former, member = two
    theirs, own = shops(mall, former), shops(mall, member)
    assert shop_differences(mall) == []
    before = sums(former, member)
    assert before["orders awaiting_payment"] == before["coupons locked"] == 2

    write = Transaction.commit
    commits: list[list[str]] = []

    def looked_at(tx: Transaction) -> None:
        write(tx)
        commits.append(shop_differences(mall))

    monkeypatch.setattr(Transaction, "commit", looked_at)
    merge(former, member)
    monkeypatch.undo()
    assert len(commits) > 4
    assert [told_so for told_so in commits if told_so] == []

    assert sums(former) == sums(bare_member())
    assert sums(member) == before
    for placed_as, orders in ((former, theirs), ("", own)):
        for order in map(mall.order, orders.values()):
            assert (order.member_id, order.placed_as) == (member, placed_as)
    after = snapshot(tools.tables())
    absorb(former, member)
    assert changed(after, snapshot(tools.tables())) == {}, "a step that is done again changes nothing"
    mall.wait(30 * DAY)
    assert shop_differences(mall) == []


def bears(mall: SmallMall, order: Order, end: str) -> Order:
    if end == "pay":
        return mall.pay(mall.order(order))
    if end == "cancel":
        mall.cancel(mall.order(order))
    if end == "refund":
        return mall.refund(mall.pay(mall.order(order)))
    if end == "let go":
        mall.wait(DAY)
    return mall.order(order)


@pytest.mark.parametrize("when", range(7))
@pytest.mark.parametrize("end", ["pay", "cancel", "refund", "let go"])
def test_an_unpaid_order_ends_well_wherever_its_move_is(
    mall: SmallMall, two: tuple[str, str], end: str, when: int
) -> None:
    former, member = two
    coupon = mall.coupon(former)
    order = mall.place(former, ("pot", 1), ("few", 1), coupons=(coupon,))
    mall.coupon(former)
    redirect(former, member)
    for number, _ in enumerate(steps(former, member)):
        if number == when:
            order = bears(mall, order, end)
    absorb(former, member)
    settle(member)
    if when == number + 1:
        order = bears(mall, order, end)
    assert number < 6
    (used,) = [one for one in coupons_of(member) if one.coupon.coupon_id == coupon]
    assert (used.state, mall.order(order).member_id) == ("used" if end == "pay" else "unused", member)
    assert len(coupons_of(member)) == 2
    assert coupons_of(former) == []
    assert shop_differences(mall) == []


def body(mall: SmallMall, member_id: str, *lines: tuple[str, int]) -> OrderInput:
    """What an order of these says, at the price of now."""
    given: dict[str, Any] = {
        "lines": [LineInput(mall.skus[name], pieces) for name, pieces in lines],
        "address_id": mall.addresses[member_id],
    }
    price = placement.quote(member_id, QuoteInput(**given))
    return OrderInput(**given, expected_payable_fen=price.payable_fen)


def test_what_it_costs_to_move_many_orders(mall: SmallMall, two: tuple[str, str]) -> None:
    former, member = two
    for _ in range(12):
        mall.buy(former, ("pot", 1))
    redirect(former, member)
    with Recorder().recording() as trips:
        absorb(former, member)
    writes = sum(touch.units.writes + touch.index_units for trip in trips for touch in trip.touches)
    assert writes / 12 <= 9, "200 orders, and all else of a member, in 2,000"


def test_an_order_retried_with_the_old_token_is_the_same_order(mall: SmallMall, two: tuple[str, str]) -> None:
    former, member = two
    old, new = shopper(former), shopper(member)
    asked = {
        "lines": [{"sku_id": mall.skus["pot"], "quantity": 1}], "address_id": mall.addresses[former],
        "expected_payable_fen": 10_800,
    }  # fmt: skip
    placed = old.post("/v1/orders", asked, key="once").ok(201)
    redirect(former, member)
    addresses = mall.addresses
    for number, _ in enumerate(steps(former, member)):
        again = old.post("/v1/orders", asked, key="once").ok(201)
        assert again["order_id"] == placed["order_id"], number
    settle(member)
    same = asked | {"address_id": addresses[member]}
    assert old.post("/v1/orders", same, key="once").refused(422, "idempotency_key_reused")
    second = new.post("/v1/orders", same, key="another").ok(201)
    assert old.post("/v1/orders", same, key="another").ok(201)["order_id"] == second["order_id"]
    assert new.get(f"/v1/orders/{placed['order_id']}").ok()["order_id"] == placed["order_id"]
    assert old.get(f"/v1/orders/{second['order_id']}").ok()["order_id"] == second["order_id"]
    assert {one["order_id"] for one in old.items("/v1/orders")} == {placed["order_id"], second["order_id"]}
    shopper(bare_member()).get(f"/v1/orders/{placed['order_id']}").refused(404, "not_found")
    assert shop_differences(mall) == []


def test_who_pays_is_the_login_of_the_session_and_the_order_keeps_who_paid(
    mall: SmallMall, two: tuple[str, str]
) -> None:
    former, member = two
    openids = {each: profile.openid for each in two if (profile := members.current(each)) is not None}
    begun, fresh = mall.place(former, ("pot", 1)), mall.place(former, ("pot", 1))
    payment.start(begun.order_id, former)
    merge(former, member)
    with pytest.raises(MallError) as refused:
        payment.start(begun.order_id, member)
    assert (refused.value.code, refused.value.errors[0].reason.code) == ("payment_refused", "payment_begun_elsewhere")
    payment.start(begun.order_id, member, subject=former)
    payment.start(fresh.order_id, member)
    own = placement.place(member, mall.key(), body(mall, member, ("pot", 1)), subject=former)
    payment.start(own.order_id, member, subject=former)
    for order, payer in ((begun, former), (fresh, member), (own, former)):
        mall.book.pay(order.order_id)
        payment.record(mall.book.told(order.order_id))
        assert mall.order(order).openid == mall.book.trades[order.order_id].body.openid == openids[payer]


def test_nobody_has_the_price_for_new_customers_while_it_is_not_known_what_they_bought(
    mall: SmallMall, play: SegmentMall
) -> None:
    for bought in (True, False):
        former, member = play.member(), play.member()
        if bought:
            mall.buy(former, ("sample", 1))
        redirect(former, member)
        asked = QuoteInput(lines=[LineInput(mall.skus["sample"], 1)])
        assert placement.quote(member, asked).discount_fen == 0
        absorb(former, member)
        assert placement.quote(member, asked).discount_fen == 0
        settle(member)
        assert bool(placement.quote(member, asked).discount_fen) == (not bought)
    assert shop_differences(mall) == []


def test_whoever_was_placing_an_order_has_it_as_who_they_are_by_now_or_not_at_all(
    mall: SmallMall, two: tuple[str, str]
) -> None:
    former, member = two
    asked = body(mall, former, ("few", 1))
    made: list[str] = []

    def places(number: int) -> None:
        answer = told(lambda: placement.place(former, f"k{number}", asked))
        if isinstance(answer, Order):
            made.append(answer.order_id)
        else:
            assert answer in ("unauthenticated", "purchase_limit", "not_found")

    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(places, number) for number in range(5)]
        waits[0].result()
        redirect(former, member)
        waits += [pool.submit(places, number) for number in range(5, 8)]
        told(lambda: absorb(former, member))
        for each in waits:
            each.result()
    told(lambda: absorb(former, member))
    assert made
    assert standing_now(former).orders == 0
    assert {hold.order_id for hold in standing_now(member).holds} == set(made)
    assert {order_queries.load(one).member_id for one in made} == {member}
    assert shop_differences(mall) == []


def test_a_block_that_was_told_of_who_was_merged_closes_the_persons_orders(
    mall: SmallMall, two: tuple[str, str]
) -> None:
    former, member = two
    orders = [mall.place(each, ("pot", 1)) for each in two]
    redirect(former, member)
    mall.clock.advance(1)
    members_service.block(member, "x")
    closing.close_held(cast("Job", SimpleNamespace(key=former)))
    assert [mall.order(order).state for order in orders] == ["closed", "closed"]
    assert shop_differences(mall) == []


def test_the_segments_of_the_person_follow_each_order(play: SegmentMall, mall: SmallMall) -> None:
    former, member = play.member(), play.member()
    thrice = play.live({"purchases": "count", "op": ">=", "value": 3})
    for each, times in ((former, 2), (member, 1)):
        for _ in range(times):
            mall.buy(each, ("pot", 1))
    merge(former, member)
    mall.work()
    assert play.is_in(thrice, member)
