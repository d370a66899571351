"""Lotteries: who wins follows from a secret whose hash was told before, and everybody can compute it again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from local.client import Client as Visitor
from local.client import Control, Operator, Sandbox, Shopper, Transport, poll
from tests.e2e.test_refunds import paid_out
from tests.support.groups import Activity, Arrive, Seated, agree, fill, seat, settled, sku_of

PRICE = 9900


def draw_of(activity: Activity) -> str:
    return f"/v1/group-activities/{activity['activity_id']}/draw"


def drawn(secret: str, order_ids: list[str], count: int) -> list[str]:
    """The winners, as docs/lottery.md tells a stranger to find them."""
    tickets = {hmac.new(secret.encode(), order_id.encode(), hashlib.sha256).hexdigest(): order_id
               for order_id in order_ids}  # fmt: skip
    return [tickets[ticket] for ticket in sorted(tickets)][:count]


def check(proof: dict[str, Any], secret_hash: str, paid: list[Seated], count: int) -> list[str]:
    """The winners, found again from what is published alone."""
    assert proof["state"] == "drawn"
    assert hashlib.sha256(proof["secret"].encode()).hexdigest() == proof["secret_hash"] == secret_hash
    assert sorted(proof["orders"]) == sorted(order["order_id"] for _, order in paid)
    assert (proof["winners_count"], proof["winners"]) == (count, drawn(proof["secret"], proof["orders"], count))
    assert len(proof["winners"]) == count
    won: list[str] = proof["winners"]
    return won


def lots_are_right(paid: list[Seated], won: list[str], prize: str, control: Control, wechat: Sandbox) -> None:
    """Each order has ended as its lot and the prize say, and the money with it."""
    for done in settled(control, paid):
        winner = done["order_id"] in won
        assert done["group"]["seat_state"] == ("won" if winner else "lost")
        assert done["state"] == ("awaiting_shipment" if winner or prize == "free" else "closed")
        back = done["paid_fen"] if winner == (prize == "free") else 0
        assert [fen for _, fen in paid_out(wechat, done["order_id"])] == ([back] if back else [])
        assert done["refunded_fen"] == back
        assert ("draw_won" if winner else "draw_lost") in [event["what"] for event in done["history"]]


class Ear:
    """Hears all that shoppers and operators can ask of an activity, its lobbies and its orders."""

    def __init__(self, operator: Operator, visitor: Visitor, activity: Activity) -> None:
        self.operator, self.visitor, self.activity = operator, visitor, activity
        self.heard = [str(activity)]

    def listen(self, who: Shopper, order: dict[str, Any]) -> None:
        activity_id, lobby = self.activity["activity_id"], f"/v1/lobbies/{order['group']['lobby_id']}"
        shared = [f"/v1/group-activities/{activity_id}{rest}" for rest in ("", "/lobbies", "/draw")]
        shared += ["/v1/group-activities?limit=100", f"/v1/products/{self.activity['product_id']}"]
        shared += [lobby, f"{lobby}/draw"]
        admin = [f"/v1/admin/group-activities/{activity_id}{rest}" for rest in ("", "/lobbies", "/report")]
        admin += [f"/v1/admin/orders/{order['order_id']}{rest}" for rest in ("", "/ledger")]
        asked: list[tuple[Visitor, str]] = [(self.visitor, path) for path in shared]
        asked += [(who, path) for path in [*shared, f"/v1/orders/{order['order_id']}"]]
        asked += [(self.operator, path) for path in admin]
        self.heard += [one.get(path).body.decode() for one, path in asked]

    def has_not_heard(self, secret: str) -> None:
        assert len(secret) > 20
        assert not any(secret in answer for answer in self.heard)


@pytest.mark.parametrize("prize", ["goods", "free"])
def test_a_lobbys_draw_can_be_computed_again_by_anybody(
    prize: str, operator: Operator, arrive: Arrive, control: Control, wechat: Sandbox, send: Transport
) -> None:
    lottery = {"winners": 1, "per": "lobby", "prize": prize}
    activity = operator.group_activity({3: (PRICE, 5000)}, kind="lottery", lottery=lottery)
    rules = Visitor(send).get(f"/v1/group-activities/{activity['activity_id']}").ok()["rules"]
    assert rules["lottery"] == lottery | {"losers_coupon": None}
    assert rules["secret_hash"] == activity["rules"]["secret_hash"]
    first = fill(activity, arrive, 2)
    path = f"/v1/lobbies/{first[0][1]['group']['lobby_id']}"
    before = Visitor(send).get(f"{path}/draw").ok()
    assert before.keys() == {"activity_id", "lobby_id", "state", "secret_hash", "winners_count"}
    assert Visitor(send).get(path).ok()["secret_hash"] == before["secret_hash"] != activity["rules"]["secret_hash"]
    last = arrive()
    paid = [*first, (last, last.join_lobby(first[0][1]))]
    control.run_jobs()
    won = check(Visitor(send).get(f"{path}/draw").ok(), before["secret_hash"], paid, 1)
    lots_are_right(paid, won, prize, control, wechat)
    assert operator.stock(sku_of(activity)) == ((99, 1) if prize == "goods" else (97, 3))


def test_no_secret_is_told_before_its_draw_and_the_draw_of_a_lobby_tells_nothing_of_another(
    operator: Operator, arrive: Arrive, control: Control, send: Transport
) -> None:
    activity = operator.group_activity(
        {2: PRICE}, kind="lottery", lottery={"winners": 1}, ends_at=control.at(3600), lobby_minutes=10
    )
    visitor = Visitor(send)
    ear = Ear(operator, visitor, activity)
    master = visitor.get(draw_of(activity)).ok()
    known = {"activity_id": activity["activity_id"], "secret_hash": activity["rules"]["secret_hash"]}
    assert master == known | {"state": "open", "winners_count": 0}
    leader, lead = fill(activity, arrive, 1)[0]
    ear.listen(leader, lead)
    arrive().join_lobby(lead)
    path = f"/v1/lobbies/{lead['group']['lobby_id']}/draw"
    proof = visitor.get(path).ok()
    ear.has_not_heard(proof["secret"])

    other, failed = fill(activity, arrive, 1)[0]
    control.run_jobs(advance=10 * 60 + 1)
    (done,) = settled(control, [(other, failed)])
    assert (seat(done), done["refunded_fen"]) == (("closed", "failed"), PRICE)
    never = visitor.get(f"/v1/lobbies/{failed['group']['lobby_id']}/draw").ok()
    assert (never["state"], "secret" in never) == ("failed", False)
    ear.listen(other, failed)
    ear.listen(leader, lead)
    control.run_jobs(advance=3600)
    poll(lambda: control.run_jobs(advance=301) >= 0 and "secret" in visitor.get(draw_of(activity)).ok())
    master = visitor.get(draw_of(activity)).ok()
    assert hashlib.sha256(master["secret"].encode()).hexdigest() == activity["rules"]["secret_hash"]
    lobby_id = lead["group"]["lobby_id"]
    assert hmac.new(master["secret"].encode(), lobby_id.encode(), hashlib.sha256).hexdigest() == proof["secret"]
    ear.has_not_heard(master["secret"])
    assert visitor.get(path).ok() == proof


@pytest.mark.parametrize("prize", ["goods", "free"])
def test_the_draw_of_an_activity_is_over_all_who_sat_in_full_lobbies(
    prize: str, operator: Operator, arrive: Arrive, control: Control, wechat: Sandbox, send: Transport,
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    lottery = {"winners": 2, "per": "activity", "prize": prize}
    activity = operator.group_activity({2: PRICE}, kind="lottery", lottery=lottery, ends_at=control.at(3600))
    visitor = Visitor(send)
    ear = Ear(operator, visitor, activity)
    paid = [*fill(activity, arrive, 2), *fill(activity, arrive, 2)]
    lonely = fill(activity, arrive, 1)
    control.run_jobs()
    for who, order in paid:  # their lobbies are full, and they wait for the draw
        seen = who.order(order["order_id"])
        assert (seat(seen), who.lobby(order)["state"]) == (("awaiting_group", "taken"), "succeeded")
    visitor.get(f"/v1/lobbies/{paid[0][1]['group']['lobby_id']}/draw").refused(404, "not_found")
    answer = visitor.get(draw_of(activity))
    assert answer.headers["cache-control"] == "no-store"
    before = answer.ok()
    known = {"activity_id": activity["activity_id"], "secret_hash": activity["rules"]["secret_hash"]}
    assert before == known | {"state": "open", "winners_count": 2}
    control.run_jobs(advance=3600)
    assert visitor.get(draw_of(activity)).ok() == before
    ear.listen(*paid[0])

    control.run_jobs(advance=301)
    poll(lambda: control.run_jobs(advance=301) >= 0 and "secret" in visitor.get(draw_of(activity)).ok())
    answer = visitor.get(draw_of(activity))
    assert answer.headers["cache-control"] == "public, max-age=86400"
    again = visitor.get(draw_of(activity), **{"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    proof = answer.ok()
    assert "next_cursor" not in proof, "so few are on one page"
    won = check(proof, activity["rules"]["secret_hash"], paid, 2)
    lots_are_right(paid, won, prize, control, wechat)
    assert [seat(lonely[0][0].order(lonely[0][1]["order_id"]))] == [("closed", "failed")]
    assert operator.stock(sku_of(activity)) == ((98, 2) if prize == "goods" else (96, 4))
    ear.has_not_heard(proof["secret"])
    control.run_jobs(advance=86_400)
    assert visitor.get(draw_of(activity)).ok() == proof
    if prize == "free":
        agree(differences)


def test_where_nothing_is_drawn_there_is_no_proof(operator: Operator, arrive: Arrive) -> None:
    activity = operator.group_activity({2: PRICE})
    (leader, lead), = fill(activity, arrive, 1)  # fmt: skip
    for path in (draw_of(activity), f"/v1/lobbies/{lead['group']['lobby_id']}/draw", "/v1/lobbies/g0/draw"):
        leader.get(path).refused(404, "not_found")
    assert "secret_hash" not in leader.lobby(lead)


def test_who_loses_gets_the_coupon_that_the_activity_promises(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    template = {
        "name": "安慰券", "kind": "amount_off", "amount_fen": 300, "threshold_fen": 0, "total": 10,
        "limit_per_member": 1, "valid": {"days": 7}, "how": ["grant"],
    }  # fmt: skip
    made = operator.post("/v1/admin/coupon-templates", template).ok(201)["template_id"]
    lottery = {"winners": 1, "losers_coupon": made}
    activity = operator.group_activity({2: PRICE}, kind="lottery", lottery=lottery)
    paid = fill(activity, arrive, 2)
    done = settled(control, paid)
    control.run_jobs()
    for (shopper, _), order in zip(paid, done, strict=True):
        held = shopper.get("/v1/me/coupons?state=unused").ok()["items"]
        lost = order["group"]["seat_state"] == "lost"
        assert [one["template_id"] for one in held] == ([made] if lost else [])
    wrong = {"winners": 1, "losers_coupon": "none-of-these"}
    refusal = operator.post(
        "/v1/admin/group-activities",
        {
            "product_id": activity["product_id"], "kind": "lottery", "sizes": [2], "lottery": wrong,
            "prices": [{"sku_id": sku_of(activity), "size": 2, "price_fen": PRICE}],
            "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
        },
    ).refused(422, "invalid")  # fmt: skip
    assert refusal["errors"][0]["field"] == "lottery.losers_coupon"
