"""Faults that are planted into the code of segments: each is played in a mall, and the audit names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from chalicelib.growth.segments.assessment import rules as assessment
from chalicelib.growth.segments.counts import service as counts
from chalicelib.growth.segments.evaluation import rules as evaluation
from chalicelib.growth.segments.membership import service as membership
from chalicelib.growth.segments.observing import service as observing
from chalicelib.growth.segments.restoring import queries as restoring
from chalicelib.growth.segments.traits import service as traits
from tests.support.segment_mall import DAY, SegmentMall, before_segments, opened

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("planted-segments") as mall:
        pot = {"product_id": mall.mall.products["pot"]}
        mall.segment({"event": "cart_view", "within_hours": 1, "op": ">=", "count": 1}, shown=True)
        mall.segment({"purchases": "count", "of": pot, "within_days": 30, "op": ">=", "value": 1})
        mall.segment({"coupon": mall.mall.templates["five"].template_id, "state": "unused"})
        mall.built()
        mall.mall.work()
        yield mall


def shop(world: SegmentMall) -> None:
    """Somebody joins, looks, gets a coupon, buys, receives, and gives something back; time passes."""
    mall, member_id = world.mall, world.member()
    world.hear(member_id, "cart_view")
    mall.coupon(member_id)
    order = mall.deliver(mall.buy(member_id, ("pot", 2)))
    mall.wait(3600 + 30)
    mall.wait(16 * DAY)
    mall.refund(order, ("pot", 2))
    mall.wait(15 * DAY)


def shop_and_stay(world: SegmentMall) -> None:
    """Somebody buys and looks; nothing more happens."""
    member_id = world.member()
    world.mall.buy(member_id, ("pot", 1))
    world.hear(member_id, "cart_view")
    world.mall.wait(30)


def keep(world: SegmentMall) -> None:
    """Somebody buys, receives, and keeps it."""
    world.mall.deliver(world.mall.buy(world.member(), ("pot", 1)))
    world.mall.wait(16 * DAY)


def get_a_coupon(world: SegmentMall) -> None:
    """Somebody gets a coupon."""
    world.mall.coupon(world.member())
    world.mall.wait(30)


def join_before(world: SegmentMall) -> None:
    """Somebody bought before there were segments, and everybody is looked at."""
    with before_segments():
        member_id = world.member()
        world.mall.buy(member_id, ("pot", 1))
    world.live({"life_cycle": ["loyal"]})


def _replaced(owner: Any, name: str, by: Callable[..., Any]) -> Callable[[Patch], None]:
    right = getattr(owner, name)
    return lambda patch: patch.setattr(owner, name, lambda *given, **more: by(right, *given, **more))


def _later(right: Any, *given: Any) -> Any:
    holds, until = right(*given)
    return holds, None if until is None else until + 1


FAULTS = {
    "a window is a millisecond too long": (_replaced(evaluation, "_over_time", _later), shop_and_stay),
    "a look is never due": (
        _replaced(traits, "traits_item", lambda right, known, version, _: right(known, version, None)), shop_and_stay,
    ),
    "who leaves is not counted": (
        _replaced(counts.Counts, "add", lambda right, self, who, one, came: came and right(self, who, one, came)), shop,
    ),
    "who leaves stays on the list": (
        _replaced(membership, "list_moves", lambda right, tx, who, net, since: right(
            tx, who, {one: came for one, came in net.items() if came}, since)), shop,
    ),
    "moves are forgotten": (
        _replaced(assessment, "assess", lambda right, *given: msgspec.structs.replace(
            found := right(*given), traits=msgspec.structs.replace(found.traits, moves=given[1].moves))), shop,
    ),
    "no order is heard of": (
        _replaced(observing, "bought", lambda *_: None), shop_and_stay,
    ),
    "no coupon is heard of": (
        _replaced(observing.Coupons, "changed", lambda *_: None), get_a_coupon,
    ),
    "no event is heard of": (_replaced(observing.Events, "heard", lambda *_: None), shop_and_stay),
    "nobody's orders are looked through": (
        _replaced(restoring, "bought", lambda *_: None), join_before,
    ),
    "the profile does not follow": (
        _replaced(traits.members, "set_known", lambda *_: None), keep,
    ),
}  # fmt: skip


@pytest.mark.parametrize("play", [shop, shop_and_stay, keep, join_before], ids=lambda play: play.__name__)
def test_soundly_played_nothing_is_named(world: SegmentMall, play: Callable[[SegmentMall], None]) -> None:
    play(world)
    assert world.segment_differences() == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_code_is_named(world: SegmentMall, fault: str) -> None:
    plant, play = FAULTS[fault]
    before = set(world.segment_differences())
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        play(world)
        found = set(world.segment_differences())
    assert found - before
