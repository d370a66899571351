"""What a member says and does: birthdays, days on which they were here, the bounds of the life cycle; and that the wing
above is told of every change in its transaction."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.customers.members import ports, queries, service
from chalicelib.customers.members.rules import LifeCycleRules, Profile
from chalicelib.customers.members.settings import LIFE_CYCLE
from chalicelib.gateways.wechat import mini
from chalicelib.platform.store.transaction import Transaction
from local.client import Client, in_process
from tests.support.registered import observing


@pytest.fixture(autouse=True)
def wechat(dynamodb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat says that a code is its shopper's openid."""
    monkeypatch.setattr(mini, "code2session", lambda code: mini.Session(openid=code, unionid=None))


def member(openid: str = "") -> Client:
    code = openid or f"o{secrets.token_hex(8)}"
    return Client(in_process(), Client(in_process()).post("/v1/auth/login", {"code": code}).ok()["token"])


def profile(someone: Client) -> Any:
    return queries.profile(someone.get("/v1/me").ok()["member_id"])


class Told:
    """What the wing above is told of members."""

    def __init__(self) -> None:
        self.changes: list[tuple[Profile, Profile]] = []
        self.joiners: list[Profile] = []

    def joined(self, tx: Transaction, member: Profile) -> None:
        tx.after_commit(self.joiners.append, member)

    def changed(self, tx: Transaction, before: Profile, after: Profile) -> None:
        tx.after_commit(self.changes.append, (before, after))

    @contextlib.contextmanager
    def instead(self) -> Iterator[None]:
        with observing(ports, self):
            yield


def test_a_birthday_is_kept_with_its_calendar_and_taken_away_by_null() -> None:
    someone = member()
    lunar = {"month": 8, "day": 15, "calendar": "lunar"}
    assert someone.put("/v1/me", {"birthday": lunar}).ok()["birthday"] == lunar
    assert someone.put("/v1/me", {"nickname": "小鱼"}).ok()["birthday"] == lunar
    refused = someone.put("/v1/me", {"birthday": {"month": 4, "day": 31}}).refused(400, "malformed")
    assert [(each["field"], each["code"]) for each in refused["errors"]] == [("birthday.day", "no_day_of_month")]
    assert someone.put("/v1/me", {"birthday": {"month": 2, "day": 29}}).ok()["birthday"]["calendar"] == "solar"
    assert someone.get("/v1/me/export").ok()["sections"]["profile"][0]["birthday"]["day"] == 29
    assert "birthday" not in someone.put("/v1/me", {"birthday": None}).ok()
    assert profile(someone).birthday is None


def test_who_is_here_is_noted_once_a_day_in_whichever_way_they_come(later: Callable[[float], None]) -> None:
    openid, told = f"o-{secrets.token_hex(6)}", Told()
    someone, joined = member(openid), clock.now()
    assert profile(someone).last_seen == joined
    with told.instead():
        for way in ("login", "visit", "link"):
            later(86_400)
            at = clock.now()
            for _ in range(2):
                if way == "login":
                    someone = member(openid)
                else:
                    someone.post("/v1/me/visits", {"channel": "poster-2"} if way == "link" else {}).ok()
                later(60)
            assert profile(someone).last_seen == at
    # Where a visit comes from is noted each time, and then when.
    assert [after.last_seen == before.last_seen for before, after in told.changes] == [False, False, False, True]


def test_the_wing_above_is_told_in_the_transaction_of_whatever_changes() -> None:
    told = Told()
    with told.instead():
        someone = member()
        someone.put("/v1/me", {"nickname": "小鱼"}).ok()
        someone.put("/v1/me", {"nickname": "小鱼"}).ok()  # written, and nothing else than it was
    assert [joiner.member_id for joiner in told.joiners] == [profile(someone).member_id]
    assert [(before.nickname, after.nickname) for before, after in told.changes] == [("", "小鱼")]


def test_what_is_completed_is_told_absolutely_and_of_nobody_who_has_left() -> None:
    someone, told = member(), Told()
    member_id, at = profile(someone).member_id, clock.now()

    def tell(completed: int, last: datetime | None, who: str = member_id) -> int:
        tx = Transaction()
        service.set_known(tx, who, completed, last)
        if len(tx):
            tx.commit()
        return len(tx)

    with told.instead():
        assert [tell(2, at), tell(2, at), tell(1, at), tell(0, None), tell(0, None)] == [1, 0, 1, 1, 0]
    assert [after.orders_completed for _, after in told.changes] == [2, 1, 0]
    assert profile(someone).last_completed_at is None
    assert tell(1, at, "m-gone") == 0


def test_the_bounds_of_the_life_cycle_are_the_merchant_s_and_exact(later: Callable[[float], None]) -> None:
    someone = member()

    def segment() -> str:
        return str(someone.get("/v1/me").ok()["segment"])

    assert segment() == "new"
    later(10 * 86_400)
    assert segment() == "new"
    before = LIFE_CYCLE.fresh()
    LIFE_CYCLE.change(LifeCycleRules(new_days=10))
    try:
        assert segment() == "new"
        later(0.001)
        assert segment() == "silent"
    finally:
        LIFE_CYCLE.change(before)
