"""Events as a mini-program tells them: what happened before login, on a phone whose clock is wrong, over a line that
breaks; and what becomes of them for the member, for an operator, and when the member leaves."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from local.client import Operator, Shopper, poll
from local.clock import LocalClock
from local.mall import Mall


class Phone:
    """Keeps what its owner does until it is sent. Its clock is three hours fast."""

    def __init__(self, mall: Mall) -> None:
        self._clock = LocalClock(mall.clock_file)
        self.kept: list[dict[str, Any]] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC) + timedelta(hours=3)

    def notes(self, name: str, seconds_ago: float = 0, **props: Any) -> None:
        at = (self.now() - timedelta(seconds=seconds_ago)).isoformat()
        self.kept.append({"event_id": secrets.token_hex(8), "name": name, "at": at, "props": props})

    def batch(self) -> dict[str, Any]:
        text, kept, self.kept = str(uuid.uuid4()), self.kept, []
        session = {"id": "s1", "source": {"scene": 1047, "channel": "poster-1"}, "platform": "ios"}
        return {"batch_id": f"{text[:14]}7{text[15:]}", "events": kept, "session": session}

    def send(self, who: Shopper, batch: dict[str, Any]) -> Any:
        return who.post("/v1/me/events", batch | {"sent_at": self.now().isoformat()})


def test_what_a_phone_has_kept_is_taken_once_and_lies_where_it_belongs(
    mall: Mall, arrive: Callable[[], Shopper], operator: Operator
) -> None:
    phone = Phone(mall)
    phone.notes("app_launch", 60, scene=1047, path="pages/index/index")
    phone.notes("product_view", 50, product_id="p1", **{"from": "home"})
    phone.notes("add_to_cart", 30, sku_id="k1", quantity=2)
    phone.notes("order_paid", 20)  # whoever says so: the mall knows that itself
    phone.notes("form_submit", 10, form_id="f1", receiver_phone="13912345678")
    shopper = arrive()
    batch = phone.batch()
    first = phone.send(shopper, batch).ok(202)
    assert (first["accepted"], first["dropped"]) == (
        3,
        [
            {"index": 3, "code": "event_of_server"},
            {"index": 4, "code": "prop_forbidden", "prop": "receiver_phone"},
        ],
    )
    again = phone.send(shopper, batch).ok(202)  # the answer was lost
    assert (again["accepted"], again["dropped"]) == (first["accepted"], first["dropped"])
    received = datetime.fromisoformat(first["server_time"])

    page = operator.get(f"/v1/admin/members/{shopper.member_id}/events").ok()
    assert [one["name"] for one in page["items"]] == ["add_to_cart", "product_view", "app_launch"]
    ages = [(received - datetime.fromisoformat(one["at"])).total_seconds() for one in page["items"]]
    assert all(abs(age - told) < 10 for age, told in zip(ages, (30, 50, 60), strict=True)), ages
    log = operator.get("/v1/admin/audit?limit=100").ok()["items"]
    opened = [one for one in log if one["path"] == "/v1/admin/members/{member_id}/events"]
    assert opened and opened[0]["parameters"]["member_id"] == shopper.member_id

    export = shopper.get("/v1/me/export").ok()["sections"]
    assert [one["name"] for one in export["events"]] == ["app_launch", "product_view", "add_to_cart"]
    assert "13912345678" not in str(export)
    assert export["profile"][0]["last_source"]["channel"] == "poster-1"


def test_a_member_who_leaves_takes_what_they_did_with_them(
    mall: Mall, arrive: Callable[[], Shopper], operator: Operator
) -> None:
    shopper, phone = arrive(), Phone(mall)
    phone.notes("cart_view")
    phone.send(shopper, phone.batch()).ok(202)
    path = f"/v1/admin/members/{shopper.member_id}/events"
    assert len(operator.get(path).ok()["items"]) == 1
    shopper.leave().ok(204)
    operator.get(path).refused(404, "not_found")
    phone.notes("cart_view")
    late = phone.batch()
    assert poll(lambda: phone.send(shopper, late).status == 401)
