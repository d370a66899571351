"""A group-buy as shoppers meet it: lobbies opened, found, joined, left and filled, by those who may."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from local.client import Client as Visitor
from local.client import Control, Operator, Sandbox, Transport, poll
from tests.support.groups import Activity, Arrive, seat, settled, sku_of

PRICE, LEADER = 1500, 1200

Shows = Callable[[Visitor, Activity, list[str]], None]


@pytest.fixture
def activity(operator: Operator) -> Activity:
    """For lobbies of three; 100 pieces in stock."""
    made: Activity = operator.group_activity({3: (PRICE, LEADER)})
    return made


@pytest.fixture
def shows(control: Control) -> Shows:
    """Those who look are shown these lobbies; the list may be a second old."""

    def shows(who: Visitor, activity: Activity, expected: list[str]) -> None:
        control.run_jobs(advance=1)
        path = f"/v1/group-activities/{activity['activity_id']}/lobbies"
        poll(lambda: [lobby["lobby_id"] for lobby in who.get(path).ok()["items"]] == expected)

    return shows


def test_three_fill_a_lobby_and_what_they_ordered_is_sent(
    activity: Activity, arrive: Arrive, operator: Operator, control: Control, send: Transport, shows: Shows
) -> None:
    leader, second, third, visitor = arrive(), arrive(), arrive(), Visitor(send)
    lead = leader.open_lobby(activity)
    assert (seat(lead), lead["paid_fen"], lead["group"]["is_leader"]) == (("awaiting_group", "taken"), LEADER, True)
    shows(visitor, activity, [lead["group"]["lobby_id"]])
    joined = second.join_lobby(lead)
    assert (seat(joined), joined["paid_fen"]) == (("awaiting_group", "taken"), PRICE)
    parcel = {"carrier": "SF", "tracking_no": "SF1"}
    operator.post(f"/v1/admin/orders/{joined['order_id']}/ship", parcel).refused(409, "order_state")
    lobby = third.lobby(lead)
    assert (lobby["state"], lobby["size"], lobby["taken"], lobby["held"], lobby["left"]) == ("open", 3, 2, 0, 1)
    assert [(price["price_fen"], price["leader_price_fen"]) for price in lobby["prices"]] == [(PRICE, LEADER)]
    assert "mine" not in lobby
    assert "confirmed_at" not in joined
    last = third.join_lobby(lead)
    control.run_jobs()
    for who, order in ((leader, lead), (second, joined), (third, last)):
        done = who.order(order["order_id"])
        assert (seat(done), done["refunds"]) == (("awaiting_shipment", "taken"), [])
        assert [event["what"] for event in done["history"]] == ["placed", "paid", "group_succeeded"]
        assert done["confirmed_at"] == done["history"][-1]["at"]
        mine = {"order_id": order["order_id"], "seat_state": "taken", "is_leader": who is leader}
        assert who.lobby(lead)["mine"] == mine
        assert operator.ship(order["order_id"])["state"] == "shipped"
    lobby = visitor.get(f"/v1/lobbies/{lead['group']['lobby_id']}").ok()
    assert (lobby["state"], lobby["taken"], lobby["left"]) == ("succeeded", 3, 0)
    assert [person["is_leader"] for person in lobby["members"]] == [True, False, False]
    shows(visitor, activity, [])
    assert operator.stock(sku_of(activity)) == (97, 3)
    refused = arrive().take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(409, "lobby_full")
    assert (refused["errors"][0]["field"], refused["detail"]) == ("group.lobby_id", "该团已满员，可另开一团")


def test_until_its_leader_has_paid_a_lobby_is_not_there_for_others(
    activity: Activity, arrive: Arrive, send: Transport, shows: Shows
) -> None:
    leader, other = arrive(), arrive()
    lead = leader.take_seat(sku_of(activity), activity_id=activity["activity_id"]).ok(201)
    lobby_id = lead["group"]["lobby_id"]
    mine = leader.lobby(lead)
    assert (mine["state"], mine["held"], mine["members"], mine["expires_at"]) == ("opening", 1, [], None)
    for who in (other, Visitor(send)):
        who.get(f"/v1/lobbies/{lobby_id}").refused(404, "not_found")
        shows(who, activity, [])
    other.take_seat(sku_of(activity), lobby_id=lobby_id).refused(404, "not_found")
    other.take_seat(sku_of(activity), lobby_id=lobby_id, payable_fen=PRICE).refused(404, "not_found")
    leader.take_seat(sku_of(activity), lobby_id=lobby_id).refused(409, "already_in_lobby")
    leader.pay(lead["order_id"])
    shows(other, activity, [lobby_id])


def test_what_others_see_of_a_member_is_the_first_character_of_the_name_when_wechat_has_let_it_pass(
    activity: Activity, arrive: Arrive, send: Transport, control: Control
) -> None:
    leader, second = arrive(), arrive()
    lead = leader.open_lobby(activity)
    second.join_lobby(lead)
    leader.call("PATCH", "/v1/me", {"nickname": "林小鱼", "avatar_url": "https://wx.qlogo.cn/1.png"}).ok()
    second.call("PATCH", "/v1/me", {"nickname": "🇨🇳 fish"}).ok()
    path = f"/v1/lobbies/{lead['group']['lobby_id']}"
    passed = [
        {"nickname": "林**", "avatar_url": "", "is_leader": True},  # the picture waits for its verdict
        {"nickname": "🇨🇳**", "avatar_url": "", "is_leader": False},
    ]
    control.run_jobs()
    poll(lambda: Visitor(send).get(path).ok()["members"] == passed)
    answer = Visitor(send).get(path)
    told = answer.body.decode() + second.get(f"/v1/group-activities/{activity['activity_id']}/lobbies").body.decode()
    for secret in ("小鱼", "fish", leader.member_id, second.member_id, leader.address_id, lead["order_id"], "138"):
        assert secret not in told.replace(activity["product_id"], "")


def test_lobbies_to_join_are_listed_nearly_full_first_and_page_by_page(
    operator: Operator, arrive: Arrive, shows: Shows
) -> None:
    activity = operator.group_activity({4: PRICE})
    people = [arrive() for _ in range(4)]
    leads = [people[0].open_lobby(activity) for _ in range(5)]
    ids = [lead["group"]["lobby_id"] for lead in leads]
    for index, joiners in ((3, 2), (1, 1), (4, 3)):  # the last of these is full
        for who in people[1 : 1 + joiners]:
            who.join_lobby(leads[index])
    expected = [ids[3], ids[1], ids[0], ids[2]]
    held = people[3].take_seat(sku_of(activity), lobby_id=ids[3]).ok(201)
    path = f"/v1/group-activities/{activity['activity_id']}/lobbies"
    shows(people[0], activity, expected[1:])  # no seat of that one is left
    people[3].post(f"/v1/orders/{held['order_id']}/cancel").ok()
    shows(people[0], activity, expected)
    cards: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = people[2].get(f"{path}?limit=1{cursor}").ok()
        assert len(page["items"]) <= 1
        cards += page["items"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert [(card["lobby_id"], card["taken"], card["left"]) for card in cards] == [
        (ids[3], 3, 1), (ids[1], 2, 2), (ids[0], 1, 3), (ids[2], 1, 3)
    ]  # fmt: skip
    assert all(card["leader"]["is_leader"] for card in cards)
    people[0].get(f"{path}?cursor=forged").refused(400, "cursor_invalid")
    elsewhere = operator.group_activity({4: PRICE})
    page = people[0].get(f"{path}?limit=1").ok()
    foreign = f"/v1/group-activities/{elsewhere['activity_id']}/lobbies?cursor={page['next_cursor']}"
    people[0].get(foreign).refused(400, "cursor_invalid")
    people[0].get("/v1/group-activities/ga0/lobbies").refused(404, "not_found")


def test_a_member_sits_once_in_a_lobby_and_not_in_their_own(activity: Activity, arrive: Arrive) -> None:
    leader, second = arrive(), arrive()
    lead = leader.open_lobby(activity)
    lobby_id = lead["group"]["lobby_id"]
    leader.take_seat(sku_of(activity), lobby_id=lobby_id).refused(409, "already_in_lobby")
    held = second.take_seat(sku_of(activity), lobby_id=lobby_id).ok(201)
    second.take_seat(sku_of(activity), lobby_id=lobby_id, payable_fen=PRICE).refused(409, "already_in_lobby")
    second.pay(held["order_id"])
    second.take_seat(sku_of(activity), lobby_id=lobby_id, payable_fen=PRICE).refused(409, "already_in_lobby")
    assert second.open_lobby(activity)["group"]["lobby_id"] != lobby_id  # in another they may
    lobby = leader.lobby(lead)
    assert (lobby["taken"], lobby["held"], lobby["left"]) == (2, 0, 1)


def test_pressed_twice_it_is_one_seat(activity: Activity, arrive: Arrive) -> None:
    leader, second = arrive(), arrive()
    lead = leader.open_lobby(activity)
    body = second.order_body([(sku_of(activity), 1)], PRICE) | {"group": {"lobby_id": lead["group"]["lobby_id"]}}
    first = second.post("/v1/orders", body, key="twice")
    second.pay(first.ok(201)["order_id"])
    again = second.post("/v1/orders", body, key="twice")
    assert (again.status, again.json) == (201, first.json)
    other = body | {"group": {"activity_id": activity["activity_id"]}}
    second.post("/v1/orders", other, key="twice").refused(422, "idempotency_key_reused")
    assert leader.lobby(lead)["taken"] == 2


@pytest.mark.parametrize("how", ["cancelled", "time is over"])
def test_a_seat_that_is_not_paid_is_free_for_another(
    how: str, activity: Activity, arrive: Arrive, control: Control, operator: Operator
) -> None:
    leader, slow, quick = arrive(), arrive(), arrive()
    lead = leader.open_lobby(activity)
    leader_of_two = arrive().join_lobby(lead)
    held = slow.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).ok(201)
    quick.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(409, "lobby_full")
    if how == "cancelled":
        slow.post(f"/v1/orders/{held['order_id']}/cancel").ok()
    else:
        slow.start_payment(held["order_id"])
        control.run_jobs(advance=10 * 60 - 5)
        assert slow.order(held["order_id"])["state"] == "awaiting_payment"
        control.run_jobs(advance=6)
    assert seat(slow.order(held["order_id"])) == ("closed", "released")
    assert slow.lobby(lead)["mine"]["seat_state"] == "released"
    quick.join_lobby(lead)
    control.run_jobs()
    assert leader.order(lead["order_id"])["state"] == "awaiting_shipment"
    slow.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(409, "lobby_full")
    assert leader_of_two["group"]["is_leader"] is False
    assert operator.stock(sku_of(activity)) == (97, 3)


def test_a_lobby_whose_leader_does_not_pay_is_over_and_was_never_seen(
    activity: Activity, arrive: Arrive, control: Control, operator: Operator
) -> None:
    leader, other = arrive(), arrive()
    lead = leader.take_seat(sku_of(activity), activity_id=activity["activity_id"]).ok(201)
    control.run_jobs(advance=10 * 60 + 1)
    assert seat(leader.order(lead["order_id"])) == ("closed", "released")
    assert leader.lobby(lead)["state"] == "failed"
    other.get(f"/v1/lobbies/{lead['group']['lobby_id']}").refused(404, "not_found")
    other.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(404, "not_found")
    assert operator.stock(sku_of(activity)) == (100, 0)


def test_who_leaves_before_the_end_gets_everything_back_and_the_seat_is_free(
    activity: Activity, arrive: Arrive, control: Control, operator: Operator, wechat: Sandbox
) -> None:
    leader, second, third = arrive(), arrive(), arrive()
    lead = leader.open_lobby(activity, quantity=2)
    joined = second.join_lobby(lead)
    part = {"reason": "少一件", "lines": [{"sku_id": sku_of(activity), "quantity": 1}]}
    refusal = leader.post(f"/v1/orders/{lead['order_id']}/refunds", part, key="part").refused(422, "invalid")
    assert [error["field"] for error in refusal["errors"]] == ["lines"]
    assert leader.refund(lead["order_id"])["amount_fen"] == PRICE + LEADER
    assert [seat(order) for order in settled(control, [(leader, lead)])] == [("closed", "released")]
    assert [one["amount_fen"] for one in wechat.refunds(lead["order_id"])] == [PRICE + LEADER]
    lobby = third.lobby(lead)
    assert (lobby["state"], lobby["taken"], lobby["left"]) == ("open", 1, 2)
    assert (lobby["leader"], [person["is_leader"] for person in lobby["members"]]) == (None, [False])
    # who has opened it does not join it, also after leaving it
    leader.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(422, "not_for_you")
    fourth = arrive()
    again = fourth.join_lobby(lead)
    assert (again["paid_fen"], again["group"]["is_leader"]) == (PRICE, False)
    third.join_lobby(lead)
    control.run_jobs()
    assert {second.order(joined["order_id"])["state"], fourth.order(again["order_id"])["state"]} == {
        "awaiting_shipment"
    }
    asked = second.refund(joined["order_id"])  # of the full lobby: the others' price hangs on it, so a person decides
    assert (asked["state"], asked["requested_because"]) == ("requested", "group_succeeded")
    assert operator.grant(joined["order_id"], asked)["amount_fen"] == PRICE
    assert (second.order(joined["order_id"])["state"], third.lobby(lead)["state"]) == ("closed", "succeeded")
    assert operator.stock(sku_of(activity)) == (98, 2)


def test_when_the_last_member_leaves_the_lobby_is_over(
    activity: Activity, arrive: Arrive, control: Control, operator: Operator, shows: Shows
) -> None:
    leader, other = arrive(), arrive()
    lead = leader.open_lobby(activity)
    held = other.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).ok(201)
    payment = other.start_payment(held["order_id"])
    leader.refund(lead["order_id"])
    assert other.lobby(lead)["state"] == "failed"
    arrive().take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(409, "lobby_over")
    other.sandbox.pay(payment)  # who had begun to pay for the seat held till then has it all back
    poll(lambda: other.order(held["order_id"])["state"] == "closed")
    ended = settled(control, [(other, held), (leader, lead)])
    assert [seat(order) for order in ended] == [("closed", "released")] * 2
    assert [order["refunded_fen"] for order in ended] == [PRICE, LEADER]
    shows(other, activity, [])
    assert operator.stock(sku_of(activity)) == (100, 0)


def test_the_leader_may_sit_for_nothing(arrive: Arrive, operator: Operator, control: Control, wechat: Sandbox) -> None:
    activity = operator.group_activity({2: (PRICE, 0)})
    leader, second = arrive(), arrive()
    lead = leader.take_seat(sku_of(activity), activity_id=activity["activity_id"]).ok(201)
    assert leader.start_payment(lead["order_id"]) == {"paid": True}
    assert leader.start_payment(lead["order_id"]) == {"paid": True}
    assert seat(leader.order(lead["order_id"])) == ("awaiting_group", "taken")
    assert wechat.trade(lead["order_id"]) is None
    joined = second.join_lobby(lead)
    control.run_jobs()
    assert [leader.order(lead["order_id"])["state"], second.order(joined["order_id"])["state"]] == [
        "awaiting_shipment", "awaiting_shipment"
    ]  # fmt: skip
    alone = leader.open_lobby(activity)
    control.run_jobs(advance=30 * 60 + 1)
    failed = leader.order(alone["order_id"])
    assert (seat(failed), failed["refunded_fen"]) == (("closed", "failed"), 0)
    assert operator.stock(sku_of(activity)) == (98, 2)


def test_a_price_that_was_not_the_one_seen_holds_no_seat(activity: Activity, arrive: Arrive) -> None:
    leader, second = arrive(), arrive()
    lead = leader.open_lobby(activity)
    seat_of = {"lobby_id": lead["group"]["lobby_id"]}
    refusal = second.take_seat(sku_of(activity), payable_fen=LEADER, **seat_of).refused(409, "price_changed")
    assert refusal["quote"]["payable_fen"] == PRICE
    assert leader.lobby(lead)["held"] == 0


def test_orders_that_cannot_be_part_of_a_group_name_what_is_wrong(
    activity: Activity, arrive: Arrive, operator: Operator
) -> None:
    leader, other = arrive(), arrive()
    lead = leader.open_lobby(activity)
    second_sku = operator.product(stock=5)["skus"][0]["sku_id"]
    sku, lobby_id, activity_id = sku_of(activity), lead["group"]["lobby_id"], activity["activity_id"]
    one = [{"sku_id": sku, "quantity": 1}]
    join = {"lobby_id": lobby_id}
    other.put(f"/v1/cart/lines/{sku}", {"quantity": 1}).ok()
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        ({"from_cart": True, "group": join}, 422, "invalid", "lines"),
        ({"lines": [*one, {"sku_id": second_sku, "quantity": 1}], "group": join}, 422, "invalid", "lines"),
        ({"lines": one, "group": {}}, 422, "invalid", "group"),
        ({"lines": one, "group": join | {"activity_id": activity_id}}, 422, "invalid", "group"),
        ({"lines": one, "group": join | {"size": 3}}, 422, "invalid", "group.size"),
        ({"lines": one, "group": {"activity_id": activity_id, "size": 4}}, 422, "invalid", "group.size"),
        ({"lines": one, "group": {"activity_id": activity_id, "size": 1}}, 400, "malformed", "group.size"),
        ({"lines": one, "group": {"activity_id": activity_id, "seats": 1}}, 400, "malformed", "group.seats"),
        ({"lines": [{"sku_id": second_sku, "quantity": 1}], "group": join}, 422, "invalid", "lines[0].sku_id"),
        ({"lines": one, "group": {"lobby_id": "g0"}}, 404, "not_found", "group.lobby_id"),
        ({"lines": one, "group": {"activity_id": "ga0"}}, 404, "not_found", "group.activity_id"),
    ]
    for asked, status, code, field in cases:
        body = asked | {"address_id": other.address_id}
        answers = [
            other.post("/v1/quotes", body),
            other.post("/v1/orders", body | {"expected_payable_fen": PRICE}, key=secrets.token_hex(4)),
        ]
        for answer in answers:
            errors = answer.refused(status, code)["errors"]
            assert [error["field"] for error in errors] == [field], (asked, errors)
    assert (leader.lobby(lead)["held"], operator.stock(sku)) == (0, (99, 1))
    assert other.get("/v1/orders").ok()["items"] == []
