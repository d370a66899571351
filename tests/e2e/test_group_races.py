"""Many at once: five seats go to five, and fifty lobbies end, each in one way, with every fen where it belongs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.client import Answer, Control, Operator, Sandbox, Shopper, over_http, poll
from local.mall import Mall
from tests.support.groups import Arrive, agree, sku_of

AT_ONCE = 40
PRICE = 1500


def test_three_hundred_want_the_last_four_seats_and_four_get_one_before_anybody_pays(
    operator: Operator, control: Control, wechat: Sandbox, arrive: Arrive,
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    activity = operator.group_activity({5: PRICE}, pieces=1000)
    sku = sku_of(activity)
    leader = arrive()
    lead = leader.open_lobby(activity)
    lobby_id = lead["group"]["lobby_id"]
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        shoppers = list(crowd.map(lambda _: arrive(), range(300)))

        def join(shopper: Shopper) -> Answer:
            return shopper.take_seat(sku, lobby_id=lobby_id, payable_fen=PRICE)

        answers = list(crowd.map(join, shoppers))
        assert Counter(answer.status for answer in answers) == {201: 4, 409: 296}
        for answer in answers:
            if answer.status == 409:
                answer.refused(409, "lobby_full")
        lobby = leader.lobby(lead)
        assert (lobby["state"], lobby["taken"], lobby["held"], lobby["left"]) == ("open", 1, 4, 0)
        seated = [(who, answer.json) for who, answer in zip(shoppers, answers, strict=True) if answer.status == 201]
        paid = list(crowd.map(lambda one: one[0].pay(one[1]["order_id"]), seated))
    control.run_jobs()
    for who, order in [*seated, (leader, lead)]:
        done = who.order(order["order_id"])
        assert (done["state"], done["group"]["seat_state"], done["refunds"]) == ("awaiting_shipment", "taken", [])
        assert [event["what"] for event in done["history"]] == ["placed", "paid", "group_succeeded"]
        assert [one["amount_fen"] for one in wechat.payments(order["order_id"])] == [PRICE]
    lobby = leader.lobby(lead)
    assert (lobby["state"], lobby["taken"], lobby["held"], len(lobby["members"])) == ("succeeded", 5, 0, 5)
    assert len({order["order_id"] for order in paid}) == 4
    assert operator.stock(sku) == (995, 5)
    unlucky = [who for who, answer in zip(shoppers, answers, strict=True) if answer.status == 409]
    assert [who.get("/v1/orders").ok()["items"] for who in unlucky[:5]] == [[]] * 5
    unlucky[0].take_seat(sku, lobby_id=lobby_id).refused(409, "lobby_full")
    tally = operator.get(f"/v1/admin/group-activities/{activity['activity_id']}/report").ok()["variants"]
    assert [(one["opened"], one["joined"], one["succeeded"], one["paid_fen"]) for one in tally] == [(1, 4, 1, 7500)]
    agree(differences)


def test_of_fifty_lobbies_at_their_end_the_full_ones_have_succeeded_and_the_others_are_paid_back(
    operator: Operator, control: Control, wechat: Sandbox, arrive: Arrive,
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    activity = operator.group_activity({3: (PRICE, 1200)}, pieces=1000)
    sku = sku_of(activity)
    path = f"/v1/admin/group-activities/{activity['activity_id']}/lobbies"

    def lobbies() -> dict[str, Any]:
        return {lobby["lobby_id"]: lobby for lobby in operator.items(path)}

    def buy(who: Shopper, payable_fen: int, **group: str) -> Any:
        order = who.take_seat(sku, payable_fen=payable_fen, **group).ok(201)
        who.pay(order["order_id"])  # the mall knows of it: who has two unpaid seats gets no third
        return order

    def taken() -> int:
        return sum(lobby["taken"] for lobby in lobbies().values())

    with ThreadPoolExecutor(8) as crowd:
        members = list(crowd.map(lambda _: arrive(), range(10)))
        people = members * 5  # the leader of each lobby; who comes after them in the row joins
        leads = list(crowd.map(lambda who: buy(who, 1200, activity_id=activity["activity_id"]), people))
        poll(lambda: taken() == 50)
        seats = [(number, members[(number + step) % 10]) for number in range(50) for step in range(1, 1 + number % 3)]
        joined = list(crowd.map(lambda seat: buy(seat[1], PRICE, lobby_id=leads[seat[0]]["group"]["lobby_id"]), seats))
        poll(lambda: taken() == 99)
        orders = [(number, people[number], lead["order_id"]) for number, lead in enumerate(leads)]
        orders += [(number, who, order["order_id"]) for (number, who), order in zip(seats, joined, strict=True)]
        for number in (0, 3, 4):  # a seat that nobody pays any more does not keep a lobby from ending
            members[number + 5].take_seat(sku, lobby_id=leads[number]["group"]["lobby_id"]).ok(201)

        control.run_jobs()
        full = {number for number in range(50) if number % 3 == 2}
        ready = [people[number].order(leads[number]["order_id"])["state"] for number in full]
        assert ready == ["awaiting_shipment"] * 16
        assert operator.stock(sku) == (1000 - 99 - 3, 99 + 3)

        def refunds() -> list[Any]:
            ours = {order_id for _, _, order_id in orders}
            books = [one for one in wechat.get("ledger")["refunds"] if one["out_trade_no"] in ours]
            return sorted(books, key=lambda one: str(one["out_refund_no"]))

        def look() -> Any:
            """All that anybody could see of it."""
            found = list(crowd.map(lambda one: one[1].order(one[2]), orders))
            return found, lobbies(), refunds(), operator.stock(sku)

        def all_paid_back() -> bool:
            control.run_jobs(advance=6)
            waiting = operator.items("/v1/admin/orders?queue=refund_waiting")
            if any(order.get("group", {}).get("activity_id") == activity["activity_id"] for order in waiting):
                return False
            given = [one["state"] for one in refunds()]
            return len(given) == 51 and set(given) == {"SUCCESS"}

        control.run_jobs(advance=30 * 60 + 1)
        poll(all_paid_back)
        seen = look()
        for number, lead in enumerate(leads):
            lobby = seen[1][lead["group"]["lobby_id"]]
            assert (lobby["state"], lobby["held"]) == ("succeeded" if number in full else "failed", 0)
        assert seen[3] == (1000 - 48, 48)
        for (number, _, order_id), order in zip(orders, seen[0], strict=True):
            given = [one["amount_fen"] for one in seen[2] if one["out_trade_no"] == order_id]
            if number in full:
                assert (order["state"], order["group"]["seat_state"], given) == ("awaiting_shipment", "taken", [])
            else:
                assert (order["state"], order["group"]["seat_state"]) == ("closed", "failed")
                assert given == [order["paid_fen"]] == [order["refunded_fen"]] == [order["payable_fen"]]
        poll(lambda: control.run_jobs() == 0)
        control.run_jobs(advance=3600)
        poll(lambda: control.run_jobs() == 0)
        assert look() == seen
    tally = operator.get(f"/v1/admin/group-activities/{activity['activity_id']}/report").ok()["variants"][0]
    assert (tally["opened"], tally["succeeded"], tally["failed"], tally["joined"]) == (50, 16, 34, 49)
    assert tally["paid_fen"] == 50 * 1200 + 49 * PRICE
    agree(differences)


def test_one_member_with_twenty_devices_sits_once_in_a_lobby_and_buys_no_more_than_the_limit(
    mall: Mall, operator: Operator, arrive: Arrive
) -> None:
    activity = operator.group_activity({5: PRICE}, limit_per_member=2)
    sku, who = sku_of(activity), arrive()
    leads = [arrive().open_lobby(activity) for _ in range(4)]
    devices = [
        Shopper(over_http(mall.api_url), who.sandbox, token=who.token, address_id=who.address_id) for _ in range(20)
    ]
    with ThreadPoolExecutor(20) as crowd:

        def join(number: int) -> Answer:
            lobby_id = leads[number % 4]["group"]["lobby_id"]
            return devices[number].take_seat(sku, lobby_id=lobby_id, payable_fen=PRICE)

        answers = list(crowd.map(join, range(20)))
    codes = Counter(answer.json.get("code", "seat") for answer in answers)
    assert codes["seat"] == 2
    assert codes.keys() <= {"seat", "already_in_lobby", "purchase_limit", "too_many_unpaid"}
    seats = [answer.json["group"]["lobby_id"] for answer in answers if answer.status == 201]
    assert len(set(seats)) == 2
    assert sum(who.lobby(lead)["held"] for lead in leads) == 2
    assert operator.stock(sku) == (100 - 4 - 2, 4 + 2)
