"""Members of a mall over HTTP, who buy, look around, come by and are tagged by chance; and twelve segments of them."""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from local.client import Operator, Shopper, coupon_template, over_http
from tests.support.segment_export import Defined, Exported

#: So many people act at the same time.
_AT_ONCE = 6
_DISTRIBUTION = {"levels": 2, "rates_bp": [1000, 500], "freeze_days": 7}


class Person:
    """A member, what they have ordered, and their export as it was read last."""

    def __init__(self, shopper: Shopper, operator: Operator, chance: random.Random) -> None:
        self.shopper, self.operator, self.chance = shopper, operator, chance
        self.exported: Exported

    def read(self) -> Exported:
        """Their export as it is now."""
        sections: dict[str, list[Any]] = {}
        cursor: str | None = ""
        while cursor is not None:
            part = self.shopper.get(f"/v1/me/export{cursor and f'?cursor={cursor}'}").ok()
            for name, entries in part["sections"].items():
                sections.setdefault(name, []).extend(entries)
            cursor = part["next_cursor"]
        self.exported = Exported(sections)
        return self.exported


class Crowd:
    """The people, and what a mall must have for what they do."""

    def __init__(self, api_url: str, operator: Operator, now: Callable[[], float], chance: random.Random) -> None:
        self.api_url, self.operator, self.now, self.chance = api_url, operator, now, chance
        self.people: list[Person] = []
        self.products = [operator.product(stock=100_000, price_fen=fen) for fen in (2000, 3500)]
        template = coupon_template(total=100_000, valid={"days": 9}, limit_per_member=2)
        self.template_id: str = operator.post("/v1/admin/coupon-templates", template).ok(201)["template_id"]
        mark = secrets.token_hex(3)
        self.regular, self.looker = f"常客{mark}", f"看货{mark}"
        self.defined = Defined()

    def define(self) -> None:
        """Define two tags, by hand and by rule, and seven segments beside the five that there are: every kind of
        condition, and one that names others."""
        viewed = {"event": "product_view", "within_days": 6, "op": ">=", "count": 2}
        self.defined.tags = {self.looker: viewed}
        self.operator.post("/v1/admin/tags", {"name": self.regular}).ok(201)
        self.operator.post("/v1/admin/tags", {"name": self.looker, "rule": viewed}).ok(201)
        product = self.products[0]["product_id"]
        buyers = self._segment("买家", {"any": [
            {"purchases": "count", "within_days": 12, "op": ">=", "value": 2},
            {"purchases": "sum_fen", "of": {"product_id": product}, "op": ">=", "value": 4000},
            {"purchases": "avg_fen", "within_days": 20, "op": "between", "value": [3500, 5000]},
        ]})  # fmt: skip
        self._segment("看了没加购", {"all": [
            {"event": "product_view", "where": {"product_id": product}, "within_days": 7, "op": ">=", "count": 1},
            {"event": "add_to_cart", "within_hours": 36, "op": "==", "count": 0},
        ]})  # fmt: skip
        soon = self._segment("券快到期", {"any": [
            {"coupon": self.template_id, "state": "unused", "ends_within_days": 3},
            {"tag": self.regular, "within_days": 10},
        ]})  # fmt: skip
        self._segment("生日", {"all": [
            {"profile": "birthday", "op": "exists"}, {"days_since": "birthday", "op": "<=", "days": 4},
        ]})  # fmt: skip
        self._segment("海报来的", {"all": [
            {"source": {"channel": "poster"}, "touch": "first"},
            {"not": {"days_since": "joined", "op": "<=", "days": 13}},
            {"days_since": "last_seen", "op": ">", "days": 3},
        ]})  # fmt: skip
        self._segment("一半", {"any": [
            {"all": [
                {"random": {"salt": "half", "percent": 50}}, {"days_since": "last_purchase", "op": ">", "days": 8},
            ]},
            {"distributor": "active"},
        ]})  # fmt: skip
        self._segment("嵌套", {"all": [
            {"any": [{"segment": buyers}, {"life_cycle": ["first_order", "repeat"]}, {"tag": self.looker}]},
            {"not": {"segment": soon}}, {"not": {"days_since": "first_purchase", "op": "<=", "days": 2}},
        ]})  # fmt: skip

    def _segment(self, name: str, rule: Any) -> str:
        asked = {"name": name, "rule": rule, "shown": True}
        segment_id: str = self.operator.post("/v1/admin/segments", asked).ok(201)["segment_id"]
        self.defined.segments[segment_id] = rule
        return segment_id

    def act(self, people: Sequence[Person], deeds: int) -> None:
        """Have each of these people do so many things, many people at the same time; and read what is known of them."""

        def acts(person: Person) -> None:
            for _ in range(deeds):
                person.chance.choice(_DEEDS)(self, person)
            person.read()

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(acts, people))

    def arrive(self, many: int, join: Callable[[], Shopper]) -> None:
        """Have so many people join, and some of them become distributors."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            joined = list(pool.map(lambda _: join(), range(many)))
        for shopper in joined:
            operator = Operator(shopper.send, self.operator.token)
            self.people.append(Person(shopper, operator, random.Random(self.chance.random())))
        settings = "/v1/admin/settings/distribution"
        before = self.operator.get("/v1/admin/settings").ok()["sections"]["distribution"]
        self.operator.put(settings, _DISTRIBUTION | {"enabled": True}).ok()
        for person in self.people[:: max(1, many // 8)]:
            told = person.shopper.post("/v1/distributor").ok()
            self.operator.post(f"/v1/admin/distributors/{told['distributor_id']}/approve").ok()
        self.operator.put(settings, before).ok()

    def buys(self, who: Person) -> None:
        """Some pieces, paid; a third of the orders is received at once, and some of it goes back."""
        sku = who.chance.choice(self.products)["skus"][0]["sku_id"]
        quantity = who.chance.randint(1, 3)
        order_id = who.shopper.buy([(sku, quantity)])
        if who.chance.random() < 0.2:  # what was not sent goes back at once
            who.shopper.refund(order_id, [(sku, who.chance.randint(1, quantity))])
        if who.shopper.order(order_id)["state"] == "awaiting_shipment" and who.chance.random() < 0.8:
            who.operator.ship(order_id)
            if who.chance.random() < 0.5:
                who.shopper.post(f"/v1/orders/{order_id}/receive").ok()

    def gets_back(self, who: Person) -> None:
        """The mall gives the money of a completed order back, all of it or a part."""
        done = [one for one in who.shopper.items("/v1/orders?state=completed") if one["refunded_fen"] == 0]
        if done:
            order = who.shopper.order(who.chance.choice(done)["order_id"])
            lines = [{"sku_id": order["lines"][0]["sku_id"], "quantity": 1}] if who.chance.random() < 0.3 else None
            body = {"reason": "补偿"} | ({"lines": lines} if lines else {})
            path = f"/v1/admin/orders/{order['order_id']}/refunds"
            who.operator.post(path, body, key=secrets.token_hex(8)).ok(202)

    def looks(self, who: Person) -> None:
        """A batch of events, some of them of days ago."""
        now, events = datetime.fromtimestamp(self.now(), UTC), []
        for _ in range(who.chance.randint(1, 4)):
            product = who.chance.choice(self.products)
            name, props = who.chance.choice([
                ("product_view", {"product_id": product["product_id"], "from": "home"}),
                ("product_view", {"product_id": product["product_id"], "from": "home"}),
                ("add_to_cart", {"sku_id": product["skus"][0]["sku_id"], "quantity": 1}),
                ("app_launch", {"scene": 1001, "path": "pages/index/index"}),
            ])  # fmt: skip
            at = now - timedelta(seconds=who.chance.choice([0, 60, 3600, 100_000, 400_000]))
            events.append({"event_id": secrets.token_hex(8), "name": name, "at": at.isoformat(), "props": props})
        text = str(uuid.uuid4())
        body = {"batch_id": f"{text[:14]}7{text[15:]}", "sent_at": now.isoformat(), "events": events}
        told = who.shopper.post("/v1/me/events", body).ok(202)
        assert told["accepted"] == len(events), told

    def comes_by(self, who: Person) -> None:
        """A visit, from somewhere."""
        source = {"channel": who.chance.choice(["poster", "live"]), "scene": "1047"}
        who.shopper.post("/v1/me/visits", source).ok()

    def tells(self, who: Person) -> None:
        """A birthday, in these days."""
        day = datetime.fromtimestamp(self.now(), UTC) + timedelta(days=who.chance.randint(-3, 30))
        born = {"month": day.month, "day": min(day.day, 28), "calendar": "solar"}
        who.shopper.put("/v1/me", {"birthday": born}).ok()

    def claims(self, who: Person) -> None:
        """A coupon, where they may have one more."""
        assert who.shopper.post(f"/v1/coupon-templates/{self.template_id}/claim").status in (201, 409)

    def is_tagged(self, who: Person) -> None:
        """A tag by hand, given or taken."""
        verb = who.chance.choice(["add", "add", "remove"])
        path = f"/v1/admin/members/{who.shopper.member_id}/tags"
        if self.defined.tags:
            who.operator.post(path, {verb: [self.regular], "reason": "试"}).ok()

    def refuses(self, who: Person) -> None:
        """No tags, or no personal offers, or these again: what few ask for."""
        if who.chance.random() < 0.3:
            who.shopper.put("/v1/me/preferences", {"personalised": who.chance.random() < 0.5}).ok()
        elif who.chance.random() < 0.2:
            who.shopper.delete("/v1/me/tags").ok(204)


_DEEDS: list[Callable[[Crowd, Person], None]] = [
    Crowd.buys, Crowd.buys, Crowd.looks, Crowd.looks, Crowd.comes_by, Crowd.tells, Crowd.claims, Crowd.is_tagged,
    Crowd.gets_back, Crowd.refuses,
]  # fmt: skip


def joiner(api_url: str, sandbox: Any, token: Callable[[str], str]) -> Callable[[], Shopper]:
    """Have somebody new join who stays logged in however far the clock is moved."""

    def join() -> Shopper:
        shopper = Shopper.arrive(over_http(api_url), sandbox)
        shopper.token = token(shopper.member_id)
        return shopper

    return join
