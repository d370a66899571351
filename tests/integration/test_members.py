"""Members: joining once, sources, the profile, the phone, addresses, and purchases counted exactly once."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.commerce.orders.jobs import COMPLETED
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.logins import service as logins
from chalicelib.customers.members.rules import Address, Addresses
from chalicelib.customers.members.service import count_purchase
from chalicelib.customers.members.tables import (
    ADDRESSES,
    Identities,
    Members,
    addresses_key,
    mini_identity,
    profile_key,
)
from chalicelib.gateways.wechat import mini
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import read, tools
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, save
from chalicelib.platform.web import tokens
from local.client import SHANGHAI, Client, in_process
from tests.support.jobs import taken

PICTURE = "https://thirdwx.qlogo.cn/mmopen/vi_32/a/132"
SOURCE = {"scene": 1047, "channel": "poster-1", "inviter": "m1", "live_room": "r1"}


@pytest.fixture(autouse=True)
def wechat(dynamodb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat says that a code is its shopper's openid; "phone:..." codes give that number."""

    def code2session(code: str) -> mini.Session:
        if code.startswith("!"):
            raise MallError(code[1:])
        return mini.Session(openid=code, unionid=f"u-{code}")

    def phone_number(code: str, openid: str) -> str:
        if code.startswith("!"):
            raise MallError(code[1:])
        assert openid.startswith("o")
        return code

    monkeypatch.setattr(mini, "code2session", code2session)
    monkeypatch.setattr(mini, "phone_number", phone_number)


@pytest.fixture
def advance() -> Iterator[Callable[[float], None]]:
    at = [time.time()]
    before = clock.use(lambda: at[0])

    def move(seconds: float) -> None:
        at[0] += seconds

    yield move
    clock.use(before)


def openid() -> str:
    return f"o{secrets.token_hex(8)}"


def login(code: str, **more: Any) -> Any:
    return Client(in_process()).post("/v1/auth/login", {"code": code, **more})


def member(code: str = "") -> Client:
    return Client(in_process(), login(code or openid()).ok()["token"])


def profile(someone: Client) -> Any:
    return member_queries.profile(someone.get("/v1/me").ok()["member_id"])


def test_who_was_never_here_joins_and_comes_back_as_the_same() -> None:
    code = openid()
    first = login(code).ok()
    assert first["is_new"] is True
    assert set(first["member"]) == {"member_id", "nickname", "avatar_url", "segment", "segments", "tags", "joined_at"}
    assert (first["member"]["segment"], first["member"]["tags"]) == ("new", [])
    again = login(code).ok()
    assert (again["is_new"], again["member"]) == (False, first["member"])
    assert datetime.fromisoformat(again["expires_at"]) - datetime.now(UTC) > timedelta(days=29)
    assert Client(in_process(), again["token"]).get("/v1/me").ok() == first["member"]
    kept = member_queries.profile(first["member"]["member_id"])
    assert (kept.openid, kept.unionid, kept.first_source) == (code, f"u-{code}", None)
    assert read.batch_get([profile_key(kept.member_id), addresses_key(kept.member_id)])[1].addresses.items == []


def test_first_logins_at_once_make_one_member() -> None:
    code = openid()
    together = threading.Barrier(8)

    def arrive(_: int) -> Any:
        together.wait()
        return login(code).ok()

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(arrive, range(8)))
    assert len({each["member"]["member_id"] for each in told}) == 1
    assert [each["is_new"] for each in told].count(True) == 1
    assert sum(item.profile is not None and item.profile.openid == code for item in tools.scan(Members)) == 1


def test_the_loser_of_a_first_login_reads_the_winner_s(monkeypatch: pytest.MonkeyPatch) -> None:
    code = openid()
    join = logins.join
    winner: list[Any] = []

    def lose(identity: str, joining: Any, before: Any, visit: Any) -> None:
        monkeypatch.setattr(logins, "join", join)
        winner.append(login(code).ok())
        join(identity, joining, before, visit)

    monkeypatch.setattr(logins, "join", lose)
    late = login(code, source=SOURCE).ok()
    assert winner[0]["is_new"] and not late["is_new"]
    assert late["member"] == winner[0]["member"]
    assert member_queries.profile(late["member"]["member_id"]).last_source.channel == "poster-1"


