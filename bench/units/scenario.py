"""What a visit and a whole order take, from the quote to the last job: request units by table and index, round trips,
calls to WeChat, CPU, bytes of log and answer, what stays stored, and which partitions different orders meet at."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from bench.units import journey
from bench.units.figures import Life, Lives, Meeting, Place, Reading, Step
from bench.units.journey import Journey, Mall
from bench.units.meter import Invocation, Meter, Sample
from bench.units.recorder import Recorder, indexes, plain
from bench.units.request_units import index_entry, item_size
from chalicelib.core.entry import entry
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.declarations import OUTSIDE, Lane
from chalicelib.platform.jobs.tables import TABLES as JOB_TABLES
from chalicelib.platform.store import tools
from chalicelib.platform.web.tables import Limits
from infra.functions import FUNCTIONS
from local.client import Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.jobs import forget_all

#: Bytes that DynamoDB bills for each item and each entry of an index beside its own (documentation, "Billing for
#: storage": 100 bytes of overhead).
_OVERHEAD_BYTES = 100
_SHARD = "<shard>"
_ID = re.compile(r"\b[a-z]?[a-z2-7]{24}\b")
#: For so long a worker looks ahead; only that it is a span matters here, because nothing is due.
_SECONDS = 65.0

JOURNEYS: dict[str, Journey] = {
    "plain": journey.plain,
    "coupon and commission": journey.commissioned,
    "group-buy": journey.grouped,
    "not paid": journey.unpaid,
    "refunded": journey.refunded,
}
VISIT = "visit"


class Bench:
    """Plays every journey several times: for its units, and again for its CPU."""

    def __init__(self, send: Transport, sandbox: Sandbox, mall_clock: LocalClock, times: int) -> None:
        self._times = times
        self._units = Mall(Meter(send, mall_clock, Recorder()), sandbox)
        self._cpu = Mall(Meter(send, mall_clock, None), sandbox)
        for mall in (self._units, self._cpu):
            mall.distribute()
            mall.offer_coupons()

    def run(self) -> Lives:
        """Everything."""
        forget_all()
        orders = [self._life(name, walk) for name, walk in JOURNEYS.items()]
        product = self._units.product()
        same = [self._play(self._units, journey.plain, product, self._units.people())[0] for _ in range(self._times)]
        return Lives(
            visit=self._life(VISIT, journey.visit), orders=orders, one_product=_meetings(same, 1), looks=self._looks()
        )

    def _life(self, name: str, walk: Journey) -> Life:
        """Each time another product, and other members."""
        before: Counter[str] = Counter()
        after: Counter[str] = Counter()
        played, orders = [], 0
        for _ in range(self._times):
            product, people = self._prepared(self._units)
            before += _stored()
            samples, count = self._play(self._units, walk, product, people)
            after += _stored()
            played.append(samples)
            orders += count
        timed = [self._play(self._cpu, walk, *self._prepared(self._cpu))[0] for _ in range(self._times)]
        cpu: dict[str, list[float]] = defaultdict(list)
        for sample in (sample for samples in timed for sample in samples):
            cpu[sample.name].append(sample.cpu_ms)
        stored = {table: round((size - before[table]) / orders, 1) for table, size in sorted(after.items())}
        return Life(
            name=name,
            measured=orders,
            steps=_steps(played, cpu, orders),
            places=places_of(played, orders),
            meetings=_meetings(played, orders // len(played)),
            readings=_readings(played),
            stored={table: size for table, size in stored.items() if size},
        )

    @staticmethod
    def _prepared(mall: Mall) -> tuple[Any, list[Shopper]]:
        """A new product, listed, and new members."""
        product = mall.product()
        mall.meter.live(hours=1)
        return product, mall.people()

    @staticmethod
    def _play(mall: Mall, walk: Journey, product: Any, people: list[Shopper]) -> tuple[list[Sample], int]:
        mall.meter.live(seconds=1)  # who has just joined is on the lists then
        forget_all()  # what time owes to members of another play is nothing of this one
        samples: list[Sample] = []
        mall.meter.samples = samples
        return samples, walk(mall, product, people)

    def _looks(self) -> list[Step]:
        """Each schedule's worker finds nothing due, and nothing that will be while it could wait."""
        forget_all()
        return [self._look(one.name, one.lane) for one in FUNCTIONS if one.wakes == "schedule" and one.lane is not None]

    def _look(self, function: str, lane: Lane) -> Step:
        def look() -> int:
            with entry(function, Invocation()):
                return worker.run_due(_SECONDS, [lane], ahead=lane is not OUTSIDE)

        found = []
        for mall in (self._units, self._cpu):
            mall.meter.samples = []
            for _ in range(self._times):
                mall.meter.measure(function, function, look)
            found.append(mall.meter.samples)
        return _steps([found[0]], {function: [sample.cpu_ms for sample in found[1]]}, self._times)[0]


