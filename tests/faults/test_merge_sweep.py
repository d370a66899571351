"""The crash sweep over two members who become one, from their own act or WeChat's word to the last look of a day later;
over who is taken out again, who closes one of two accounts at WeChat, and who leaves after they became one.

Each with a fault at its k-th call that may change something, for every k, and once with every call failing at first:
all that moves is struck at a login, and owner by owner in the sweeps of the wings (test_absorbing_sweep.py,
test_growth_merge_sweep.py).
Then what is owed is done: all wings' books agree, and what both had is what one has.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.consents.service import cancelled
from chalicelib.customers.members.followers import service as followers
from chalicelib.customers.members.identities.service import owner_of
from chalicelib.customers.members.merge_codes import service as merge_codes
from chalicelib.customers.members.merging.tables import Merges
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.sessions.queries import CACHE, known
from chalicelib.customers.members.tables import (
    MOVED,
    Identities,
    Members,
    identities_of,
    identity_id,
    mini_identity,
    oa_identity,
)
from chalicelib.ledger.tables import LedgerEntries
from chalicelib.platform.store import cache, read, tools
from local.client import Operator, Sandbox
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support import merge_world as world_of
from tests.support.merging import code_of
from tests.support.operators import second_token
from tests.support.outside import Outside, may_change
from tests.support.own_tables import Snapshot, put_back, snapshot
from tests.support.segment_mall import DAY, SegmentMall, opened
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once

#: When all that was begun in a scene has come to its end.
_OVER = 5 * DAY
_MINUTE = 61.0
MINE, THEIRS, FOLLOWS, UNKNOWN = "o-mine", "o-theirs", "f-known", "f-unknown"
BY_UNION = {FOLLOWS: "u-follower", UNKNOWN: "u-mine"}


@dataclass
class Scene:
    """The tables, WeChat's books and the hour before something happens; and what everybody has when all is over, if
    nothing does."""

    tables: Snapshot
    book: Any
    transfers: Any
    seconds: float
    people: dict[str, str]
    left_alone: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass
class Play(World):
    """Two shoppers with something of everything, and two followers, one of whom is known by a unionid."""

    mall: SegmentMall
    scenes: dict[str, Scene]
    unionids: dict[str, str]
    second: Operator
    people: dict[str, str] = field(default_factory=dict)
    merge: str = ""
    identity: str = ""

    # Before: who there is.

    def apart(self) -> None:
        """They are four members."""
        self._as_in("apart", self._meet)

    def one(self) -> None:
        """The two shoppers are one member, of whom nothing is under way any more."""
        self._as_in("one", self._become_one)

    def _as_in(self, name: str, begin: Callable[[], None]) -> None:
        if name not in self.scenes:
            begin()
            shop = self.mall.mall
            scene = self.scenes[name] = Scene(
                snapshot(tools.tables()), copy.deepcopy(shop.book.__dict__), dict(shop.transfers), shop.clock.seconds,
                dict(self.people),
            )  # fmt: skip
            shop.wait(_OVER)
            scene.left_alone = {who: world_of.sums(one) for who, one in self.people.items() if members.current(one)}
            assert shop.told() == []
        scene = self.scenes[name]
        put_back(scene.tables)
        shop = self.mall.mall
        shop.book.__dict__.update(copy.deepcopy(scene.book))
        shop.transfers.clear()
        shop.transfers.update(scene.transfers)
        shop.clock.seconds = scene.seconds
        self.people = dict(scene.people)
        self.unionids.clear()

    def _meet(self) -> None:
        forget_all()
        _, tag = self.mall.tag()
        self.mall.live({"event": "product_view", "within_days": 30, "op": ">=", "count": 2})
        self.people = {openid: world_of.shopper(self.mall, openid, tag) for openid in (MINE, THEIRS)}
        self.unionids |= {FOLLOWS: BY_UNION[FOLLOWS], MINE: BY_UNION[UNKNOWN]}
        world_of.log_in(MINE)
        for openid in (FOLLOWS, UNKNOWN):
            self.people[openid] = world_of.follow(self.mall, openid)
            world_of.knows(self.mall, self.people[openid], tag)
            self.mall.mall.coupon(self.people[openid])
        world_of.begins(self.mall, self.people[MINE], self.people[THEIRS])

    def _become_one(self) -> None:
        self.apart()
        self.by_code()
        self.mall.mall.wait(_OVER)
        self.people = {"both": members.resolved(self.people[MINE])}

    # What happens.

    def by_code(self) -> None:
        """A code of one login is entered in the other; unless they are one already."""
        one, other = (members.resolved(self.people[who]) for who in (MINE, THEIRS))
        if one != other:
            merge_codes.redeem(other, code_of(one))

    def told_at_login(self) -> None:
        """A login tells by which unionid WeChat knows a shopper, who was known to follow already."""
        self.unionids[THEIRS] = BY_UNION[FOLLOWS]
        world_of.log_in(THEIRS)
        self._moved()

    def followed(self) -> None:
        """WeChat tells that somebody follows, and whose unionid they have."""
        self.unionids |= BY_UNION
        followers.hear(UNKNOWN, clock.now(), follows=True)
        self.work("members.followed")

    def proposed(self) -> None:
        self.apart()
        asked = {"from": self.people[MINE], "to": self.people[THEIRS], "reason": "x", "force": True}
        self.merge = self.operator.post("/v1/admin/merges", asked).ok(202)["merge_id"]

    def decide(self) -> None:
        """Another operator agrees."""
        self.second.post(f"/v1/admin/merges/{self.merge}/decide", {"decision": "merge", "reason": "x"})

    def detach(self) -> None:
        """An operator takes a login out again."""
        member = members.profile(self.people["both"])
        keys = [one.key for one in member.identities if one.kind == "mini"]
        if keys:
            path = f"/v1/admin/members/{member.member_id}/detach"
            self.operator.post(path, {"identity": identity_id(keys[0]), "reason": "x"})

    def close_at_wechat(self) -> None:
        """The account of one of two logins is closed at WeChat."""
        self.identity = self.identity or members.profile(self.people["both"]).openid
        cancelled(self.identity, clock.now())

    def leave(self) -> None:
        """They have their account deleted."""
        try:
            privacy.erase(self.people["both"], waive_balance=True)
        except MallError as fault:
            assert fault.code in ("unauthenticated", "unavailable"), fault.data
        self.work("members.erase", "segments.")

    def _moved(self) -> None:
        for later in (0.0, _MINUTE, float(DAY)):
            self.clock.advance(later)
            self.work("members.merge")


@dataclass
class Flow(Steps[Play]):
    """And what must have come of it."""

    ends: Callable[[Play], None]


def _became(*logins: str) -> Callable[[Play], None]:
    def check(play: Play) -> None:
        scene = play.scenes["apart"]
        stays = {members.resolved(scene.people[who]) for who in logins}
        assert len(stays) == 1
        member = members.profile(stays.pop())
        assert [one.settled for one in member.absorbed] == [True]
        assert {item.merge.state for item in tools.scan(Merges) if item.merge is not None} == {"done"}
        wanted = sum((scene.left_alone[who] for who in logins), Counter[str]())
        assert world_of.sums(member.member_id) == world_of.as_one(wanted)
        former = next(one.member_id for one in member.absorbed)
        assert world_of.sums(former).keys() <= {"distributor", "account"}
        for who in (MINE, THEIRS, FOLLOWS, UNKNOWN):
            if who not in logins:
                assert world_of.sums(play.people[who]) == scene.left_alone[who]
        assert {owner_of(key) for key in _keys(*logins)} == {member.member_id}

    return check


def _keys(*logins: str) -> list[str]:
    appid = settings().wechat_appid
    return [oa_identity(who) if who.startswith("f") else mini_identity(appid, who) for who in logins]


def _apart_again(play: Play) -> None:
    kept = play.people["both"]
    owners = {owner_of(key) for key in _keys(MINE, THEIRS)}
    assert len(owners) == 2
    (new,) = owners - {kept}
    assert new is not None
    assert members.profile(new).apart
    assert [one.member_id for one in tools.scan(Members) if one.moved_to is not None] == [_former(play)]
    assert members.resolved(_former(play)) == kept
    cache.forget(CACHE)
    assert known(_former(play)).moved_to == new
    assert world_of.sums(kept) == play.scenes["one"].left_alone["both"]
    assert world_of.sums(new).keys() <= {"traits"}


def _former(play: Play) -> str:
    people = play.scenes["apart"].people
    return next(people[who] for who in (MINE, THEIRS) if people[who] != play.people["both"])


def _one_login(play: Play) -> None:
    member = members.profile(play.people["both"])
    assert member.closed_at_wechat is None
    assert [key.partition(":")[0] for key in identities_of(member)].count("mini") == 1
    assert [owner_of(key) for key in _keys(play.identity)] == [None]
    assert world_of.sums(member.member_id) == play.scenes["one"].left_alone["both"]


def _gone(play: Play) -> None:
    theirs = {play.people["both"], _former(play)}
    assert [members.current(one) for one in theirs] == [None, None]
    assert [read.get(Members, one, MOVED) for one in theirs] == [None, None]
    assert not theirs & {item.member_id for item in tools.scan(Identities) if item.until is None}
    kept = {"orders", "coupons", "withdrawals", "withdrawn fen", "account", "distributor", "group_purchases"}
    for one in theirs:
        left = {what for what in world_of.sums(one) if not what.startswith(("orders ", "coupons "))}
        assert left <= kept, left


FLOWS = [
    Flow("by a code", Play.apart, Play.by_code, Play.by_code, _became(MINE, THEIRS)),
    Flow("at a login", Play.apart, Play.told_at_login, Play.told_at_login, _became(THEIRS, FOLLOWS)),
    Flow("by a message", Play.apart, Play.followed, Play.followed, _became(MINE, UNKNOWN)),
    Flow("by two operators", Play.proposed, Play.decide, Play.decide, _became(MINE, THEIRS)),
    Flow("taken out again", Play.one, Play.detach, Play.detach, _apart_again),
    Flow("an account closed", Play.one, Play.close_at_wechat, Play.close_at_wechat, _one_login),
    Flow("an erasure", Play.one, Play.leave, Play.leave, _gone),
]


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[tuple[SegmentMall, dict[str, Scene], dict[str, str]]]:
    unionids: dict[str, str] = {}
    with opened("merge-sweep") as mall, world_of.told_by_wechat(unionids):
        yield mall, {}, unionids


@pytest.fixture
def sweep(world: tuple[SegmentMall, dict[str, Scene], dict[str, str]], outside: Outside) -> Sweep[Flow, Play]:
    mall, scenes, unionids = world
    second = Operator(mall.operator.send, second_token())

    def new_world(_: Flow) -> Play:
        held = cast(LocalClock, mall.mall.clock)
        nowhere = Sandbox("http://localhost:1")
        return Play(mall.operator.send, nowhere, held, mall.operator, mall, scenes, unionids, second)

    def check(flow: Flow, play: Play) -> None:
        shop = play.mall.mall
        began = play.scenes["one" if flow.before is Play.one else "apart"].seconds
        shop.wait(began + _OVER - shop.clock.seconds)
        assert shop.told() == []
        assert sum(one.amount_fen for item in tools.scan(LedgerEntries) for one in item.entry.postings) == 0
        assert dead_jobs() == []
        flow.ends(play)

    return Sweep(outside, new_world, check, may_change)


test_wherever_it_is_struck_two_are_one_and_have_what_both_had = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)
