"""What it costs that two members become one: the code, the redirect, and every run of the job that moves what is the
former one's. Of a member who has been there for long: much of it is made up past the mall, from one of each kind."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from bench.units.figures import Merged
from bench.units.journey import Mall, commissioned
from bench.units.made_up import owed, put_all
from bench.units.meter import Meter
from bench.units.recorder import Recorder, Trip
from chalicelib.commerce.coupons.tables import COUPON, Coupons
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.tables import Orders, item
from chalicelib.core import clock, ids
from chalicelib.customers.events.tables import BATCH, MemberEvents
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.jobs import MERGE
from chalicelib.customers.members.service import change_profile
from chalicelib.growth.distribution.tables import Commissions, commission_item
from chalicelib.platform.jobs import worker
from chalicelib.platform.store import read
from local.client import Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.jobs import forget_all

#: What the former member has: half of 200 orders that the two have, all completed, one in five with a coupon that was
#: used; coupons that were not; commissions of their customers' orders; and a batch of events for each day that such are
#: kept.
ORDERS, UNUSED, COMMISSIONS, BATCHES = 100, 10, 50, 90
_USED_ONE_IN = 5
_EVENTS, _TOUCHES = 20, 16
_HOUR = timedelta(hours=1)
#: Who has completed more orders stays.
_STAYS_WITH = 1_000


class Bench:
    """Two members of one person, one of whom has bought and sold."""

    def __init__(self, send: Transport, sandbox: Sandbox, mall_clock: LocalClock) -> None:
        self.clock, self.sandbox, self.send = mall_clock, sandbox, send
        self._mall = Mall(Meter(send, mall_clock, None), sandbox)

    def run(self, orders: int = ORDERS, commissions: int = COMMISSIONS, batches: int = BATCHES) -> Merged:
        """Have them become one, and count what is asked of DynamoDB until the last run is over."""
        forget_all()  # whatever was begun before: it would be looked through for each job
        stays = Shopper.arrive(self.send, self.sandbox)
        self.clock.advance(1)
        former = self._lived(orders, commissions, batches)
        change_profile(stays.member_id, lambda one, _: msgspec.structs.replace(one, orders_completed=_STAYS_WITH))
        forget_all()
        writes: Counter[str] = Counter()
        reads = 0.0
        recorder = Recorder()
        with recorder.recording() as trips:
            code = former.post("/v1/me/merge-codes").ok(201)["code"]
            stays.post("/v1/me/merges", {"code": code}).ok(202)
        steps = {"the code and the redirect": list(trips)}
        for name, later in (("first", 0.0), ("second", 61.0), ("last", 86_400.0)):
            self.clock.advance(later)
            with recorder.recording() as trips:
                for job in owed(MERGE):
                    if job.task.key.endswith(name):
                        assert worker.run_one(job)
            steps[f"the {name} run"] = list(trips)
        for some in steps.values():
            reads += sum(trip.units.reads for trip in some)
            writes.update(_by_table(some))
        assert members.resolved(former.member_id) == stays.member_id
        assert [one.settled for one in members.profile(stays.member_id).absorbed] == [True]
        return Merged(
            orders=orders, commissions=commissions, batches=batches, reads=round(reads, 1),
            trips=sum(len(some) for some in steps.values()),
            writes={name: round(sum(trip.units.writes for trip in some), 1) for name, some in steps.items()},
            written={table: round(units, 1) for table, units in writes.most_common() if units},
        )  # fmt: skip

    def _lived(self, orders: int, commissions: int, batches: int) -> Shopper:
        """Somebody who has all that, by the code of whom somebody has bought."""
        mall = self._mall
        mall.distribute()
        mall.offer_coupons()
        product = mall.product()
        people = mall.people()
        commissioned(mall, product, people)
        former = people[0]
        applied = former.post("/v1/distributor").ok()
        mall.operator().post(f"/v1/admin/distributors/{applied['distributor_id']}/approve").ok()
        for number in range(_TOUCHES):
            former.post("/v1/me/visits", {"channel": f"poster-{number}"}).ok()
        self._tell(former)
        while worker.run_due():
            pass
        self._make_up(former.member_id, orders, commissions, batches)
        return former

    def _tell(self, shopper: Shopper) -> None:
        text, now = str(uuid.uuid4()), clock.now()
        events = [
            {"event_id": ids.new("e"), "name": "product_view", "at": clock.stamp(now),
             "props": {"product_id": ids.new("p"), "from": "home"}}
            for _ in range(_EVENTS)
        ]  # fmt: skip
        body: dict[str, Any] = {"batch_id": f"{text[:14]}7{text[15:]}", "sent_at": clock.stamp(now), "events": events}
        shopper.post("/v1/me/events", body).ok(202)

    def _make_up(self, member_id: str, orders: int, commissions: int, batches: int) -> None:
        """More of each kind, as the first of each is."""
        (raw,) = read.query_all_raw(Orders, member_id, index=Orders.by_member)
        order: Order = Orders.get(raw["order_id"]["S"]).order
        (coupon,) = (one for one in read.query_all(Coupons, member_id) if one.part.startswith(COUPON))
        batch = next(one for one in read.query_all(MemberEvents, member_id) if one.part.startswith(BATCH))
        (earned, *_) = read.query_all(Commissions, order.order_id)
        bought, coupons = [], []
        for number in range(1, orders):
            again, used = ids.new("o"), number % _USED_ONE_IN == 0
            coupon_id = ids.new("c")
            bought.append(
                msgspec.structs.replace(
                    order, order_id=again, created_at=order.created_at - number * _HOUR,
                    coupons=[msgspec.structs.replace(order.coupons[0], coupon_id=coupon_id)] if used else [],
                )
            )  # fmt: skip
            if used:
                coupons.append(_coupon(coupon, coupon_id, again))
        coupons += [_coupon(coupon, ids.new("c"), None) for _ in range(UNUSED)]
        put_all([item(one, 1) for one in bought])
        put_all(coupons)
        made = [
            msgspec.structs.replace(
                earned.commission, order_id=ids.new("o"), member_id=member_id, buyer_id=ids.new("m"),
                created_at=earned.commission.created_at - number * _HOUR,
            )
            for number in range(commissions)
        ]  # fmt: skip
        put_all([commission_item(one, 1) for one in made])
        put_all([_batch(batch) for _ in range(1, batches)])


def _coupon(before: Coupons, coupon_id: str, order_id: str | None) -> Coupons:
    """The same coupon under another id, used by that order, or unused."""
    coupon = msgspec.structs.replace(before.coupon, coupon_id=coupon_id)
    after = Coupons.from_raw_data(before.serialize())
    after.part, after.coupon, after.order_id = f"{COUPON}{coupon_id}", coupon, order_id
    after.state = "unused" if order_id is None else before.state
    return after


def _batch(before: MemberEvents) -> MemberEvents:
    after = MemberEvents.from_raw_data(before.serialize())
    after.part = f"{BATCH}{uuid.uuid4()}"
    return after


def _by_table(trips: Sequence[Trip]) -> Counter[str]:
    written: Counter[str] = Counter()
    for touch in (touch for trip in trips for touch in trip.touches):
        written[touch.table] += touch.units.writes + touch.index_units  # type: ignore[assignment]
    return written
