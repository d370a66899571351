"""What the orders of many members for one SKU touch in common, measured: those keys are hot in a rush.

A key is written as its table (or index) and its pattern: ids of the product and the SKU by name, numbers as `n`. One
that the orders of two members touch is hot; what belongs to one member or order is summed up for each table.
"""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from bench.units.purchase import forget_catalogue, forget_everything
from bench.units.recorder import Recorder, Trip
from bench.units.request_units import Units
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.tables import shards_of
from chalicelib.core import clock
from local.client import Operator, Sandbox, Shopper, Transport

MEMBERS = 6
_SHARDS = 4
#: As in bench/units/purchase.py: long enough that the order is of a usual size.
_SPECS = {"规格": "1 千克"}

Key = tuple[str, str]


class Touched(msgspec.Struct, frozen=True):
    """So many keys of a pattern, and the units that a request reads and writes of each; without a pattern: those of
    the member's and the order's own keys together."""

    place: str
    pattern: str
    keys: int
    reads: float
    writes: float


class Touches(msgspec.Struct, frozen=True):
    """What each step of a rush touches; `own` is the SKU without shards.

    `remembered` is what a process reads anew each second beside the catalogue, `look` the look at all shards, `told`
    the answer that there are none, by a process that has looked.
    """

    own: list[Touched]
    shard: list[Touched]
    remembered: list[Touched]
    look: list[Touched]
    told: list[Touched]


class Measurement:
    """Orders of several members, each recorded."""

    def __init__(self, send: Transport, sandbox: Sandbox, operator: Operator) -> None:
        self._operator = operator
        self._shoppers = [Shopper.arrive(send, sandbox) for _ in range(MEMBERS)]
        self._recorder = Recorder()

    def run(self) -> Touches:
        """All the steps, each of all the members."""
        with self._standing_still():
            return self._run()

    def _run(self) -> Touches:
        sku = self._product()
        own = self._each(sku, lambda shopper: self._order(shopper, sku), forget_catalogue)
        self._operator.put(f"/v1/admin/skus/{sku}/shards", {"shards": _SHARDS}).ok()
        shard = self._each(sku, lambda shopper: self._order(shopper, sku), forget_catalogue)
        first = self._each(sku, lambda shopper: self._order(shopper, sku), forget_everything)
        pools = shards_of(shards.own(sku))
        look = self._each(sku, lambda _: shards.recount(sku, pools), forget_catalogue)
        free, _ = self._operator.stock(sku)
        few = {"quantity": -free, "reason": "盘点"}
        self._operator.post(f"/v1/admin/skus/{sku}/stock", few, key=secrets.token_hex(8)).ok()
        shards.recount(sku, pools)
        told = self._each(sku, lambda shopper: self._told(shopper, sku), lambda: None)
        known = {(touch.place, touch.pattern) for touch in shard}
        return Touches(
            own=own,
            shard=shard,
            remembered=[touch for touch in first if touch.pattern and (touch.place, touch.pattern) not in known],
            look=look,
            told=told,
        )

    def _product(self) -> str:
        sku = {"sku_code": f"f{secrets.token_hex(4)}", "specs": _SPECS, "price_fen": 7590, "stock": 1000}
        product = self._operator.product(
            name="大黄鱼 限时抢购", brief="东海现捕，顺丰冷链", skus=[sku],
            picture_url=f"https://img.example.com/{secrets.token_hex(8)}/0.jpg",
            specs=[{"name": "规格", "values": ["1 千克"]}],
        )  # fmt: skip
        sku_id: str = product["skus"][0]["sku_id"]
        return sku_id

    def _order(self, shopper: Shopper, sku: str) -> None:
        shopper.post("/v1/orders", self._body(shopper, sku), key=secrets.token_hex(8)).ok(201)

    def _told(self, shopper: Shopper, sku: str) -> None:
        shopper.post("/v1/orders", self._body(shopper, sku), key=secrets.token_hex(8)).refused(409, "out_of_stock")

    def _body(self, shopper: Shopper, sku: str) -> dict[str, Any]:
        return shopper.order_body([(sku, 1)], 7590)

    def _each(self, sku: str, work: Callable[[Shopper], object], forget: Callable[[], None]) -> list[Touched]:
        """What `work` touches, for each of the members in a process that has forgotten."""
        recorded = []
        for shopper in self._shoppers:
            forget()
            with self._recorder.recording() as trips:
                work(shopper)
            recorded.append(self._units(trips))
        return _in_common(recorded, sku)

    @staticmethod
    @contextlib.contextmanager
    def _standing_still() -> Iterator[None]:
        """What is remembered for a second is remembered, however slow the machine is."""
        instant = clock.now().timestamp()
        before = clock.use(lambda: instant)
        try:
            yield
        finally:
            clock.use(before)

    @staticmethod
    def _units(trips: list[Trip]) -> dict[Key, Units]:
        found: dict[Key, Units] = defaultdict(Units)
        for touch in (touch for trip in trips for touch in trip.touches):
            key = touch.table, touch.key[0]
            found[key] = found[key].plus(touch.units)
            for place, under, units in touch.entries:
                found[place, under] = found[place, under].plus(Units(writes=units))
        return found


def _in_common(recorded: list[dict[Key, Units]], sku: str) -> list[Touched]:
    """What these requests, each of another member, touch at keys that are written alike; and the rest by table.

    Of what one touches more than another (an id may be longer), the most counts.
    """
    product = sku.partition("-")[0]
    requests: dict[Key, list[list[Units]]] = defaultdict(list)
    for one in recorded:
        patterns: dict[Key, list[Units]] = defaultdict(list)
        for (place, under), units in one.items():
            plain = re.sub(r"~\w+", "~n", under.replace(sku, "{sku}").replace(product, "{product}"))
            pattern = re.sub(r"\d+", "n", plain)
            patterns[place, pattern].append(units)
        for key, found in patterns.items():
            requests[key].append(found)
    hot: list[Touched] = []
    own: dict[str, Units] = defaultdict(Units)
    for (place, pattern), of_requests in sorted(requests.items()):
        each = [units for request in of_requests for units in request]
        if len(of_requests) > 1:
            most = max(units.reads for units in each), max(units.writes for units in each)
            hot.append(Touched(place, pattern, max(map(len, of_requests)), *most))
        else:
            own[place] = functools.reduce(Units.plus, each, own[place])
    among = len(recorded)
    return [*hot, *(Touched(place, "", 1, total.reads / among, total.writes / among) for place, total in own.items())]