def test_the_first_and_the_last_source(advance: Callable[[float], None]) -> None:
    code = openid()
    member_id = login(code, source=SOURCE).ok()["member"]["member_id"]
    first = member_queries.profile(member_id).first_source
    assert (first.scene, first.channel, first.inviter, first.live_room) == ("1047", "poster-1", "m1", "r1")
    advance(60)
    login(code).ok()
    login(code, source={}).ok()
    assert member_queries.profile(member_id).last_source == first
    login(code, source={"channel": "ad"}).ok()
    kept = member_queries.profile(member_id)
    assert kept.first_source == first
    assert (kept.last_source.channel, kept.last_source.scene, kept.last_source.at - first.at) == (
        "ad", None, timedelta(seconds=60),
    )  # fmt: skip


@pytest.mark.parametrize("code", ["wechat_code_invalid", "wechat_code_used"])
def test_codes_that_are_no_good(code: str) -> None:
    problem = login(f"!{code}").refused(401, code)
    assert problem["errors"][0]["code"] == code.replace("wechat", "login")
    problem = member().post("/v1/me/phone", {"code": f"!{code}"}).refused(401, code)
    assert problem["errors"][0]["code"] == code.replace("wechat", "phone")
    assert problem["errors"][0]["field"] == "code"


def test_wechat_down_is_a_503_and_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    someone = member()

    def fail(*_: str) -> Any:
        raise WechatError("-1", http=200, retryable=True)

    monkeypatch.setattr(mini, "code2session", fail)
    monkeypatch.setattr(mini, "phone_number", fail)
    code = openid()
    down = login(code)
    down.refused(503, "unavailable")
    assert int(down.headers["retry-after"]) >= 1
    someone.post("/v1/me/phone", {"code": "138"}).refused(503, "unavailable")
    assert read.get(Identities, mini_identity("", code)) is None


@pytest.mark.parametrize(
    "body",
    [{}, {"code": ""}, {"code": "c", "source": {"strange": 1}}, {"code": "c", "source": {"scene": -1}}, {"code": 1}],
)
def test_what_a_login_is_not(body: dict[str, Any]) -> None:
    Client(in_process()).post("/v1/auth/login", body).refused(400, "malformed")


def test_one_s_profile() -> None:
    someone = member()
    changed = someone.call("PATCH", "/v1/me", {"nickname": "小鱼🐟", "avatar_url": PICTURE}).ok()
    assert (changed["nickname"], changed["avatar_url"]) == ("小鱼🐟", PICTURE)
    assert someone.call("PATCH", "/v1/me", {"avatar_url": ""}).ok()["nickname"] == "小鱼🐟"
    assert someone.call("PATCH", "/v1/me", {}).ok() == someone.get("/v1/me").ok()
    refusal = someone.call("PATCH", "/v1/me", {"tags": ["vip"]}).refused(400, "malformed")
    assert [each["field"] for each in refusal["errors"]] == ["tags"]
    someone.call("PATCH", "/v1/me", {"nickname": "a\tb"}).refused(400, "malformed")


def test_a_mini_program_changes_one_s_profile_by_put_and_takes_it_away_by_an_empty_text() -> None:
    """wx.request sends no PATCH."""
    someone = member()
    changed = someone.put("/v1/me", {"nickname": "小鱼🐟", "avatar_url": "https://thirdwx.qlogo.cn/a/132"}).ok()
    assert (changed["nickname"], changed["avatar_url"]) == ("小鱼🐟", "https://thirdwx.qlogo.cn/a/132")
    assert someone.put("/v1/me", {"nickname": ""}).ok() == someone.get("/v1/me").ok() == changed | {"nickname": ""}
    assert someone.call("PATCH", "/v1/me", {"avatar_url": ""}).ok()["avatar_url"] == ""
    refusal = someone.put("/v1/me", {"tags": ["vip"]}).refused(400, "malformed")
    assert [each["field"] for each in refusal["errors"]] == ["tags"]


def test_the_phone() -> None:
    someone = member()
    assert "phone" not in someone.get("/v1/me").ok()
    assert someone.post("/v1/me/phone", {"code": "13800000000"}).ok()["phone"] == "13800000000"
    assert someone.get("/v1/me").ok()["phone"] == "13800000000"


