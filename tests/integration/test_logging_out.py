"""Members' tokens are called in: on one device, on all, by an operator; and who leaves must prove who they are."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.settings import settings, signing_keys
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.customers.members.tables import ADDRESSES, PROFILE, Members
from chalicelib.platform.store import cache, read
from local.client import SHANGHAI, Client, Operator, Sandbox, Shopper
from local.clock import LocalClock


def device(shopper: Shopper) -> Client:
    """One more device that the shopper is logged in on."""
    other = Shopper(shopper.send, shopper.sandbox, shopper.user)
    other.log_in()
    return other


def is_in(client: Client) -> bool:
    """Whether the token is taken; at every kind of door alike."""
    told = [client.get(path) for path in ("/v1/me", "/v1/cart", "/v1/orders", "/v1/group-activities")]
    told.append(client.post("/v1/quotes", {"from_cart": True}))
    refused = {one.status == 401 for one in told}
    assert len(refused) == 1, told
    return not refused.pop()


def another_process(shopper: Shopper) -> None:
    """What this process remembers of the shopper is what another one remembers: it did not hear of the change."""
    cache.keep((sessions.CACHE, shopper.member_id), sessions.Known())


def test_who_logs_out_is_out_on_this_device_and_on_no_other(shopper: Shopper, mall_clock: LocalClock) -> None:
    mall_clock.advance(0.01)
    other = device(shopper)
    assert is_in(shopper) and is_in(other)
    shopper.post("/v1/auth/logout").ok(204)
    assert (is_in(shopper), is_in(other)) == (False, True)
    shopper.post("/v1/auth/logout").refused(401, "unauthenticated")
    shopper.log_in()
    assert is_in(shopper) and is_in(other)


def test_a_logout_without_a_body_is_one_of_this_device_and_an_unknown_field_is_refused(shopper: Shopper) -> None:
    refused = shopper.post("/v1/auth/logout", {"everywhere": "yes"}).refused(400, "malformed")
    assert [error["field"] for error in refused["errors"]] == ["everywhere"]
    shopper.post("/v1/auth/logout", {"all": True}).refused(400, "malformed")
    assert is_in(shopper)
    shopper.call("POST", "/v1/auth/logout").ok(204)
    assert not is_in(shopper)


def test_who_logs_out_everywhere_is_out_on_all_devices_and_in_with_the_next_login_at_once(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.core import clock

    devices = [device(shopper) for _ in range(3)]
    now = clock.now().timestamp()
    monkeypatch.setattr(clock, "_seconds", lambda: now)  # all of it within a millisecond
    devices.append(device(shopper))
    shopper.post("/v1/auth/logout", {"everywhere": True}).ok(204)
    assert [is_in(one) for one in (shopper, *devices)] == [False] * 5
    shopper.log_in()
    assert is_in(shopper)
    shopper.post("/v1/auth/logout").ok(204)
    assert not is_in(shopper)
    shopper.log_in()
    assert is_in(shopper)


def test_twenty_devices_log_out_one_by_one_the_next_logs_out_all(shopper: Shopper, mall_clock: LocalClock) -> None:
    devices = []
    for _ in range(22):
        mall_clock.advance(3)  # thirty logins a minute are too many
        devices.append(device(shopper))
    for one in devices[:20]:
        one.post("/v1/auth/logout").ok(204)
    assert [is_in(one) for one in devices] == [False] * 20 + [True] * 2
    devices[20].post("/v1/auth/logout").ok(204)
    assert [is_in(one) for one in (*devices, shopper)] == [False] * 23


def test_a_token_is_good_also_where_the_mall_has_just_started(operator: Operator, shopper: Shopper) -> None:
    for caller, path in ((shopper, "/v1/me"), (operator, "/v1/admin/orders")):
        signing_keys.cache_clear()
        caller.get(path).ok()


def test_another_server_of_the_mall_may_take_the_token_for_a_second(shopper: Shopper, mall_clock: LocalClock) -> None:
    shopper.post("/v1/auth/logout").ok(204)
    another_process(shopper)
    shopper.get("/v1/orders").ok()
    mall_clock.advance(settings().cache_seconds)
    shopper.get("/v1/orders").refused(401, "unauthenticated")


def test_what_reads_the_member_anyway_refuses_at_once_whatever_is_remembered(shopper: Shopper) -> None:
    shopper.post("/v1/auth/logout").ok(204)
    order = {"lines": [{"sku_id": "s1", "quantity": 1}], "address_id": shopper.address_id, "expected_payable_fen": 1}
    for method, path, body in (
        ("GET", "/v1/me", None),
        ("POST", "/v1/quotes", {"lines": order["lines"]}),
        ("POST", "/v1/orders", order),
    ):
        another_process(shopper)
        shopper.call(method, path, body, key="k").refused(401, "unauthenticated")


def test_who_has_just_joined_is_let_in_where_that_is_not_seen_yet(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that may be a second old finds nothing of them."""
    from chalicelib.platform.store.base import call

    def behind(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "GetItem" and not arguments["ConsistentRead"]:
            return {}
        answer = call(operation, arguments)
        if operation == "BatchGetItem":
            for table, asked in arguments["RequestItems"].items():
                if not asked["ConsistentRead"]:
                    answer["Responses"][table] = []
        return answer

    monkeypatch.setattr(read, "call", behind)
    for path in ("/v1/cart", "/v1/orders", "/v1/me/addresses"):
        cache.forget(sessions.CACHE)
        shopper.get(path).ok()
    cache.forget(sessions.CACHE)
    assert shopper.post("/v1/quotes", {"lines": [{"sku_id": "s1", "quantity": 1}]}).ok()["can_order"] is False
    shopper.post("/v1/auth/logout").ok(204)
    assert not is_in(shopper)


def test_an_operator_logs_a_member_out_who_may_come_back(operator: Operator, shopper: Shopper) -> None:
    path = f"/v1/admin/members/{shopper.member_id}/log-out"
    shopper.post(path).refused(401, "unauthenticated")
    operator.post(path).ok(204)
    assert not is_in(shopper)
    shopper.log_in()
    assert is_in(shopper)
    operator.post("/v1/admin/members/m-nobody/log-out").refused(404, "not_found")
    entry = next(one for one in operator.items("/v1/admin/audit") if one["path"].endswith("/log-out"))
    assert entry["permission"] == "members.block"


def test_a_block_ends_all_tokens_and_who_logs_in_anew_reads(operator: Operator, shopper: Shopper) -> None:
    path = f"/v1/admin/members/{shopper.member_id}"
    operator.post(f"{path}/block", {"reason": "恶意占用库存"}).ok()
    assert not is_in(shopper)
    shopper.log_in()
    assert is_in(shopper)
    operator.post(f"{path}/unblock").ok()
    assert is_in(shopper)


def test_both_items_of_a_member_say_the_same_and_neither_is_exported(shopper: Shopper) -> None:
    shopper.post("/v1/auth/logout").ok(204)
    shopper.log_in()
    profile, book = (read.get(Members, shopper.member_id, part) for part in (PROFILE, ADDRESSES))
    assert profile is not None and book is not None
    assert profile.profile.called_in == book.called_in is not None
    shopper.call("PATCH", "/v1/me", {"nickname": "林小鱼"}).ok()
    shopper.post("/v1/me/addresses", SHANGHAI).ok(201)
    profile, book = (read.get(Members, shopper.member_id, part) for part in (PROFILE, ADDRESSES))
    assert profile is not None and book is not None
    assert profile.profile.called_in == book.called_in is not None
    (shown,) = shopper.get("/v1/me/export").ok()["sections"]["profile"]
    assert "called_in" not in shown


# who leaves


@pytest.mark.parametrize("body", [None, {}, {"waive_balance": True}, {"code": ""}, {"code": None}])
def test_nobody_leaves_without_a_code(shopper: Shopper, body: Any) -> None:
    refused = shopper.call("DELETE", "/v1/me", body).refused(400, "malformed")
    assert body is None or [error["field"] for error in refused["errors"]] == ["code"]
    assert is_in(shopper)


def test_nobody_leaves_by_another_s_code_or_one_that_was_used(operator: Operator, shopper: Shopper) -> None:
    friend = Shopper.arrive(operator.send, Sandbox(shopper.sandbox.url))
    told = shopper.call("DELETE", "/v1/me", {"code": friend.login_code()}).refused(401, "wechat_code_invalid")
    assert [(one["field"], one["code"]) for one in told["errors"]] == [("code", "login_code_of_another")]
    told = shopper.call("DELETE", "/v1/me", {"code": "nonsense"}).refused(401, "wechat_code_invalid")
    assert [(one["field"], one["code"]) for one in told["errors"]] == [("code", "login_code_invalid")]
    used = shopper.login_code()
    shopper.post("/v1/auth/login", {"code": used}).ok()
    told = shopper.call("DELETE", "/v1/me", {"code": used}).refused(401, "wechat_code_used")
    assert [(one["field"], one["code"]) for one in told["errors"]] == [("code", "login_code_used")]
    assert is_in(shopper) and is_in(friend)
    shopper.leave().ok(204)
    assert (is_in(shopper), is_in(friend)) == (False, True)


def test_wechat_is_asked_for_codes_of_who_leaves_ten_times_a_minute(shopper: Shopper, mall_clock: LocalClock) -> None:
    codes = [shopper.call("DELETE", "/v1/me", {"code": "x"}).status for _ in range(21)]
    assert codes.count(429) >= 1 and set(codes) == {401, 429}
