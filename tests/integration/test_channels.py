"""Channels, live rooms and touches over HTTP: by which ways members come, who vouches for that, what an order keeps of
it for ever, and who counts in a live room."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.orders import service as changes
from chalicelib.core import clock
from chalicelib.customers.channels import queries
from chalicelib.customers.channels.tables import MemberTouches, touches_key
from chalicelib.customers.members import service as members
from chalicelib.customers.members.followers import service as followers
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.ports import data_owners
from chalicelib.customers.members.tables import oa_identity
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import remove
from local.client import Operator, Sandbox, Shopper
from local.notices import payment_callback
from tests.support.distribution import quick_distributor, quick_member, run_jobs, set_rules
from tests.support.merging import merge_by_code
from tests.support.operators import owner_token
from tests.support.own_tables import own_tables

Advance = Callable[[float], None]
DAY, MINUTE = 86_400.0, 60.0


@pytest.fixture(scope="module", autouse=True)
def tables(dynamodb: str) -> Iterator[None]:
    with own_tables("channels"):
        yield


@pytest.fixture(autouse=True)
def quiet(no_jobs: None) -> None:
    """No job of another test runs."""


@pytest.fixture
def newcomer(operator: Operator, sandbox: str) -> Callable[[], Shopper]:
    return lambda: quick_member(operator.send, Sandbox(sandbox))


def channel(operator: Operator, kind: str = "poster", **more: Any) -> str:
    code = f"c-{secrets.token_hex(4)}"
    operator.post("/v1/admin/channels", {"code": code, "name": "门店海报", "kind": kind, **more}).ok(201)
    return code


def room(operator: Operator, host: str = "小鱼") -> str:
    room_id, now = f"r{secrets.token_hex(4)}", clock.now()
    body = {
        "room_id": room_id, "kind": "channels", "host": host, "title": "秋茶专场", "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(hours=2)).isoformat(),
    }  # fmt: skip
    operator.post("/v1/admin/live-rooms", body).ok(201)
    return room_id


def visit(who: Shopper, **told: Any) -> None:
    who.post("/v1/me/visits", told).ok()


def touches(operator: Operator, who: Shopper) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.get(f"/v1/admin/members/{who.member_id}/touches").ok()["items"]
    return found


def events(who: Shopper, *told: dict[str, Any], source: dict[str, Any] | None = None) -> None:
    batch = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-7{secrets.token_hex(2)[1:]}-8{secrets.token_hex(2)[1:]}"
    body: dict[str, Any] = {
        "batch_id": f"{batch}-{secrets.token_hex(6)}", "sent_at": clock.now().isoformat(),
        "events": [{"event_id": secrets.token_hex(4), **one} for one in told],
    }  # fmt: skip
    if source is not None:
        body["session"] = {"id": "s", "source": source}
    assert who.post("/v1/me/events", body).ok(202)["accepted"] == len(told)


def launch(at: datetime, scene: int = 1047) -> dict[str, Any]:
    return {"name": "app_launch", "at": at.isoformat(), "props": {"scene": scene, "path": "pages/index"}}


def enters(room_id: str, at: datetime | None = None) -> dict[str, Any]:
    at = at or clock.now()
    return {"name": "live_enter", "at": at.isoformat(), "props": {"room_id": room_id, "kind": "channels"}}


def bought(who: Shopper, sku: str) -> str:
    """The order, paid."""
    order_id: str = who.place([(sku, 1)])["order_id"]
    who.sandbox.pay(who.start_payment(order_id), "none")
    who.send(*payment_callback(who.sandbox, order_id)).ok()
    return order_id


def ordered(operator: Operator, who: Shopper, **more: Any) -> dict[str, Any]:
    sku = operator.product(role="hit", values=["practical"], **more)["skus"][0]["sku_id"]
    order_id = who.place([(sku, 1)])["order_id"]
    found: dict[str, Any] = operator.get(f"/v1/admin/orders/{order_id}").ok()
    return found


def test_operators_keep_channels_and_delete_none(operator: Operator) -> None:
    code = channel(operator, "ad", cost_fen=30_000, cost_per="day")
    twice = operator.post("/v1/admin/channels", {"code": code, "name": "x", "kind": "ad"}).refused(422, "invalid")
    assert (twice["errors"][0]["field"], twice["errors"][0]["code"]) == ("code", "channel_there")
    made = operator.get(f"/v1/admin/channels/{code}").ok()
    assert (made["cost_fen"], made["cost_per"], made.get("active", True)) == (30_000, "day", True)
    body = {"name": "停投", "kind": "ad", "cost_fen": 30_000, "cost_per": "day", "active": False}
    assert operator.put(f"/v1/admin/channels/{code}", body).ok()["active"] is False
    assert code in {one["code"] for one in operator.items("/v1/admin/channels", limit=1)}
    operator.put("/v1/admin/channels/none", body).refused(404, "not_found")
    for bad in ("", "x" * 31, "海报", "a b"):
        operator.post("/v1/admin/channels", {"code": bad, "name": "x", "kind": "ad"}).refused(400, "malformed")


def test_live_rooms_end_after_they_start_and_the_last_is_first(operator: Operator) -> None:
    first, last = room(operator), room(operator)
    later = clock.now() + timedelta(days=30)
    body = {"kind": "mini", "host": "h", "title": "t", "starts_at": later.isoformat()}
    refused = operator.put(f"/v1/admin/live-rooms/{first}", body | {"ends_at": later.isoformat()})
    assert refused.refused(422, "invalid")["errors"][0]["field"] == "ends_at"
    ends_at = (later + timedelta(seconds=1)).isoformat()
    operator.put(f"/v1/admin/live-rooms/{first}", body | {"ends_at": ends_at}).ok()
    listed = [one["room_id"] for one in operator.items("/v1/admin/live-rooms", limit=1)]
    assert listed.index(first) < listed.index(last)
    operator.get("/v1/admin/live-rooms/none").refused(404, "not_found")


def test_each_way_is_kept_with_who_vouches_for_it(
    operator: Operator, newcomer: Callable[[], Shopper], advance: Advance
) -> None:
    who, code = newcomer(), channel(operator)
    visit(who, scene=1001)
    visit(who, scene=1089, page="pages/index")
    assert read.get(MemberTouches, *touches_key(who.member_id)[1]) is None  # who comes directly costs nothing
    visit(who, scene=1047, channel=code)
    advance(1)
    visit(who, scene=1047, channel="made-up", page="pages/a")
    advance(1)
    visit(who, share_token="nobody's", ad={"click_id": "gdt.1"})
    advance(1)
    visit(who, scene=1177, share_key="promoter-1", staff="w1")
    kept = [(one["kind"], one["trust"]) for one in touches(operator, who)]
    assert kept == [("staff", "client"), ("ad", "client"), ("channel", "client"), ("poster", "server")]
    visit(who, scene=1177, share_key="promoter-1", staff="w1")  # the same visit, told again
    assert len(touches(operator, who)) == 4
    exported = who.get("/v1/me/export").ok()["sections"]["touches"]
    assert [one.get("channel") for one in exported] == [code, "made-up", None, None]
    for owner in data_owners():
        if owner.name == "touches":
            owner.erase(who.member_id)
    assert queries.stored_touches(who.member_id).version == 0


def test_a_link_of_the_mall_s_own_is_vouched_for(operator: Operator, newcomer: Callable[[], Shopper]) -> None:
    set_rules(operator)
    who, code = newcomer(), quick_distributor(newcomer().member_id)
    visit(who, inviter=code)
    set_rules(operator, enabled=False)
    assert [(one["kind"], one["trust"]) for one in touches(operator, who)] == [("link", "server")]


def test_ten_ways_in_any_order_of_arrival(
    operator: Operator, newcomer: Callable[[], Shopper], later: Any
) -> None:  # fmt: skip
    start = clock.now() - timedelta(hours=10)
    told = [(start + timedelta(hours=number), f"way-{number}") for number in range(10)]
    kept: list[Any] = []
    for order in (told, told[::-1], told[5:] + told[:5][::-1]):
        who = newcomer()
        for at, way in order:
            events(who, launch(at), source={"channel": way})
        kept.append([(one["at"], one["channel"]) for one in touches(operator, who)])
        source = ordered(operator, who)["source"]
        assert (source["first"]["channel"], source["last"]["channel"], source["assists"]) == ("way-0", "way-9", 8)
    assert kept[0] == kept[1] == kept[2]
    assert len(kept[0]) == 10


@pytest.mark.parametrize(
    ("ms", "counts"), [((15 * 1440 - 1) * 60_000, True), (15 * 86_400_000, True), (15 * 86_400_000 + 1, False)]
)
def test_a_touch_counts_for_fifteen_days_to_the_millisecond(
    operator: Operator, newcomer: Callable[[], Shopper], ms: int, counts: bool
) -> None:
    who, at = newcomer(), [clock.now().timestamp()]
    before = clock.use(lambda: at[0])
    try:
        visit(who, channel="poster-1")
        at[0] = round(at[0] * 1000 + ms) / 1000 + 0.0001  # the clock cuts to the millisecond
        operator.token = owner_token()
        order = ordered(operator, who)
    finally:
        clock.use(before)
    source = order["source"]
    assert source["joined"]["channel"] == "poster-1"
    assert (source["last"] is not None) == counts
    if counts:
        assert source["first"] == source["last"]
        assert source["last"]["channel"] == "poster-1"


def test_what_an_order_keeps_stays_whatever_is_edited_later(
    operator: Operator, newcomer: Callable[[], Shopper], advance: Advance
) -> None:
    who, code = newcomer(), channel(operator)
    visit(who, channel=code)
    category = operator.post("/v1/admin/categories", {"name": f"茶 {secrets.token_hex(3)}"}).ok(201)["category_id"]
    product = operator.product(role="hit", values=["practical", "added"], category_id=category)
    order_id = who.place([(product["skus"][0]["sku_id"], 1)])["order_id"]
    placed = operator.get(f"/v1/admin/orders/{order_id}").ok()
    line = placed["lines"][0]
    assert (line["role"], line["values"], line["category_id"]) == ("hit", ["practical", "added"], category)
    assert (placed["segment"], placed["source"]["last"]["kind"]) == ("new", "poster")
    operator.call("PATCH", f"/v1/admin/products/{product['product_id']}", {"role": "profit", "values": ["other"]}).ok()
    operator.put(f"/v1/admin/channels/{code}", {"name": "改", "kind": "ad", "active": False}).ok()
    operator.put("/v1/admin/settings/attribution", {"window_days": 1, "live_hours": 1}).ok()
    try:
        advance(3)
        visit(who, channel="another")
        after = operator.get(f"/v1/admin/orders/{order_id}").ok()
    finally:
        operator.put("/v1/admin/settings/attribution", {}).ok()
    assert {name: after[name] for name in ("source", "segment", "lines")} == {
        name: placed[name] for name in ("source", "segment", "lines")
    }
    own = who.order(order_id)
    assert "source" not in own
    assert "role" not in own["lines"][0]
    assert "values" not in own["lines"][0]
    exported = next(one for one in who.get("/v1/me/export").ok()["sections"]["orders"] if one["order_id"] == order_id)
    assert (exported["source"], exported["segment"]) == (placed["source"], "new")


def test_an_older_order_has_no_source(operator: Operator, newcomer: Callable[[], Shopper]) -> None:
    who = newcomer()
    order = ordered(operator, who)
    nothing = {"joined": None, "first": None, "last": None, "assists": 0, "live_room": ""}
    assert order["source"] == nothing  # nobody knows by which way they came
    changes.change(order["order_id"], lambda found, _: msgspec.structs.replace(found, source=None, segment=""))
    assert "source" not in operator.get(f"/v1/admin/orders/{order['order_id']}").ok()


def test_a_live_room_counts_who_enters_who_is_a_fan_and_what_they_buy(
    operator: Operator, newcomer: Callable[[], Shopper], advance: Advance
) -> None:
    earlier, now_live = room(operator, "阿梅"), room(operator, "阿梅")
    regular, stranger = newcomer(), newcomer()
    sku = operator.product(price_fen=1990)["skus"][0]["sku_id"]
    bought(regular, sku)
    events(regular, enters(earlier))
    advance(2)
    events(regular, enters(now_live))
    visit(stranger, scene=1177, live_room=now_live)
    advance(MINUTE)
    events(stranger, enters(now_live))  # again: they count once
    shown = operator.get(f"/v1/admin/live-rooms/{now_live}").ok()
    assert (shown["entrants"], shown["fans"], shown["host_before"], shown["bought_before"]) == (2, 1, 1, 1)
    assert (shown["follows_oa"], shown["wecom_contact"]) == (0, 0)
    latest = touches(operator, regular)[0]
    assert (latest["kind"], latest["host"], latest["fan"]) == ("live", "阿梅", ["host_before", "bought_before"])
    for _ in range(2):
        paid = operator.get(f"/v1/admin/orders/{bought(stranger, sku)}").ok()
        assert paid["source"]["live_room"] == now_live
    stranger.place([(sku, 1)])  # not paid
    run_jobs()
    shown = operator.get(f"/v1/admin/live-rooms/{now_live}").ok()
    assert (shown["buyers"], shown["orders"]) == (1, 2)
    assert shown["gmv_fen"] == 2 * paid["payable_fen"]
    assert operator.get(f"/v1/admin/live-rooms/{earlier}").ok()["orders"] == 0


def test_a_room_that_the_mall_does_not_know_counts_nobody(operator: Operator, newcomer: Callable[[], Shopper]) -> None:
    who = newcomer()
    events(who, enters("made-up"))
    assert [(one["kind"], one.get("host")) for one in touches(operator, who)] == [("live", None)]
    assert ordered(operator, who)["source"]["live_room"] == ""


def test_two_who_are_one_person_have_one_s_touches_and_count_once(
    operator: Operator, newcomer: Callable[[], Shopper], advance: Advance
) -> None:
    both, alone = room(operator), room(operator)
    former, member = newcomer(), newcomer()
    for number, who in enumerate([former, member, former, member]):
        visit(who, channel=f"way-{number}")
        advance(1)
    for who in (former, member):
        events(who, enters(both))
    events(former, enters(alone))
    before = [*touches(operator, former), *touches(operator, member)]
    for owner in data_owners():
        if owner.name in ("touches", "live_rooms"):
            for _ in range(2):  # once more changes nothing
                position: str | None = None
                while (position := owner.absorb(former.member_id, member.member_id, position)) is not None:
                    pass
    after = touches(operator, member)
    assert sorted(one["at"] for one in after) == sorted(one["at"] for one in before)
    assert queries.stored_touches(former.member_id).version == 0
    assert [operator.get(f"/v1/admin/live-rooms/{one}").ok()["entrants"] for one in (both, alone)] == [1, 1]
    assert {entry.room_id for entry in queries.entries(member.member_id)} == {both, alone}
    remove(*touches_key(member.member_id))


def test_who_became_another_brings_their_touches_and_what_they_pay_late(
    operator: Operator, shopper: Shopper, sandbox: str
) -> None:
    other = Shopper.arrive(operator.send, Sandbox(sandbox))
    room_id = room(operator)
    for who in (shopper, other):
        visit(who, channel=f"of-{who.user}"[:60])
        events(who, enters(room_id))
    sku = operator.product()["skus"][0]["sku_id"]
    orders = [who.place([(sku, 1)])["order_id"] for who in (shopper, other)]
    merge_by_code(shopper, other)
    for who, order_id in zip((shopper, other), orders, strict=True):
        who.sandbox.pay(who.start_payment(order_id), "none")
        who.send(*payment_callback(who.sandbox, order_id)).ok()
    run_jobs()
    stays = who.get("/v1/me").ok()["member_id"]
    kept = touches(operator, shopper)  # by either id they are one
    assert kept == touches(operator, other) == operator.get(f"/v1/admin/members/{stays}/touches").ok()["items"]
    assert {one["channel"] for one in kept if "channel" in one} == {f"of-{who.user}"[:60] for who in (shopper, other)}
    shown = operator.get(f"/v1/admin/live-rooms/{room_id}").ok()
    assert (shown["entrants"], shown["buyers"], shown["orders"]) == (1, 1, 2)


def test_a_follower_comes_by_the_code_that_they_scanned(operator: Operator, sandbox: str) -> None:
    code, now = channel(operator, "store"), clock.now()
    openid: str = Sandbox(sandbox).post("oa/follow", {"user": f"u-{secrets.token_hex(6)}"})["openid"]
    for _ in range(2):  # WeChat tells twice
        followers.hear(openid, now, follows=True, scene=f"qrscene_{code}")
        run_jobs()
    owner = identities.owner_of(oa_identity(openid))
    assert owner is not None
    kept = operator.get(f"/v1/admin/members/{owner}/touches").ok()["items"]
    assert [(one["channel"], one["kind"], one["trust"]) for one in kept] == [(code, "store", "server")]


def test_who_follows_the_official_account_is_a_fan(operator: Operator, newcomer: Callable[[], Shopper]) -> None:
    who, room_id = newcomer(), room(operator)
    members.change_profile(who.member_id, lambda found, _: msgspec.structs.replace(found, follows_oa=True))
    visit(who, live_room=room_id)
    shown = operator.get(f"/v1/admin/live-rooms/{room_id}").ok()
    assert (shown["entrants"], shown["fans"], shown["follows_oa"], shown["bought_before"]) == (1, 1, 1, 0)


def test_ways_told_at_once_are_all_kept_and_a_room_is_entered_once(
    operator: Operator, newcomer: Callable[[], Shopper]
) -> None:
    who, room_id, start = newcomer(), room(operator), clock.now()

    def tells(number: int) -> None:
        told = [launch(start - timedelta(seconds=number)), enters(room_id, start - timedelta(seconds=number))]
        events(who, *told, source={"channel": f"way-{number}"})

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(tells, range(3)))
    assert len(touches(operator, who)) == 6
    assert operator.get(f"/v1/admin/live-rooms/{room_id}").ok()["entrants"] == 1


def test_who_comes_directly_costs_no_read(
    shopper: Shopper, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    def read_it(member_id: str) -> Any:
        raise AssertionError(member_id)

    monkeypatch.setattr(queries, "stored_touches", read_it)
    shopper.log_in()
    visit(shopper)
    visit(shopper, scene=1104)
    events(shopper, launch(clock.now(), scene=1001))
    newly = Shopper(operator.send, shopper.sandbox, f"u-{secrets.token_hex(6)}")
    newly.log_in()
