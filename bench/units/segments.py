"""What segments cost: a batch of events that a rule looks at, members whom time alone moves, an order with rules over
purchases in force, a new rule over everybody, and a rule that is tried."""

from __future__ import annotations

import secrets
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from bench.units import due
from bench.units.figures import Batch, Looked, Ordered, Segments, Transition, Work
from bench.units.journey import Mall, plain
from bench.units.made_up import bought, ids_of_shard, item_bytes, owe_look, owed, profile, put_all
from bench.units.meter import Meter, Sample
from bench.units.recorder import Recorder, Trip
from chalicelib.core import clock, ids
from chalicelib.customers.members.tables import profile_item
from chalicelib.growth.segments.building.service import progress
from chalicelib.growth.segments.definitions.rules import FENCE_MS
from chalicelib.growth.segments.jobs import BUILD, PASS
from chalicelib.growth.segments.membership.service import MEMBERS_AT_ONCE
from chalicelib.growth.segments.preview.queries import preview
from chalicelib.growth.segments.tables import TRAITS, MemberTraits, traits_item
from chalicelib.growth.segments.traits.rules import DAY_MS, ORDERS_KEPT, ms
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import read
from local.client import Operator, Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.jobs import forget_all

EVENTS, _EVENT_BYTES = 20, 150
#: What a member's traits are filled up with: instants of an event that a rule looks at, and orders.
_RING, _ORDERS = 40, 12
#: So many batches a member has told before the one that is measured: all instants that are kept.
_TOLD = 10
#: Between two batches, so that a member has room for them all.
_APART_SECONDS = 1000.0
#: It keeps many instants, and holds for nobody: no member here has told of a birthday.
_LOOKED_AT = {
    "all": [
        {"event": "product_view", "within_days": 90, "op": ">=", "count": 50},
        {"days_since": "birthday", "op": "<=", "days": 30},
    ]
}
#: Orders of a member, one after the other.
_IN_TURN = 4


def purchase_rules(product_id: str) -> list[dict[str, Any]]:
    """Five as a merchant writes them."""
    return [
        {"purchases": "count", "within_days": 30, "op": ">=", "value": 1},
        {"purchases": "sum_fen", "within_days": 90, "op": ">=", "value": 100_000},
        {"purchases": "count", "op": ">=", "value": 5},
        {"purchases": "avg_fen", "within_days": 365, "op": ">=", "value": 20_000},
        {"purchases": "count", "of": {"product_id": product_id}, "within_days": 180, "op": ">=", "value": 3},
    ]


