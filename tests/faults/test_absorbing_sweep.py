"""The crash sweep over the absorbers of the shop: wherever a step dies, the steps that follow end alike.

Each with a fault at its k-th call that may change something, for every k, and once with every call failing at first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from chalicelib.commerce.cart.rules import CartLine
from chalicelib.commerce.cart.tables import Carts, map_of
from chalicelib.commerce.coupons.sharing import service as sharing
from chalicelib.commerce.orders.absorbing import service as absorbing
from chalicelib.core import clock
from chalicelib.mall.files import service as files
from chalicelib.mall.files.queries import of_owner
from chalicelib.mall.files.tables import Uploads, day_key, owner_of
from chalicelib.platform.store import read, tools
from local.client import Sandbox
from local.clock import LocalClock
from tests.support.coupons import template
from tests.support.merging import redirect
from tests.support.outside import Outside, may_change
from tests.support.own_tables import snapshot
from tests.support.segment_mall import SegmentMall, opened
from tests.support.shop_merges import absorb, kept, shop_differences, shops, sums, with_limited
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once


@dataclass
class Play(World):
    """Two members who have something of each kind, and turn out to be one."""

    mall: SegmentMall
    former: str
    member: str
    before: Counter[str] = field(default_factory=Counter)

    def have(self) -> None:
        shared = template(how=["share"], limit_per_member=50, share_limit=9, total=100)
        for number, each in enumerate((self.former, self.member)):
            shops(self.mall.mall, each)
            token = sharing.share(each, shared.template_id).token
            sharing.claim(self.mall.member(), shared.template_id, token)
            Carts(each, lines=map_of([CartLine(f"s{number}", 1, True, number)])).save()
        self.mall.mall.work()
        self.before = sums(self.former, self.member)
        redirect(self.former, self.member)

    def absorb(self) -> None:
        absorb(self.former, self.member)

    def upload(self) -> None:
        for each in (self.former, self.former, self.member):
            files.begin(owner_of(each), "refund", "image/png", 100)
        redirect(self.former, self.member)

    def absorb_uploads(self) -> None:
        while files.absorb(owner_of(self.former), owner_of(self.member)):
            pass


@dataclass
class Flow(Steps[Play]):
    """And what must have come of it."""

    ends: Callable[[Play], None]


def _one_has_all(play: Play) -> None:
    assert sums(play.member) == play.before
    assert sums(play.former).total() == 0
    shown = kept(play.member)
    assert sorted(one["rewards"] for one in shown["coupon_shares"]) == [0, 2]
    assert [line.sku_id for line in shown["cart"]] == ["s1", "s0"]


def _uploads_are_theirs(play: Play) -> None:
    assert of_owner(owner_of(play.former)) == ([], None)
    assert len(of_owner(owner_of(play.member))[0]) == 3
    today = read.get(Uploads, *day_key(owner_of(play.member), clock.day(clock.now()).isoformat()))
    assert today is not None
    assert int(today.times) == 3


FLOWS = [
    Flow("the shop", Play.have, Play.absorb, Play.absorb, _one_has_all),
    Flow("uploads", Play.upload, Play.absorb_uploads, Play.absorb_uploads, _uploads_are_theirs),
]


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("absorbing-sweep") as mall, pytest.MonkeyPatch.context() as patch:
        patch.setattr(absorbing, "_TOGETHER", 3)  # some transactions for a few orders
        with_limited(mall.mall)
        mall.mall._opened = snapshot(tools.tables())
        yield mall


@pytest.fixture
def sweep(world: SegmentMall, outside: Outside) -> Sweep[Flow, Play]:
    def new_world(_: Flow) -> Play:
        world.mall.reopen()
        held = cast(LocalClock, world.mall.clock)
        send = world.operator.send
        return Play(
            send, Sandbox("http://localhost:1"), held, world.operator, world, world.member(), world.member()
        )  # fmt: skip

    def check(flow: Flow, play: Play) -> None:
        flow.ends(play)
        assert shop_differences(world.mall) == []
        assert dead_jobs() == []

    return Sweep(outside, new_world, check, may_change)


test_wherever_a_step_dies_it_ends_alike = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)