def test_a_token_without_a_member() -> None:
    ghost = Client(in_process(), tokens.issue("member", "m-ghost", clock.now() + timedelta(days=1)))
    for method, path in (("GET", "/v1/me"), ("GET", "/v1/me/addresses"), ("DELETE", "/v1/me/addresses/a1")):
        ghost.call(method, path).refused(401, "unauthenticated")
    ghost.call("PATCH", "/v1/me", {"nickname": "x"}).refused(401, "unauthenticated")
    ghost.post("/v1/me/addresses", SHANGHAI).refused(401, "unauthenticated")
    assert read.get(Members, "m-ghost", "profile") is None


def test_the_address_book() -> None:
    someone = member()
    assert someone.get("/v1/me/addresses").ok() == {"items": [], "next_cursor": None}
    first = someone.post("/v1/me/addresses", {**SHANGHAI, "is_default": False}).ok(201)
    assert first == {**SHANGHAI, "address_id": first["address_id"], "is_default": True}
    second = someone.post("/v1/me/addresses", SHANGHAI).ok(201)
    listed = someone.get("/v1/me/addresses").ok()["items"]
    assert [each["is_default"] for each in listed] == [False, True]
    moved = {**SHANGHAI, "detail": "新家", "is_default": False}
    assert someone.put(f"/v1/me/addresses/{first['address_id']}", moved).ok()["detail"] == "新家"
    someone.call("DELETE", f"/v1/me/addresses/{second['address_id']}").ok(204)
    removed = someone.call("DELETE", f"/v1/me/addresses/{second['address_id']}").refused(404, "not_found")
    assert removed["detail"] == "没有这个收货地址，可能已被删除"
    assert someone.get("/v1/me/addresses").ok()["items"] == [{**first, "detail": "新家"}]


def test_another_member_s_address_is_not_there() -> None:
    theirs = member().post("/v1/me/addresses", SHANGHAI).ok(201)["address_id"]
    someone = member()
    someone.put(f"/v1/me/addresses/{theirs}", SHANGHAI).refused(404, "not_found")
    someone.call("DELETE", f"/v1/me/addresses/{theirs}").refused(404, "not_found")


def test_addresses_added_at_once_are_all_kept_or_refused() -> None:
    someone = member()

    def add(_: int) -> int:
        return someone.post("/v1/me/addresses", SHANGHAI).status

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(add, range(12)))
    assert set(told) <= {201, 409}
    items = someone.get("/v1/me/addresses").ok()["items"]
    assert len(items) == told.count(201)
    assert [each["is_default"] for each in items].count(True) == 1


def test_a_pasted_address_is_kept_as_it_was_meant() -> None:
    pasted = {
        "phone": "\u202d+86 138-0013-8000\u202c", "province": "上海市\n", "detail": "世纪大道\r\n1 号\t2 楼\x07",
    }  # fmt: skip
    kept = member().post("/v1/me/addresses", SHANGHAI | pasted).ok(201)
    assert (kept["phone"], kept["province"], kept["detail"]) == ("13800138000", "上海市", "世纪大道 1 号 2 楼")


def test_an_address_that_was_kept_before_the_rule_is_read_and_can_be_mended() -> None:
    someone = member()
    kept = someone.post("/v1/me/addresses", SHANGHAI).ok(201)
    me = someone.get("/v1/me").ok()["member_id"]
    old = kept | {"phone": "-----", "detail": "1\n2", "name": "\u202e", "province": ""}
    save(Members(me, ADDRESSES, addresses=Addresses([Address(**old)]), version=7))
    assert someone.get("/v1/me/addresses").ok()["items"] == [old]
    assert someone.put(f"/v1/me/addresses/{kept['address_id']}", SHANGHAI).ok() == kept


def test_changing_an_address_leaves_the_default_where_it_is_unless_it_says_so() -> None:
    someone = member()
    first = someone.post("/v1/me/addresses", SHANGHAI).ok(201)["address_id"]
    second = someone.post("/v1/me/addresses", SHANGHAI | {"is_default": False}).ok(201)["address_id"]
    silent = {field: value for field, value in SHANGHAI.items() if field != "is_default"}
    default = []
    for address_id, body in (
        (first, silent),
        (second, silent),
        (second, SHANGHAI),
        (second, SHANGHAI | {"is_default": False}),
    ):
        someone.put(f"/v1/me/addresses/{address_id}", body).ok()
        items = someone.get("/v1/me/addresses").ok()["items"]
        default.append([each["address_id"] for each in items if each["is_default"]])
    assert default == [[first], [first], [second], [first]]