def _steps(played: Sequence[Sequence[Sample]], cpu: dict[str, list[float]], orders: int) -> list[Step]:
    by_name: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in (sample for samples in played for sample in samples):
        by_name[(sample.name, sample.function)].append(sample)

    return [
        step_of(name, function, samples, cpu[name], len(samples) / orders)
        for (name, function), samples in by_name.items()
    ]


def step_of(name: str, function: str, samples: Sequence[Sample], cpu: Sequence[float], times: float) -> Step:
    """What a call or a job takes, as the mean of these, and the median of their CPU (milliseconds)."""

    def mean(numbers: Iterable[float]) -> float:
        return round(statistics.fmean(numbers), 3)

    touches = [[touch for trip in sample.trips for touch in trip.touches] for sample in samples]
    return Step(
        name=name, function=function, times=round(times, 3), trips=mean(len(sample.trips) for sample in samples),
        transactions=mean(sum(trip.operation.startswith("Transact") for trip in sample.trips) for sample in samples),
        reads=mean(sum(touch.units.reads for touch in some) for some in touches),
        writes=mean(sum(touch.units.writes for touch in some) for some in touches),
        index_writes=mean(sum(touch.index_units for touch in some) for some in touches),
        wechat=mean(sample.wechat for sample in samples), cpu_ms=round(statistics.median(cpu), 2),
        log_lines=mean(sample.log_lines for sample in samples),
        log_bytes=mean(sample.log_bytes for sample in samples),
        sent_bytes=mean(sample.sent_bytes for sample in samples),
    )  # fmt: skip


def places_of(played: Sequence[Sequence[Sample]], orders: int) -> list[Place]:
    """What one of so many reads and writes in every place."""
    reads: dict[str, float] = defaultdict(float)
    writes: dict[str, float] = defaultdict(float)
    for touch in (touch for samples in played for sample in samples for trip in sample.trips for touch in trip.touches):
        reads[touch.table] += touch.units.reads
        writes[touch.table] += touch.units.writes
        for written in touch.entries:
            writes[written.place] += written.units
    names = sorted({place for place, units in [*reads.items(), *writes.items()] if units})
    return [Place(name, round(reads[name] / orders, 3), round(writes[name] / orders, 3)) for name in names]


def _meetings(played: Sequence[Sequence[Sample]], orders_each: int) -> list[Meeting]:
    """What was written by more than one play; of partitions of one pattern that were met at, the busiest."""
    units: dict[tuple[str, str], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for number, samples in enumerate(played):
        for touch in (touch for sample in samples for trip in sample.trips for touch in trip.touches):
            if touch.units.writes:
                units[(touch.table, family(touch.key[0]))][number] += touch.units.writes
            for written in touch.entries:
                units[(written.place, family(written.partition))][number] += written.units
    most: dict[tuple[str, str], float] = defaultdict(float)
    for (place, name), plays in units.items():
        if len(plays) > 1:
            shown = (place, _ID.sub("<id>", name))
            most[shown] = max(most[shown], round(sum(plays.values()) / len(played) / orders_each, 3))
    return [Meeting(place, name, name.endswith(_SHARD), writes) for (place, name), writes in sorted(most.items())]


def _readings(played: Sequence[Sequence[Sample]]) -> list[Reading]:
    """What was read by more than one play; of partitions of one pattern the one that is read most."""
    units: dict[tuple[str, str, str], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    times: dict[str, int] = defaultdict(int)
    for number, samples in enumerate(played):
        for sample in samples:
            times[sample.name] += 1
            for touch in (touch for trip in sample.trips for touch in trip.touches):
                if touch.units.reads:
                    units[(sample.name, touch.table, family(touch.key[0]))][number] += touch.units.reads
    most: dict[tuple[str, str, str], float] = defaultdict(float)
    for (step, place, name), plays in units.items():
        if len(plays) > 1:
            shown = (step, place, _ID.sub("<id>", name))
            most[shown] = max(most[shown], round(sum(plays.values()) / times[step], 3))
    return [Reading(*key, key[2].endswith(_SHARD), reads) for key, reads in sorted(most.items())]


def family(partition: str) -> str:
    """A partition's key without what tells its shards, and the same one on other days, apart."""
    return re.sub(r"(#|^[socrmp])\d+$", rf"\1{_SHARD}", re.sub(r"\d{4}-\d\d(-\d\d(T[\d:.]+Z)?)?", "<day>", partition))


def _stored() -> Counter[str]:
    """Bytes by table as DynamoDB bills them, with indexes; without jobs and counts of a minute, which all end."""
    found: Counter[str] = Counter()
    for table in tools.tables():
        if table in (*JOB_TABLES, Limits):
            continue
        kept = indexes(table._get_schema())
        for item in tools.scan_raw(table):
            entries = [each for index in kept if (each := index_entry(index, item)) is not None]
            found[plain(table.Meta.table_name)] += sum(_OVERHEAD_BYTES + item_size(each) for each in [item, *entries])
    return found
