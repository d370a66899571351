"""Who observes coupons is told of each that a member has unused, and that they have it no more, in the transaction that
makes it so; of the templates that it follows, and of no other."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime

import pytest

from chalicelib.commerce.coupons import ports
from chalicelib.commerce.coupons.bulk_issue.rules import STEP_MEMBERS, STEP_MEMBERS_OBSERVED
from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.commerce.coupons.rules import Coupon, Template
from chalicelib.commerce.coupons.tables import Coupons, coupon_key
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.core import clock
from chalicelib.customers.members.tables import Members
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction
from local.client import Operator, Shopper
from local.notices import payment_callback
from tests.support.bulk_issue import counts, ended, granted
from tests.support.coupons import coupons_of, crowd, template
from tests.support.registered import observing


class Kept:
    """What is kept of a member: as many items as there may be for each."""

    def __init__(self, member_id: str) -> None:
        self.member_id = member_id
        self.told: dict[str, str] = {}

    def add_to(self, tx: Transaction) -> None:
        for coupon_id, until in self.told.items():
            tx.put(Members(self.member_id, f"test#{coupon_id}", version=1, roster=until))
        for number in range(ports.OBSERVED_MAX - len(self.told)):
            tx.put(Members(self.member_id, f"beside#{number}", version=1))


class Observer:
    """Follows some templates, and writes until when each coupon is good, or "gone"."""

    def __init__(self) -> None:
        self.followed: set[str] = set()
        self.new: list[str] = []

    def follows(self, template_id: str) -> bool:
        return template_id in self.followed

    def got(self, tx: Transaction, coupon: Coupon) -> None:
        assert coupon.template_id in self.followed
        tx.after_commit(self.new.append, coupon.coupon_id)

    def changed(
        self, tx: Transaction, member_id: str, template_id: str, coupon_id: str, ends_at: datetime | None
    ) -> None:
        assert template_id in self.followed
        told = tx.together(("kept", member_id), lambda: Kept(member_id)).told
        told[coupon_id] = "gone" if ends_at is None else clock.stamp(ends_at)


@pytest.fixture
def observer(dynamodb: str) -> Iterator[Observer]:
    with observing(ports, Observer()) as stand_in:
        yield stand_in


def told(member_id: str) -> dict[str, str]:
    """What was written last of each coupon of the member's."""
    items = read.query_all(Members, member_id, where=Members.part.startswith("test#"), consistent=True)
    return {item.part.removeprefix("test#"): item.roster for item in items}


def is_true(member_id: str) -> bool:
    """Whether what was told of the member's coupons is how they are."""
    kept = told(member_id)
    for coupon_id, until in kept.items():
        item = read.get(Coupons, *coupon_key(member_id, coupon_id)[1])
        assert item is not None
        if until != (clock.stamp(item.coupon.valid_until) if item.state == "unused" else "gone"):
            return False
    return bool(kept)


def bought(shopper: Shopper, sku: str, coupon_id: str) -> str:
    asked = {"lines": [{"sku_id": sku, "quantity": 1}], "address_id": shopper.address_id, "coupon_ids": [coupon_id]}
    payable = shopper.post("/v1/quotes", asked).ok()["payable_fen"]
    order = shopper.post("/v1/orders", asked | {"expected_payable_fen": payable}, key=secrets.token_hex(8)).ok(201)
    order_id: str = order["order_id"]
    return order_id


def paid(shopper: Shopper, order_id: str) -> None:
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()


def test_a_coupon_of_an_order_comes_and_goes_as_it_is_told(
    observer: Observer, operator: Operator, shopper: Shopper
) -> None:
    sku = operator.product(stock=20, price_fen=3000)["skus"][0]["sku_id"]
    made = template(limit_per_member=5)
    observer.followed.add(made.template_id)
    member_id = shopper.member_id
    coupon_id = centre.claim(member_id, made.template_id).coupon.coupon_id
    until = clock.stamp(coupons_of(member_id)[0].coupon.valid_until)
    assert told(member_id) == {coupon_id: until}
    assert observer.new == [coupon_id]

    unpaid = bought(shopper, sku, coupon_id)
    assert told(member_id) == {coupon_id: "gone"}
    closing.cancel(unpaid, member_id)
    assert told(member_id) == {coupon_id: until}

    order_id = bought(shopper, sku, coupon_id)
    paid(shopper, order_id)
    assert told(member_id) == {coupon_id: "gone"}
    assert is_true(member_id)
    refunds.refund_by_operator(order_id, "k", None, "why", False, "x")
    assert told(member_id) == {coupon_id: until}
    assert is_true(member_id)
    assert observer.new == [coupon_id]  # it came back, and is not another


def test_of_other_templates_nothing_is_told(observer: Observer, operator: Operator, shopper: Shopper) -> None:
    sku = operator.product(stock=20, price_fen=3000)["skus"][0]["sku_id"]
    made = template(limit_per_member=5)
    coupon_id = centre.claim(shopper.member_id, made.template_id).coupon.coupon_id
    closing.cancel(bought(shopper, sku, coupon_id), shopper.member_id)
    assert told(shopper.member_id) == {}


@pytest.mark.parametrize(("is_followed", "at_most"), [(True, STEP_MEMBERS_OBSERVED), (False, STEP_MEMBERS)])
def test_a_grant_goes_in_steps_that_leave_room_for_what_is_told(
    observer: Observer, no_jobs: None, monkeypatch: pytest.MonkeyPatch, is_followed: bool, at_most: int
) -> None:
    """Of a stock that lies in as many shards as there may be, so that a step takes from all of them at worst."""
    made: Template = template(total=20_000, how=["grant"])
    assert made.shards == 32
    observer.followed |= {made.template_id} if is_followed else set()
    people = crowd(STEP_MEMBERS + 5)
    sizes: list[int] = []
    commit = Transaction.commit
    monkeypatch.setattr(Transaction, "commit", lambda tx: (commit(tx), sizes.append(len(tx)))[0])
    assert counts(ended(made, granted(made, members=people))) == ("done", len(people), len(people), 0)
    of_members = 2 + ports.OBSERVED_MAX if is_followed else 2
    assert max(sizes) == at_most * of_members + 2  # of one shard of the stock, and of the part
    assert at_most * of_members + made.shards + 1 <= ACTIONS_MAX
    assert [bool(told(each)) for each in people] == [is_followed] * len(people)
    assert all(is_true(each) for each in people if is_followed)