def test_a_full_book() -> None:
    someone = member()
    for _ in range(20):
        someone.post("/v1/me/addresses", SHANGHAI).ok(201)
    problem = someone.post("/v1/me/addresses", SHANGHAI).refused(422, "address_limit")
    assert (problem["limit"], problem["detail"]) == (20, "最多保存 20 个收货地址，请先删除一个")


NO_PHONE = "手机号不正确，请填写 11 位手机号、带区号的座机号，或以 + 和国家（地区）代码开头的号码"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            {"phone": "1234"},
            NO_PHONE,
        ),
        ({"phone": ""}, "手机号不能为空"),
        ({"detail": " \n "}, "详细地址不能为空"),
        ({"name": ""}, "收货人不能为空"),
        ({"detail": ""}, "详细地址不能为空"),
        ({"detail": "x" * 257}, "详细地址最多 256 个字符"),
        ({"region_code": "31"}, "省市区编码格式不正确"),
        ({"province": ""}, "省份不能为空"),
        ({"city": 1}, "城市应为文本"),
        ({"is_default": 1}, "是否默认地址应为是或否（true 或 false）"),
    ],
)
def test_what_is_wrong_with_an_address_is_told_by_its_name(wrong: dict[str, Any], told: str) -> None:
    assert member().post("/v1/me/addresses", SHANGHAI | wrong).refused(400, "malformed")["detail"] == told


def completed(member_id: str, order_id: str, at: datetime) -> Jobs:
    """The event is there; the job that tells members of it."""
    tx = Transaction()
    emit(tx, COMPLETED, order_id, member_id=member_id, at=clock.stamp(at))
    tx.commit()
    return next(item for item in tools.scan(Jobs) if item.task.key == order_id)


def run(order_id: str) -> None:
    while item := next((item for item in tools.scan(Jobs) if item.task.key == order_id), None):
        worker.run_one(item)


def test_purchases_make_the_segment(advance: Callable[[float], None]) -> None:
    someone = member()
    member_id = someone.get("/v1/me").ok()["member_id"]
    told = []
    for number in range(5):
        order_id = f"o-{secrets.token_hex(6)}-{number}"
        completed(member_id, order_id, clock.now())
        run(order_id)
        told.append(someone.get("/v1/me").ok()["segment"])
    assert told == ["first_order", "repeat", "repeat", "repeat", "loyal"]
    advance(61 * 86_400)
    token = tokens.issue("member", member_id, clock.now() + timedelta(days=1))
    assert Client(in_process(), token).get("/v1/me").ok()["segment"] == "silent"


def test_a_purchase_is_counted_once_however_often_the_job_runs() -> None:
    someone = member()
    member_id = someone.get("/v1/me").ok()["member_id"]
    order_id = f"o-{secrets.token_hex(6)}"
    held = taken(completed(member_id, order_id, clock.now()))
    count_purchase(held)
    with pytest.raises(ConditionFailed):  # a second worker, whose lease is lost
        count_purchase(held)
    run(order_id)
    assert profile(someone).orders_completed == 1


def test_purchases_counted_while_the_profile_changes() -> None:
    someone = member()
    member_id = someone.get("/v1/me").ok()["member_id"]
    orders = [f"o-{secrets.token_hex(6)}" for _ in range(6)]
    for order_id in orders:
        completed(member_id, order_id, clock.now())

    def rename(number: int) -> int:
        return someone.call("PATCH", "/v1/me", {"nickname": f"n{number}"}).status

    with ThreadPoolExecutor(4) as pool:
        ran = [pool.submit(run, order_id) for order_id in orders]
        told = {each.result() for each in [pool.submit(rename, number) for number in range(6)]}
        for each in ran:
            each.result()
    assert told <= {200, 409}
    assert profile(someone).orders_completed == 6


def test_a_purchase_of_a_member_who_is_gone_ends_the_job() -> None:
    completed("m-gone", "o-gone", clock.now())
    run("o-gone")
    assert read.get(Members, "m-gone", "profile") is None
