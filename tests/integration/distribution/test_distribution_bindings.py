"""Who brought whom: by a visit or an order, once, never in a ring, and never from another while protected."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.distribution import (
    balance,
    bought,
    come_by,
    distributor,
    inviter_of,
    new,
    pay,
    run_jobs,
    set_rules,
)

DAY = 86400
PRICE = 2000


def test_a_bound_member_is_not_poached_while_protected_and_is_free_afterwards(
    operator: Operator, sandbox: str, sku: str, mall_clock: LocalClock
) -> None:
    set_rules(operator, protection_days=20)
    first, second = new(operator, sandbox), new(operator, sandbox)
    member = new(operator, sandbox, first, sells=False)
    come_by(member, second.post("/v1/distributor").ok()["invite_code"])
    run_jobs()
    assert inviter_of(member) == first.member_id
    mall_clock.advance(21 * DAY)
    bought(member, [(sku, 1)])
    assert (balance(first)[0], balance(second)[0]) == (0, 0)  # the binding is over, the other link was too long ago
    come_by(member, second.post("/v1/distributor").ok()["invite_code"])
    run_jobs()
    assert inviter_of(member) == second.member_id
    bought(member, [(sku, 2)])
    assert (balance(first)[0], balance(second)[0]) == (0, 400)


def test_a_link_binds_once_and_another_that_was_opened_meanwhile_when_protection_is_over(
    operator: Operator, sandbox: str, sku: str, mall_clock: LocalClock
) -> None:
    set_rules(operator, protection_days=7)
    first, second = new(operator, sandbox), new(operator, sandbox)
    once, twice = (new(operator, sandbox, first, sells=False) for _ in range(2))
    mall_clock.advance(5 * DAY)
    come_by(twice, second.post("/v1/distributor").ok()["invite_code"])
    run_jobs()
    bought(twice, [(sku, 1)])
    assert (inviter_of(twice), balance(first)[0], balance(second)[0]) == (first.member_id, 200, 0)
    mall_clock.advance(3 * DAY)
    for member in (once, twice):
        bought(member, [(sku, 2)])
    assert (inviter_of(once), inviter_of(twice)) == (None, second.member_id)
    assert (balance(first)[0], balance(second)[0]) == (200, 400)
    come_by(once, first.post("/v1/distributor").ok()["invite_code"])  # opened anew, it binds anew
    bought(once, [(sku, 3)])
    assert (inviter_of(once), balance(first)[0]) == (first.member_id, 800)


def test_nobody_is_bound_to_themselves_or_to_who_may_not_sell(operator: Operator, sandbox: str) -> None:
    alone = new(operator, sandbox)
    come_by(alone, alone.post("/v1/distributor").ok()["invite_code"])
    run_jobs()
    assert inviter_of(alone) is None
    waiting = Shopper.arrive(operator.send, Sandbox(sandbox))
    code = waiting.post("/v1/distributor").ok()["invite_code"]
    visitor = new(operator, sandbox, sells=False)
    come_by(visitor, code)
    come_by(visitor, "no-such-link")
    run_jobs()
    assert inviter_of(visitor) is None
    distributor(operator, waiting)
    operator.post(f"/v1/admin/distributors/{waiting.member_id}/suspend").ok()
    come_by(visitor, code)
    run_jobs()
    assert inviter_of(visitor) is None


def test_where_the_first_order_binds_a_visit_alone_does_not(
    operator: Operator, sandbox: str, sku: str, mall_clock: LocalClock
) -> None:
    set_rules(operator, bind_on="first_order")
    seller, last = new(operator, sandbox), new(operator, sandbox)
    member = new(operator, sandbox, seller, sells=False)
    assert inviter_of(member) is None
    come_by(member, last.post("/v1/distributor").ok()["invite_code"])
    bought(member, [(sku, 1)])
    assert inviter_of(member) == last.member_id
    assert (balance(seller)[0], balance(last)[0]) == (0, 200)
    late = new(operator, sandbox, seller, sells=False)
    mall_clock.advance(16 * DAY)
    bought(late, [(sku, 1)])
    assert (inviter_of(late), balance(seller)[0]) == (None, 0)


def closed_unpaid(shopper: Shopper, order_id: str) -> None:
    shopper.post(f"/v1/orders/{order_id}/cancel").ok()
    run_jobs()


def test_a_binding_that_an_order_made_ends_when_it_is_never_paid(
    operator: Operator, sandbox: str, sku: str, mall_clock: LocalClock
) -> None:
    set_rules(operator, bind_on="first_order")
    seller, other = new(operator, sandbox), new(operator, sandbox)
    member = new(operator, sandbox, seller, sells=False)
    order_id = member.place([(sku, 1)])["order_id"]
    assert inviter_of(member) == seller.member_id
    mall_clock.advance(3600)
    run_jobs()
    assert (member.order(order_id)["state"], inviter_of(member)) == ("closed", None)
    assert seller.get("/v1/distributor/customers").ok()["items"] == []
    second = member.place([(sku, 2)])["order_id"]  # the same link binds again: it has brought nothing yet
    assert inviter_of(member) == seller.member_id
    closed_unpaid(member, second)
    come_by(member, other.post("/v1/distributor").ok()["invite_code"])
    bought(member, [(sku, 3)])
    assert (inviter_of(member), balance(seller)[0], balance(other)[0]) == (other.member_id, 0, 600)
    assert [one["orders"] for one in other.get("/v1/distributor/customers").ok()["items"]] == [1]


def test_a_binding_stands_by_another_order_of_theirs_that_is_paid(operator: Operator, sandbox: str, sku: str) -> None:
    set_rules(operator, bind_on="first_order")
    seller = new(operator, sandbox)
    paying, waiting = (new(operator, sandbox, seller, sells=False) for _ in range(2))
    for member in (paying, waiting):
        first, second = (member.place([(sku, number)], key=f"{number}")["order_id"] for number in (1, 2))
        if member is paying:
            pay(member, second)
            run_jobs()
        closed_unpaid(member, first)
        assert inviter_of(member) == seller.member_id
    closed_unpaid(waiting, second)  # which it stood by
    assert (inviter_of(paying), inviter_of(waiting), balance(seller)[0]) == (seller.member_id, None, 400)


def test_a_binding_by_a_visit_does_not_hang_on_an_order(operator: Operator, sandbox: str, sku: str) -> None:
    seller = new(operator, sandbox)
    member = new(operator, sandbox, seller, sells=False)
    closed_unpaid(member, member.place([(sku, 1)])["order_id"])
    assert inviter_of(member) == seller.member_id


def test_a_link_that_cannot_bind_takes_nothing_from_one_that_can(operator: Operator, sandbox: str, sku: str) -> None:
    set_rules(operator, bind_on="first_order")
    seller, gone = new(operator, sandbox), new(operator, sandbox)
    member = new(operator, sandbox, seller)
    for number in range(5):
        come_by(member, member.post("/v1/distributor/links", {"channel": f"own-{number}"}).ok()["token"])
    come_by(member, gone.post("/v1/distributor").ok()["invite_code"])
    come_by(member, "no-such-link")
    operator.post(f"/v1/admin/distributors/{gone.member_id}/suspend").ok()
    run_jobs()
    bought(member, [(sku, 1)])
    assert (inviter_of(member), balance(seller)[0]) == (seller.member_id, 200)


def test_two_who_bring_each_other_at_once_are_never_bound_in_a_ring(operator: Operator, sandbox: str) -> None:
    from chalicelib.core.errors import MallError
    from chalicelib.growth.distribution.bindings.service import bind

    for _ in range(5):
        pair = [new(operator, sandbox), new(operator, sandbox)]
        codes = [one.post("/v1/distributor").ok()["invite_code"] for one in pair]

        def attempt(mine: int, pair: list[Shopper] = pair, codes: list[str] = codes) -> None:
            try:
                bind(pair[mine].member_id, codes[1 - mine])
            except MallError as fault:
                assert fault.code in ("conflict", "unavailable")

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(attempt, range(2)))
        bound = [inviter_of(one) for one in pair]
        assert bound in ([pair[1].member_id, None], [None, pair[0].member_id])
