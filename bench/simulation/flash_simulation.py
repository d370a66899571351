"""A flash sale as discrete events: buyers who press, and processes that place their orders at keys that are shared.

What the code decides is asked of the code: the shard of an order, where its pieces come from, how often and after which
waits a transaction is tried again. What an order touches was measured (bench/units/key_heat.py). What DynamoDB, Lambda
and API Gateway do is the model of docs/flash-sale.md (that of the keys is bench/simulation/keys.py). Repeatable by
its seed.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Generator, Sequence
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from bench.simulation.keys import Asked, Bucket, Keys
from bench.units.key_heat import Touched, Touches
from chalicelib.commerce.catalogue.stock.rules import OWN, SCATTERED, choose, consolidation
from chalicelib.commerce.orders.jobs import CLOSE_UNPAID
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.core import ids
from chalicelib.core.settings import Settings
from chalicelib.core.shards import even
from chalicelib.platform.store import transaction

_DEFAULTS = Settings()

#: The keys that orders share: their place and pattern (bench/units/key_heat.py), by what they are called here.
PRODUCT, SHARD, JOBS, QUEUE, SETTINGS = "product", "shard", "jobs", "queue", "settings"
HOT = {
    ("products", "{product}"): PRODUCT,
    ("products", "{sku}#n~n"): SHARD,
    ("jobs", "on"): JOBS,
    ("orders.by_queue", "awaiting_payment#n"): QUEUE,
}


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """A sale and the model's figures. Rates are per second; times in seconds."""

    buyers: int = 100_000
    pieces: int = 10_000
    #: The buyers' first presses are spread evenly over so many seconds.
    rush: float = 10.0
    shards: int = 0
    job_shards: int = _DEFAULTS.job_shards
    order_shards: int = _DEFAULTS.order_shards
    #: Of so many buyers one wants two pieces, and of as many another one wants three; 0: all want one.
    wants_more: int = 20
    #: Who was told to press again does so after Retry-After (a second, from the door), and up to so many more seconds.
    thinking: float = 2.0
    #: After so many presses without an answer a buyer goes away; 0: nobody does.
    patience: int = 30
    seed: int = 1

    key_writes: float = 1000.0
    key_reads: float = 3000.0
    transaction: float = 0.010
    read: float = 0.005
    #: A request's time beside DynamoDB's: the processor's (docs/bench.md, place order) and the way there and back.
    work: float = 0.010
    gateway_rate: float = 10_000.0
    gateway_burst: float = 5_000.0
    #: Processes that are there when the sale begins, so many more a second, and how long one takes to start.
    processes: int = 1000
    processes_more: float = 100.0
    start: float = 1.0
    cache_seconds: float = _DEFAULTS.cache_seconds
    #: Pieces that come back into the shards (the SKU's own item, without): at which second, and how many.
    back: tuple[tuple[float, int], ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a sale. Shares are of the buyers."""

    sold: int
    orders: int
    told: int
    gave_up: int
    sold_out_seconds: float
    answer_p50: float
    answer_p99: float
    answer_max: float
    share_503: float
    share_door: float
    conflicts: int
    #: Requests that a key did not serve at once, by the key's name.
    throttles: dict[str, int]
    transactions_per_order: float
    writes_per_order: float
    #: The most units of one second, by table or index: read, and written.
    peak_reads: dict[str, float]
    peak_writes: dict[str, float]
    processes: int
    longest_call: float
    #: The longest that as many pieces as a buyer wanted had been free when that buyer was told there were none.
    told_late: float


class Answer(Enum):
    """How a call of the API ends."""

    PLACED = auto()
    OUT_OF_STOCK = auto()
    #: 503 with Retry-After 1 (conflicts) or 2 (throttled), and 409 `conflict`.
    CONFLICTS = auto()
    THROTTLED = auto()
    CONFLICT = auto()
    #: Not an answer: the order is placed anew (place.Busy).
    BUSY = auto()


#: Retry-After of the answers after which a buyer presses again.
_RETRY_AFTER = {Answer.CONFLICTS: 1.0, Answer.THROTTLED: 2.0, Answer.CONFLICT: 1.0}

_Steps = Generator[float, None, Answer]


class _Process:
    """What one process remembers: what was free in the shards until `fresh`, and the settings until `known`."""

    __slots__ = ("fresh", "known", "seen", "starts")

    def __init__(self, starts: float = 0.0) -> None:
        self.starts = starts
        self.seen: dict[str, int] | None = None
        self.fresh = self.known = -1.0


class _Buyer(NamedTuple):
    quantity: int
    first: int
    jobs: int
    queue: int


class _Units:
    """The measured units, as the sale needs them."""

    def __init__(self, touches: Touches, shards: int) -> None:
        of_order = touches.shard if shards else touches.own
        self.order = _by_name(of_order)
        self.stock = self.order[SHARD if shards else PRODUCT].writes
        self.look = {name: touch.reads for name, touch in _by_name(touches.look).items()}
        self.remembered = [
            Asked((SETTINGS, (touch.place, touch.pattern)), touch.place, touch.reads) for touch in touches.remembered
        ]
        rest = [touch for touch in of_order if not touch.pattern]
        self.own_writes = {touch.place: touch.writes for touch in rest if "." not in touch.place and touch.writes}
        self.own_entries = {touch.place: touch.writes for touch in rest if "." in touch.place and touch.writes}
        self.own_reads = {touch.place: touch.reads for touch in rest if touch.reads}
        self.told = {touch.place: touch.reads for touch in touches.told}


def _by_name(touched: Sequence[Touched]) -> dict[str, Touched]:
    """The shared keys by their names. Raises KeyError for one that the model does not know."""
    return {HOT[touch.place, touch.pattern]: touch for touch in touched if touch.pattern}


class FlashSimulation:
    """One sale, run to its end by `run`."""

    def __init__(self, sale: Sale, touches: Touches) -> None:
        self._sale, self._units = sale, _Units(touches, sale.shards)
        self._random = random.Random(sale.seed)
        self._keys = Keys(sale.key_reads, sale.key_writes, sale.read, self._random)
        self._gateway = Bucket(sale.gateway_rate, sale.gateway_burst)
        self._idle = deque(_Process() for _ in range(sale.processes))
        self._started = sale.processes
        self._pools = [f"{number}~1" for number in range(sale.shards)]
        parts = even(sale.pieces, sale.shards) if sale.shards else {}
        self._free = {OWN: 0 if parts else sale.pieces, **{self._pools[n]: part for n, part in parts.items()}}
        self._locked = dict.fromkeys(self._free, 0.0)
        #: Since when so many have been free together.
        self._since = dict.fromkeys((1, 2, 3), 0.0)
        self._counts: Counter[str] = Counter()
        self._waited: list[float] = []
        self._last_sold = self._longest = self._late = 0.0

    @property
    def _now(self) -> float:
        return self._keys.now

    def run(self) -> Outcome:
        """Everybody presses until they are served, told or tired."""
        sale, order = self._sale, itertools.count()
        presses = sorted(self._random.random() * sale.rush for _ in range(sale.buyers))
        tasks: list[tuple[float, int, Generator[float, None, None]]] = [
            (at, next(order), self._press(number)) for number, at in enumerate(presses)
        ]
        tasks += [(at, next(order), self._come_back(pieces)) for at, pieces in sale.back]
        heapq.heapify(tasks)
        gc.disable()  # there are no cycles, and it would look through all waiting buyers again and again
        try:
            while tasks:
                self._keys.now, _, task = heapq.heappop(tasks)
                wait = next(task, None)
                if wait is not None:
                    heapq.heappush(tasks, (self._now + wait, next(order), task))
        finally:
            gc.enable()
        return self._outcome()

    def _press(self, number: int) -> Generator[float, None, None]:
        """One buyer, from the first press on. The same Idempotency-Key each time, and so the same order."""
        sale, begun, busy, door = self._sale, self._now, False, False
        order_id = f"o{sale.seed}-{number}"
        buyer = _Buyer(
            {0: 2, 1: 3}.get(self._random.randrange(sale.wants_more), 1) if sale.wants_more else 1,
            ids.shard(order_id, max(1, sale.shards)),
            ids.shard(f"{CLOSE_UNPAID.name}|{order_id}", sale.job_shards),
            ids.shard(order_id, sale.order_shards),
        )
        for press in itertools.count(1):
            process = self._process() if self._gateway.take(self._now, 1) else None
            answer = Answer.CONFLICT
            if process is None:
                door = True
            else:
                called = self._now
                answer = yield from self._place(process, buyer)
                self._longest = max(self._longest, self._now - called)
                self._idle.append(process)
                busy = busy or answer in _RETRY_AFTER
            if answer not in _RETRY_AFTER:
                break
            if press == sale.patience:
                self._counts["gave up"] += 1
                break
            yield _RETRY_AFTER[answer] + self._random.random() * sale.thinking
        self._counts["busy"] += busy
        self._counts["door"] += door
        if answer not in _RETRY_AFTER:
            self._counts[answer.name] += 1
            self._waited.append(self._now - begun)
        if answer is Answer.PLACED:
            self._counts["sold"] += buyer.quantity
        elif answer is Answer.OUT_OF_STOCK and sum(self._free.values()) >= buyer.quantity:
            self._late = max(self._late, self._now - self._since[buyer.quantity])

    def _process(self) -> _Process | None:
        """Requests go round the processes, so that each remembers as little as can be; None when all are at work."""
        if self._idle:
            return self._idle.popleft()
        if self._started >= self._sale.processes + int(self._now * self._sale.processes_more):
            return None
        self._started += 1
        return _Process(self._sale.start)

    def _come_back(self, pieces: int) -> Generator[float, None, None]:
        before = sum(self._free.values())
        for number, part in even(pieces, max(1, len(self._pools))).items():
            self._free[self._pools[number] if self._pools else OWN] += part
        for quantity in self._since:
            if before < quantity <= before + pieces:
                self._since[quantity] = self._now
        yield from ()

    # One call: chalicelib.commerce.orders.placement.service, as far as it meets others.

    def _place(self, process: _Process, buyer: _Buyer) -> _Steps:
        yield self._sale.work + process.starts
        process.starts = 0.0
        for _ in range(placement.TRIES):
            answer = yield from self._place_once(process, buyer)
            if answer is not Answer.BUSY:
                return answer
        return Answer.CONFLICT

    def _place_once(self, process: _Process, buyer: _Buyer) -> _Steps:
        units, spread = self._units, bool(self._pools)
        if spread and self._chosen(process, buyer) is None:  # known without a look at the product
            self._keys.spend_reads(units.told)
            yield self._sale.read
            return Answer.OUT_OF_STOCK
        self._keys.spend_reads(units.own_reads)
        if not (yield from self._keys.batch([Asked((PRODUCT, 0), "products", units.order[PRODUCT].reads)], True)):
            return Answer.THROTTLED
        pool: str | None = OWN if self._free[OWN] >= buyer.quantity else None
        if process.known <= self._now:
            if not (yield from self._keys.batch(units.remembered)):
                return Answer.THROTTLED
            process.known = self._now + self._sale.cache_seconds
        if spread:
            pool = self._chosen(process, buyer)
            if pool == SCATTERED:
                failed = yield from self._gather(buyer.quantity)
                if not (yield from self._look(process)):
                    return Answer.THROTTLED
                if failed is not None:
                    return failed
                pool = OWN
        if pool is None:
            return Answer.OUT_OF_STOCK
        return (yield from self._commit(process, buyer, pool))

    def _chosen(self, process: _Process, buyer: _Buyer) -> str | None:
        seen = process.seen if process.fresh > self._now else None
        return choose(seen, self._pools, buyer.quantity, buyer.first)

    def _commit(self, process: _Process, buyer: _Buyer, pool: str) -> _Steps:
        """The order's transaction, as chalicelib.platform.store.transaction tries it."""
        for wait in _conflict_waits():
            reached = self._write(buyer, pool) and self._unlocked(pool)
            if reached and self._free[pool] < buyer.quantity:
                yield self._sale.transaction
                return (yield from self._short(process))
            queue = Asked((QUEUE, buyer.queue), "orders.by_queue", self._units.order[QUEUE].writes)
            if reached and self._keys.write([queue]):
                return (yield from self._take(process, buyer, pool))
            yield self._sale.transaction
            yield self._random.random() * wait
        return Answer.CONFLICTS

    def _write(self, buyer: _Buyer, pool: str) -> bool:
        """Whether the keys that the order's transaction shares have units for it, which costs them in any case."""
        units = self._units
        job = Asked((JOBS, buyer.jobs), "jobs", units.order[JOBS].writes)
        self._counts["transactions"] += 1
        self._keys.spend_writes(units.own_writes)
        return self._keys.write([self._stock(pool), job])

    def _stock(self, pool: str) -> Asked:
        return Asked((PRODUCT, 0) if pool == OWN else (SHARD, pool), "products", self._units.stock)

    def _unlocked(self, *pools: str) -> bool:
        """Whether no other transaction is under way on one of these items."""
        if any(self._locked[pool] > self._now for pool in pools):
            self._counts["conflicts"] += 1
            return False
        return True

    def _take(self, process: _Process, buyer: _Buyer, pool: str) -> _Steps:
        self._free[pool] -= buyer.quantity
        self._locked[pool] = self._now + self._sale.transaction
        self._keys.spend_writes(self._units.own_entries)
        yield self._sale.transaction
        self._last_sold = self._now
        if process.seen is not None:  # what is remembered of the shards is counted down
            process.seen[pool] = max(0, process.seen[pool] - buyer.quantity)
        return Answer.PLACED

    def _short(self, process: _Process) -> _Steps:
        if not self._pools:
            return Answer.OUT_OF_STOCK
        process.seen = None
        served = yield from self._look(process)
        return Answer.BUSY if served else Answer.THROTTLED

    def _look(self, process: _Process) -> Generator[float, None, bool]:
        """See what each shard has, and remember it."""
        if not (yield from self._keys.batch(self._everywhere())):
            return False
        process.seen, process.fresh = dict(self._free), self._now + self._sale.cache_seconds
        return True

    def _everywhere(self) -> list[Asked]:
        reads = self._units.look
        shards = (Asked((SHARD, pool), "products", reads[SHARD]) for pool in self._pools)
        return [Asked((PRODUCT, 0), "products", reads[PRODUCT]), *shards]

    def _gather(self, wanted: int) -> Generator[float, None, Answer | None]:
        """Move what is wanted from shards to the SKU's own item; None when that is done. It costs each as an order
        does."""
        if not (yield from self._keys.batch(self._everywhere())):
            return Answer.THROTTLED
        found = consolidation(self._free, wanted)
        for wait in _conflict_waits() if found else ():
            touched = [self._stock(pool) for pool in (OWN, *found)]
            reached = self._keys.write(touched) and self._unlocked(OWN, *found)
            if reached and any(self._free[pool] < pieces for pool, pieces in found.items()):
                yield self._sale.transaction
                return Answer.BUSY
            if reached:
                self._locked |= dict.fromkeys((OWN, *found), self._now + self._sale.transaction)
                for pool, pieces in found.items():
                    self._free[pool] -= pieces
                    self._free[OWN] += pieces
                yield self._sale.transaction
                return None
            yield self._sale.transaction
            yield self._random.random() * wait
        return Answer.CONFLICTS if found else None

    def _outcome(self) -> Outcome:
        counts, sale, waited = self._counts, self._sale, sorted(self._waited)
        orders = counts[Answer.PLACED.name]
        peak_reads, peak_writes = self._keys.peaks()
        return Outcome(
            sold=counts["sold"],
            orders=orders,
            told=counts[Answer.OUT_OF_STOCK.name],
            gave_up=counts["gave up"],
            sold_out_seconds=round(self._last_sold, 2),
            answer_p50=round(waited[len(waited) // 2], 3),
            answer_p99=round(waited[len(waited) * 99 // 100], 2),
            answer_max=round(waited[-1], 2),
            share_503=round(counts["busy"] / sale.buyers, 4),
            share_door=round(counts["door"] / sale.buyers, 4),
            conflicts=counts["conflicts"],
            throttles=dict(sorted(self._keys.throttles.items())),
            transactions_per_order=round(counts["transactions"] / orders, 2),
            writes_per_order=round(self._keys.written / orders, 1),
            peak_reads=peak_reads,
            peak_writes=peak_writes,
            processes=self._started,
            longest_call=round(self._longest, 2),
            told_late=round(self._late, 3),
        )


def _conflict_waits() -> list[float]:
    """The most seconds between the tries of a transaction; each wait is random below that."""
    return [transaction._CONFLICT_WAIT_SECONDS * 2**attempt for attempt in range(transaction._CONFLICT_TRIES)]
