"""Two members turn out to be one person: what they got of coupons, what they shared and entered, their carts and their
uploads become one's, and nothing that is given once is given twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from chalicelib.commerce.cart import queries as carts
from chalicelib.commerce.cart.rules import LINES_MAX
from chalicelib.commerce.cart.tables import Carts, map_of
from chalicelib.commerce.coupons.issue import purchases
from chalicelib.commerce.coupons.issue.service import FRIEND, give, give_owed
from chalicelib.commerce.coupons.sharing import service as sharing
from chalicelib.commerce.coupons.tables import Coupons, guesses_key
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.gateways.objects import store
from chalicelib.mall.files import service as files
from chalicelib.mall.files.queries import of_owner
from chalicelib.mall.files.tables import Uploads, day_key, owner_of
from chalicelib.platform.jobs import worker
from chalicelib.platform.store import read
from tests.support.bulk_issue import counts, ended, granted
from tests.support.coupons import coupons_of, shopper, template
from tests.support.merging import redirect, settle
from tests.support.own_tables import snapshot
from tests.support.segment_mall import SegmentMall, opened
from tests.support.shop_merges import absorb, kept, merge, shop_differences
from tests.support.small_mall import SmallMall

if TYPE_CHECKING:
    from chalicelib.platform.jobs.job import Job


@pytest.fixture(scope="module")
def play(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("absorbing-coupons") as mall:
        yield mall


@pytest.fixture
def mall(play: SegmentMall) -> SmallMall:
    return play.mall


@pytest.fixture
def two(play: SegmentMall) -> tuple[str, str]:
    """Two members with an address each."""
    return play.member(), play.member()


def test_what_was_got_counts_on_and_further_claims_are_refused(mall: SmallMall, two: tuple[str, str]) -> None:
    former, member = two
    made = template(limit_per_member=2, total=100)
    for each in two:
        give(made, each, "claim")
    give(made, former, "claim")
    merge(former, member)
    assert len(coupons_of(member)) == 3
    with pytest.raises(MallError) as refused:
        give(made, member, "claim")
    assert refused.value.code == "claim_limit"
    assert shop_differences(mall) == []


def test_a_coupon_that_one_order_let_go_moves_with_the_other_that_has_it(
    mall: SmallMall, two: tuple[str, str]
) -> None:  # fmt: skip
    former, member = two
    coupon = mall.coupon(former)
    mall.cancel(mall.place(former, ("pot", 1), coupons=(coupon,)))
    order = mall.place(former, ("pot", 1), coupons=(coupon,))
    merge(former, member)
    assert [(one.coupon.coupon_id, one.order_id) for one in coupons_of(member)] == [(coupon, order.order_id)]
    assert shop_differences(mall) == []


def test_a_cause_gives_a_person_one_coupon_whoever_they_were(mall: SmallMall, two: tuple[str, str]) -> None:
    former, member = two
    made = template(how=["claim", "share"], limit_per_member=9, share_limit=9, total=100)
    given = give(made, former, "grant", ("lottery", "o1"))
    friend = give(made, former, "share", FRIEND)
    redirect(former, member)
    for _ in range(2):  # before it is moved, and after
        assert give_owed(made, former, "grant", ("lottery", "o1")).held.coupon.coupon_id == given.held.coupon.coupon_id
        assert not give(made, member, "share", FRIEND).is_new
        absorb(former, member)
    settle(member)
    assert not give(made, member, "grant", ("lottery", "o1")).is_new
    late = give_owed(made, former, "grant", ("lottery", "o2"))
    assert (late.is_new, late.held.coupon.member_id) == (True, member)
    assert {one.coupon.coupon_id for one in coupons_of(member)} == {
        given.held.coupon.coupon_id, friend.held.coupon.coupon_id, late.held.coupon.coupon_id,
    }  # fmt: skip
    assert shop_differences(mall) == []


def test_tokens_that_were_shared_stay_good_and_are_the_persons(mall: SmallMall, play: SegmentMall) -> None:
    former, member, friends = play.member(), play.member(), [play.member() for _ in range(5)]
    made = template(how=["share"], limit_per_member=50, share_limit=4, total=100)
    old, own = (sharing.share(each, made.template_id).token for each in (former, member))
    sharing.claim(friends[0], made.template_id, old)
    sharing.claim(friends[1], made.template_id, own)
    mall.work()
    sharing.claim(friends[2], made.template_id, old)  # its reward is owed as the two become one
    redirect(former, member)
    with pytest.raises(MallError) as refused:
        sharing.claim(member, made.template_id, old)
    assert refused.value.code == "not_for_you"
    mall.work()
    for _ in range(2):
        absorb(former, member)
    settle(member)
    for friend in friends[3:]:
        sharing.claim(friend, made.template_id, old)
    mall.work()
    assert sharing.share(member, made.template_id).rewards == 4
    assert len(coupons_of(member)) == 4
    assert {one["share_token"]: one["rewards"] for one in kept(member)["coupon_shares"]} == {own: 4, old: 0}
    assert shop_differences(mall) == []


def test_a_purchase_gives_its_coupon_to_who_the_buyer_is_by_now(mall: SmallMall, two: tuple[str, str]) -> None:
    former, member = two
    made = template(how=["purchase"], limit_per_member=9, total=100)
    redirect(former, member)
    job = SimpleNamespace(key="o-1", task=SimpleNamespace(payload={"member_id": former}))
    for _ in range(2):
        purchases.after_purchase(cast("Job", job))
        absorb(former, member)
    assert [one.coupon.template_id for one in coupons_of(member)] == [made.template_id]


@pytest.mark.parametrize("reached", [True, False], ids=["reached before", "under way"])
def test_a_grant_gives_a_person_what_it_would_give_who_they_were(
    mall: SmallMall, two: tuple[str, str], reached: bool
) -> None:
    former, member = two
    made = template(how=["grant"], limit_per_member=9, total=100)
    if reached:
        assert counts(ended(made, granted(made, members=[former, member])))[2:] == (2, 0)
        merge(former, member)
        assert len(coupons_of(member)) == 2, "each had theirs"
    else:
        grant = granted(made, members=[former, member, former])
        redirect(former, member)
        assert counts(ended(made, grant))[2:] == (1, 1)
        absorb(former, member)
        assert len(coupons_of(member)) == 1
    assert shop_differences(mall) == []


def test_wrong_codes_count_on(mall: SmallMall, two: tuple[str, str]) -> None:
    former, member = two
    for each, times in ((former, 3), (member, 1)):
        for _ in range(times):
            shopper(each).post("/v1/coupon-codes/redeem", {"code": "WRNG-0000-0000-AAAA"}).refused(404, "code_unknown")
    merge(former, member)
    item = read.get(Coupons, *guesses_key(member)[1])
    assert item is not None
    assert int(item.wrong_codes) == 3
    assert read.get(Coupons, *guesses_key(former)[1]) is None


def test_carts_become_one_and_what_is_beyond_the_limit_is_shown_and_stays(two: tuple[str, str]) -> None:
    former, member = two

    def lay(each: str, lines: dict[str, tuple[int, bool]]) -> None:
        made = [
            carts.CartLine(sku, quantity, selected, number)
            for number, (sku, (quantity, selected)) in enumerate(lines.items())
        ]
        Carts(each, lines=map_of(made)).save()

    lay(member, {"a": (1, True), "b": (5, False), **{f"s{n}": (1, False) for n in range(LINES_MAX - 4)}})
    lay(former, {"a": (3, False), "b": (2, True), **{f"n{n}": (1, True) for n in range(4)}})
    redirect(former, member)
    for _ in range(2):
        absorb(former, member)
        found = {line.sku_id: (line.quantity, line.selected) for line in carts.lines(member)}
        assert len(found) == LINES_MAX
        assert (found["a"], found["b"], found["n3"], found["n2"]) == ((3, True), (5, False), (1, True), (1, True))
        assert {line.sku_id for line in carts.lines(former)} == {"n0", "n1"}
    assert len(kept(member)["cart"]) == LINES_MAX + 2
    Carts(member, lines={}).save()
    absorb(former, member)
    assert {line.sku_id for line in carts.lines(member)} == {"n0", "n1"}
    assert read.get(Carts, former) is None


def test_uploads_are_the_persons_and_end_in_their_time(
    mall: SmallMall, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    former, member = two
    monkeypatch.setattr(store, "remove", lambda _: None)  # nothing was ever sent there
    begun = [files.begin(owner_of(each), "refund", "image/png", 100)[0].upload_id for each in (former, former, member)]
    assert not files.absorb(owner_of(former), owner_of(member))
    after = snapshot([Uploads])
    assert not files.absorb(owner_of(former), owner_of(member))
    assert snapshot([Uploads]) == after
    assert of_owner(owner_of(former)) == ([], None)
    assert {one.upload_id for one in of_owner(owner_of(member))[0]} == set(begun)
    today = read.get(Uploads, *day_key(owner_of(member), clock.day(clock.now()).isoformat()))
    assert today is not None
    assert int(today.times) == 3
    mall.clock.advance(timedelta(days=2).total_seconds())
    while worker.run_due():
        pass
    assert of_owner(owner_of(member)) == ([], None)
