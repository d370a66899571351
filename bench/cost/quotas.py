"""Where a mall meets AWS's quotas, and what in the design answers each: at the busiest second, and by the second that
a partition or a worker has."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from bench.cost import traffic
from bench.cost.usage import DAY_SECONDS, ROOT, STAGE, Mall, pages
from bench.units.figures import SENT, Doing, Meeting, Step
from chalicelib.commerce.coupons.rules import SHARDS_MAX
from chalicelib.core.settings import Settings
from chalicelib.gateways.wechat.bills import TRADES_MAX
from chalicelib.insight.reconciliation.rules import SECONDS_MAX
from chalicelib.platform.jobs.declarations import SENDS, Lane
from infra.functions import BATCHES_AT_ONCE, FUNCTIONS

#: AWS's quotas, as it documents them. All but the partition's can be raised by asking; Lambda's concurrency has to be:
#: a new account begins with 10 or 50.
API_CALLS = 10_000
CONCURRENCY = 1_000
#: Of a new table on demand, which begins with 4,000 write units a second: one for each of its partitions.
STREAM_SHARDS = 4
TABLE_WRITES, NEW_TABLE_WRITES = 40_000, 4_000
PARTITION_WRITES = 1_000
PARTITION_READS = 3_000
API_RESOURCES = 300
STACK_RESOURCES = 500
#: CPU seconds to reconcile a day of so many payments: `python -m bench.load.reconciliation 1000000`.
DAY_CPU_S, DAY_PAYMENTS = 25.2, 1_000_000
#: The search is 16 documents (docs/decisions/0003-search.md).
_SEARCH_CHUNKS = 16
_NOTHING = "nothing does yet"


def reconciled(memory: int) -> float:
    """Payments of a day that a function with so many MB gets through in its time, by its CPU, and is let read."""
    cpu_s = DAY_CPU_S / DAY_PAYMENTS * max(1.0, traffic.VCPU_MB.number / memory)
    return min(SECONDS_MAX / cpu_s, float(TRADES_MAX))


class Answer(NamedTuple):
    """Who meets at a place, in how many partitions (a number, or the setting that says it), and what answers that."""

    who: str
    shards: int | str = 1
    says: str = _NOTHING


_ONE_DISTRIBUTOR = Answer("orders through one distributor")
ANSWERS: dict[str, Answer] = {
    "jobs": Answer("every order", "job_shards"),
    "jobs_of_many": Answer("every order", "many_shards"),
    "orders.by_queue": Answer("every order", "order_shards"),
    "orders.by_refund": Answer("every refund", "order_shards"),
    "ledger_entries.by_day": Answer("every payment", "order_shards"),
    "members.by_joining": Answer("every new member", "member_shards"),
    "commissions.by_day": Answer("every promoted order", "distribution_shards"),
    "distributors.by_sales": Answer("every promoted order", "distribution_shards"),
    "lobbies.by_partition": Answer("orders of one activity", "lobby_shards"),
    "listings": Answer(
        "products that have sold", 1, "a product is listed anew once a minute, however many orders name it"
    ),
    "search_chunks": Answer("products that have sold", _SEARCH_CHUNKS, "the same, over 16 documents"),
    "coupon_counters": Answer("coupons of one template", SHARDS_MAX, "up to 32 shards, by the template's total"),
    "audit_entries": Answer("every parcel sent by hand"),
    "audit_entries.by_operator": Answer("parcels sent by one operator"),
    "balances": _ONE_DISTRIBUTOR,
    "commissions.by_member": _ONE_DISTRIBUTOR,
    "distributors": _ONE_DISTRIBUTOR,
    "distributors.by_inviter": Answer("new customers of one distributor"),
    "ledger_entries.by_member": _ONE_DISTRIBUTOR,
    "products": Answer("orders of one product", 1, "flash sales: see below"),
    "group_activities": Answer("orders of one activity"),
    "lobbies": Answer("orders of one lobby", 1, "a lobby has few seats"),
}


class Limit(NamedTuple):
    """A place where orders meet: write units of one, partitions, the orders in a second that they take, the answer."""

    place: str
    pattern: str
    who: str
    writes: float
    shards: int
    orders_a_second: float
    answer: str


def shards(setting: str) -> int:
    """How many a deployed mall has: by .chalice/config.json, or by default."""
    config = msgspec.json.decode((ROOT / ".chalice" / "config.json").read_bytes())
    given = config["stages"][STAGE]["environment_variables"].get(f"YUTANG_{setting.upper()}")
    return int(given) if given else int(getattr(Settings(), setting))


def limits(mall: Mall) -> list[Limit]:
    """Every place at which orders of different members were seen to meet, the tightest first: of each table and index
    the partition with most units, of whatever kind of order."""
    lives = mall.found.lives
    seen = [*lives.visit.meetings, *lives.one_product, *(each for life in lives.orders for each in life.meetings)]
    busiest: dict[str, Meeting] = {}
    for meeting in seen:
        if meeting.place not in busiest or busiest[meeting.place].writes < meeting.writes:
            busiest[meeting.place] = meeting
    return sorted((_limit(meeting) for meeting in busiest.values()), key=lambda limit: limit.orders_a_second)


def _limit(meeting: Meeting) -> Limit:
    answer = ANSWERS.get(meeting.place, Answer("orders"))
    says, count = answer.says, answer.shards
    if isinstance(count, str):
        says, count = f"`YUTANG_{count.upper()}` adds partitions", shards(count)
    count = count if meeting.sharded else 1
    most = PARTITION_WRITES * count / meeting.writes
    return Limit(meeting.place, meeting.pattern, answer.who, meeting.writes, count, most, says)


class Peak(NamedTuple):
    """The busiest second of a day: orders, calls of the API, Lambda environments at work, the table that is written
    most with its units, and the units on the tightest partition that every order meets."""

    orders: float
    calls: float
    concurrency: float
    table: str
    table_writes: float
    partition: float


def peak(mall: Mall, orders_a_day: float) -> Peak:
    """Of a day with so many paid orders, without a flash sale."""
    orders = orders_a_day / DAY_SECONDS * traffic.PEAK.number
    steps = [*_times(mall.visit_steps(), orders * traffic.VISITS_PER_ORDER.number), *_times(mall.order_steps(), orders)]
    calls = [(rate, step) for rate, step in steps if step.function == "api"]
    busy = sum(rate * mall.seconds(step) for rate, step in steps)
    writes: dict[str, float] = defaultdict(float)
    by_name = {life.name: life for life in mall.found.lives.orders}
    for name, taken in traffic.KINDS.items():
        for place in by_name[name].places:
            writes[place.place.partition(".")[0]] += orders * taken.number * place.writes
    table = max(writes, key=writes.__getitem__)
    return Peak(
        orders, sum(rate for rate, _ in calls), busy, table, writes[table], orders * jobs_partition_writes(mall)
    )  # fmt: skip


def jobs_partition_writes(mall: Mall) -> float:
    """Write units of a paid order on one partition of the jobs inside, which every order meets at."""
    of_kind = {
        life.name: max((each.writes for each in life.meetings if each.place == "jobs"), default=0.0)
        for life in mall.found.lives.orders
    }
    return sum(taken.number * of_kind[name] for name, taken in traffic.KINDS.items()) / shards("job_shards")


class Hot(NamedTuple):
    """A partition that many read: read units of one visit (with its part of an order) on each of its shards, the visits
    in a second that it takes, and the units a second for each environment at work that remembers it for a second."""

    place: str
    pattern: str
    reads: float
    visits_a_second: float
    remembered: float


def readings(mall: Mall) -> list[Hot]:
    """Every partition that visits and orders of different members were seen to read, the tightest first."""
    per_visit: dict[tuple[str, str], float] = defaultdict(float)
    once: dict[tuple[str, str], float] = defaultdict(float)
    orders = [(taken.number / traffic.VISITS_PER_ORDER.number, name) for name, taken in traffic.KINDS.items()]
    by_name = {life.name: life for life in mall.found.lives.orders}
    visit = traffic.VISIT | traffic.VISIT_JOBS
    lives = [(1.0, mall.found.lives.visit, visit), *((n, by_name[name], traffic.ORDER) for n, name in orders)]
    for share, life, often in lives:
        times: dict[str, float] = defaultdict(float)
        for number, step in mall.steps(life, often):
            times[step.name] += number * pages(step.name)
        for each in life.readings:
            count = _SEARCH_CHUNKS if each.place == "search_chunks" else 1
            per_visit[(each.place, each.pattern)] += share * times[each.step] * each.reads / count
            once[(each.place, each.pattern)] = max(once[(each.place, each.pattern)], each.reads / count)
    found = [Hot(*key, units, PARTITION_READS / units, once[key]) for key, units in per_visit.items()]
    return sorted(found, key=lambda hot: hot.visits_a_second)


class Worker(NamedTuple):
    """A function that runs jobs: its seconds of work for one paid order, how many of it run at once as the mall is
    configured, and what makes them more."""

    function: str
    seconds: float
    at_once: int
    more_by: str

    @property
    def orders_a_second(self) -> float:
        """What they keep up with."""
        return self.at_once / self.seconds

    def needed(self, orders_a_second: float) -> int:
        """How many keep up with so many orders a second."""
        return math.ceil(orders_a_second * self.seconds)


def workers(mall: Mall) -> list[Worker]:
    """Every function that runs jobs of orders, the slowest first. A schedule wakes as many as are set; each shard of a
    stream has as many readers as the function takes batches at once."""
    found = []
    for function in FUNCTIONS:
        if function.wakes:
            steps = [(times, step) for times, step in mall.order_steps() if step.function == function.name]
            if not steps:  # no order owes it anything
                continue
            seconds = sum(times * mall.seconds(step) for times, step in steps)
            at_once, more_by = shards("job_workers"), "`YUTANG_JOB_WORKERS`"
            if function.wakes == "stream" and function.lane is not None:
                batches = BATCHES_AT_ONCE[function.lane]
                at_once, more_by = STREAM_SHARDS * batches, f"the stream's shards, {batches} each"
            found.append(Worker(function.name, seconds, at_once, more_by))
    return sorted(found, key=lambda worker: worker.orders_a_second)


def doing_of(mall: Mall, name: str) -> Doing:
    """What was measured of journeys and messages under this name."""
    return next(doing for doing in mall.found.journeys.doings if doing.step.name == name)


def readers(lane: Lane) -> int:
    """How many readers of a new table's stream work side by side for a lane."""
    return STREAM_SHARDS * BATCHES_AT_ONCE[lane]


def sends_a_second(mall: Mall) -> float:
    """How many messages go out in a second."""
    return readers(SENDS) / mall.seconds(doing_of(mall, SENT).step)


def _times(steps: Iterable[tuple[float, Step]], rate: float) -> list[tuple[float, Step]]:
    return [(rate * times, step) for times, step in steps]