class Bench:
    """Operators who define, and members who are made up where very many are needed."""

    def __init__(self, send: Transport, sandbox: Sandbox, mall_clock: LocalClock) -> None:
        self.send, self.sandbox, self.clock = send, sandbox, mall_clock
        self._recorder = Recorder()

    def run(self, times: int, everybody: int, at_once: int) -> Segments:
        """Everything: `times` for each figure of CPU, `everybody` for a rule over all, `at_once` due in one second."""
        orders = self._orders("none of the merchant's")
        product = Mall(Meter(self.send, self.clock, None), self.sandbox).product()
        orders += self._orders("five over purchases", purchase_rules(product["product_id"]), product)
        self.define(_LOOKED_AT)
        return Segments(
            batch=self._batch(times),
            transitions=[self._transition("few orders", _ORDERS), self._transition("64 orders", ORDERS_KEPT)],
            orders=orders, build=self._build(everybody), tried=self._tried(),
            at_once=due.Bench(self.send, self.sandbox, self.clock).run(at_once),
        )  # fmt: skip

    def define(self, *rules: Any) -> list[str]:
        """Define segments of these rules; everybody has been looked at for them."""
        operator = Operator.arrive(self.send)
        body = [{"name": f"分群 {secrets.token_hex(3)}", "rule": rule} for rule in rules]
        made = [operator.post("/v1/admin/segments", each).ok(201)["segment_id"] for each in body]
        self.clock.advance(FENCE_MS / 1000 + 1)
        while worker.run_due():
            pass
        return made

    def drop(self, segment_ids: Sequence[str]) -> None:
        """Take them away again."""
        operator = Operator.arrive(self.send)
        for segment_id in segment_ids:
            operator.delete(f"/v1/admin/segments/{segment_id}").ok(204)

    # A batch

    def _batch(self, times: int) -> Batch:
        shopper = Shopper.arrive(self.send, self.sandbox)
        for _ in range(_TOLD):
            self.clock.advance(_APART_SECONDS)
            self._tell(shopper)
        with self._recorder.recording() as trips:
            size = self._tell(shopper)
        took = []
        for _ in range(times):
            self.clock.advance(_APART_SECONDS)
            begun = time.thread_time()
            self._tell(shopper)
            took.append((time.thread_time() - begun) * 1000)
        return Batch(events=EVENTS, bytes=size, cpu_ms=round(statistics.median(took), 2), work=work(trips, 1))

    def _tell(self, shopper: Shopper) -> int:
        """Tell of EVENTS events, one in four of which a rule looks at; the bytes of them."""
        text = str(uuid.uuid4())
        now = clock.now()
        names = ("product_view", "page_view", "cart_view", "page_view")
        events = [_event(names[number % 4], clock.stamp(now - timedelta(seconds=number))) for number in range(EVENTS)]
        body = {"batch_id": f"{text[:14]}7{text[15:]}", "sent_at": clock.stamp(now), "events": events}
        shopper.post("/v1/me/events", body).ok(202)
        return len(msgspec.json.encode(events))

    # Members whom time moves

    def _transition(self, name: str, orders: int) -> Transition:
        """MEMBERS_AT_ONCE members of one shard, whose last order was so long ago that they are silent from one instant
        on: looked at together, as a shard's job does."""
        _, job = self._due(orders)
        with self._recorder.recording() as trips:
            assert worker.run_one(job)
        written: dict[str, float] = defaultdict(float)
        for touch in (touch for trip in trips for touch in trip.touches):
            written[touch.table] += (touch.units.writes + touch.index_units) / MEMBERS_AT_ONCE
        known, job = self._due(orders)
        begun = time.thread_time()
        assert worker.run_one(job)
        cpu = (time.thread_time() - begun) * 1000 / MEMBERS_AT_ONCE
        return Transition(
            name=name, bytes=known, together=MEMBERS_AT_ONCE, cpu_ms=round(cpu, 3), work=work(trips, MEMBERS_AT_ONCE),
            written={table: round(units, 2) for table, units in sorted(written.items()) if units},
        )  # fmt: skip

    def _due(self, orders: int) -> tuple[int, Jobs]:
        """Such members are due now: the bytes of what is known of one, and the job that looks at them."""
        forget_all()
        at = ms(clock.now()) + 60_000
        items = [traits_item(bought(one, at, orders, _RING), 1, at) for one in ids_of_shard(0, MEMBERS_AT_ONCE)]
        put_all(items)
        owe_look(items[0].member_id, at)
        self.clock.advance(80.0)
        return item_bytes(items[0]), owed(PASS)[0]

    # Orders

    def _orders(self, name: str, rules: Sequence[Any] = (), product: Any = None) -> list[Ordered]:
        """Orders of a new member, one after the other, without the looks that time owes them."""
        defined = self.define(*rules)
        mall = Mall(Meter(self.send, self.clock, self._recorder), self.sandbox)
        product = product or mall.product()
        mall.meter.live(hours=1)
        shopper = mall.people()[0]
        while worker.run_due():
            pass
        found = []
        for number in range(_IN_TURN):
            forget_all()
            shopper.log_in()
            samples: list[Sample] = []
            mall.meter.samples = samples
            plain(mall, product, [shopper])
            samples = [sample for sample in samples if sample.name != f"job: {PASS.name}"]
            whole = work([trip for sample in samples for trip in sample.trips], 1)
            jobs = sum(sample.name.startswith("job:") for sample in samples)
            moves = [touch for sample in samples for trip in sample.trips for touch in trip.touches
                     if touch.table == "segment_members"]  # fmt: skip
            known = read.get(MemberTraits, shopper.member_id, TRAITS)
            assert known is not None
            found.append(
                Ordered(
                    rules=name, number=number + 1, moves=len(moves), bytes=item_bytes(known), reads=whole.reads,
                    writes=whole.writes, jobs=jobs,
                )
            )  # fmt: skip
        self.drop(defined)
        return found

    # Everybody

    def _build(self, everybody: int) -> Looked:
        """A rule that a tenth of so many members is in is made; and another, for the time that it takes."""
        at = ms(clock.now()) + 20 * DAY_MS
        made = [ids.new("m") for _ in range(everybody)]
        put_all([traits_item(bought(one, at, 3, 0, listed=False), 1, at) for one in made])
        put_all([profile_item(profile(one)) for one in made])
        self._looked_at(worker.run_one)  # now lists and counts know everybody
        trips: list[Trip] = []

        def record(job: Jobs) -> None:
            with self._recorder.recording() as found:
                worker.run_one(job)
            trips.extend(found)

        seen = self._looked_at(record)
        cpu: list[float] = []

        def clocked(job: Jobs) -> None:
            begun = time.thread_time()
            worker.run_one(job)
            cpu.append(time.thread_time() - begun)

        self._looked_at(clocked)
        return Looked(members=seen, work=work(trips, seen), cpu_ms=round(sum(cpu) * 1000 / seen, 3))

    def _looked_at(self, run: Callable[[Jobs], object]) -> int:
        """Have everybody be looked at for a new rule, which a tenth of them is in; how many members there are."""
        forget_all()
        operator, path = Operator.arrive(self.send), "/v1/admin/segments"
        rule = {"random": {"salt": secrets.token_hex(4), "percent": 10}}
        made = operator.post(path, {"name": "抽样", "rule": rule}).ok(201)
        self.clock.advance(FENCE_MS / 1000 + 1)
        while jobs := owed(BUILD):
            for job in jobs:
                run(job)
        found = operator.get(f"{path}/{made['segment_id']}").ok()
        assert found["state"] == "live"
        seen = progress(0)
        self.drop([made["segment_id"]])
        return seen

    def _tried(self) -> Looked:
        rule = {"all": [{"purchases": "count", "op": ">=", "value": 2}, {"not": {"life_cycle": ["silent"]}}]}
        with self._recorder.recording() as trips:
            seen = preview(rule)
        looked_at = seen.sample or seen.members
        begun = time.thread_time()
        preview(rule)
        cpu = (time.thread_time() - begun) * 1000 / looked_at
        return Looked(members=looked_at, work=work(trips, looked_at), cpu_ms=round(cpu, 3))


def work(trips: Sequence[Trip], of: int) -> Work:
    """What these trips are for each of so many."""
    units = [trip.units for trip in trips]
    return Work(
        trips=round(len(trips) / of, 3),
        transactions=round(sum(trip.operation.startswith("Transact") for trip in trips) / of, 3),
        reads=round(sum(one.reads for one in units) / of, 2),
        writes=round(sum(one.writes for one in units) / of, 2),
    )


def _event(name: str, at: str) -> dict[str, Any]:
    """An event of _EVENT_BYTES."""
    props = {
        "product_view": {"product_id": f"p{secrets.token_hex(8)}", "from": "home"},
        "page_view": {"page": "pages/product", "product_id": f"p{secrets.token_hex(8)}"},
        "cart_view": {},
    }[name]
    event = {"event_id": "", "name": name, "at": at, "props": props}
    missing = _EVENT_BYTES - len(msgspec.json.encode(event))
    return event | {"event_id": secrets.token_hex(32)[: max(8, min(missing, 40))]}
