"""Who observes lists is told of every member who comes onto one or leaves it, segments and tags alike, in the
transaction that changes the lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from chalicelib.core.errors import MallError
from chalicelib.customers.members.tables import Members
from chalicelib.growth.segments import ports
from chalicelib.growth.segments.membership import service as membership
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from tests.support.registered import observing
from tests.support.segment_mall import SegmentMall, opened

VIEWED = {"event": "product_view", "within_days": 30, "op": ">=", "count": 1}
VIEW = {"product_id": "p1", "from": "home"}


class Observer:
    """Writes beside the member what they came onto and left last, with as many actions as there may be."""

    def __init__(self) -> None:
        self.refuses = False

    def moved(self, tx: Transaction, member_id: str, entered: Sequence[str], left: Sequence[str]) -> None:
        assert entered or left
        if self.refuses:
            tx.check(Members, (member_id, "never#"), Members.part.exists(), MallError("invalid"))
            return
        tx.put(Members(member_id, "test#", version=1, roster=f"{' '.join(entered)} | {' '.join(left)}"))


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("list-observer") as mall:
        yield mall


def told(member_id: str) -> str:
    item = read.get(Members, member_id, "test#")
    return "" if item is None else str(item.roster)


def test_it_is_told_of_segments_and_tags_as_members_come_and_go(world: SegmentMall) -> None:
    segment_id, (tag_id, tag) = world.live(VIEWED), world.tag()
    with observing(ports, Observer()):
        who = world.member()
        world.mall.work()
        assert told(who) == "new | "  # of the life cycle
        world.hear(who, "product_view", **VIEW)
        world.mall.work()
        assert segment_id in told(who).partition(" | ")[0].split()
        world.operator.post(f"/v1/admin/members/{who}/tags", {"add": [tag], "remove": []}).ok()
        assert told(who) == f"{tag_id} | "
        world.operator.post(f"/v1/admin/members/{who}/tags", {"add": [], "remove": [tag]}).ok()
        assert told(who) == f" | {tag_id}"
        world.mall.wait(31 * 86_400)
        left = told(who).partition(" | ")[2].split()
        assert segment_id in left
    world.check()


def test_the_lists_change_with_what_it_adds_or_not_at_all(world: SegmentMall) -> None:
    segment_id = world.live(VIEWED)
    with observing(ports, Observer()) as observer:
        who = world.member()
        world.mall.work()
        observer.refuses = True
        world.hear(who, "product_view", **VIEW)
        with pytest.raises(MallError, match="invalid"):
            membership.settle_now(who)
        assert who not in world.listed(segment_id)
        observer.refuses = False
        membership.settle_now(who)
        assert who in world.listed(segment_id)
        assert segment_id in told(who).partition(" | ")[0].split()
