"""What a purchase costs, reckoned from decision 12 and not by the mall's code: what random malls are held against.

Promotions are the dicts that the mall was given as JSON; amounts are fen.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

NAMED = ("new_customer_price", "bundle", "add_on")
KINDS = (*NAMED, "pieces_percent", "threshold_off")


@dataclass(frozen=True)
class Bought:
    """A line of a purchase. `sale` is the price without a group; `leader_off` what the leader has off one piece."""

    sku_id: str
    product_id: str
    quantity: int
    unit: int
    sale: int
    template: str = "default"
    group: bool = False
    leader_off: int = 0


@dataclass(frozen=True)
class Ticket:
    """A coupon that a member got."""

    coupon_id: str
    template_id: str
    kind: str
    begins: datetime
    until: datetime
    amount: int = 0
    percent: int = 0
    ceiling: int | None = None
    threshold: int = 0
    products: tuple[str, ...] = ()
    extra: bool = False
    returns: bool = True

    @property
    def place(self) -> str:
        """The place that it takes in an order."""
        return "freight" if self.kind == "free_shipping" else "extra" if self.extra else "main"


@dataclass
class Reckoned:
    """What it costs: by SKU; the freight; what each promotion and coupon took off, by SKU ("" is the freight)."""

    costs: dict[str, int]
    freight: int
    promotions: dict[str, dict[str, int]] = field(default_factory=dict)
    coupons: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def goods(self) -> int:
        """What the goods cost."""
        return sum(self.costs.values())

    @property
    def payable(self) -> int:
        """What all costs."""
        return self.goods + self.freight


class Unusable(Exception):
    """A coupon does not apply."""


@dataclass(frozen=True)
class Shop:
    """What a price follows from beside the basket. `freight` by template: pieces and fen first, then further, then from
    which goods on it is free (None: never)."""

    freight: Mapping[str, tuple[int, int, int, int, int | None]]
    floor_bp: int = 0

    def freight_of(self, lines: Sequence[Bought]) -> int:
        """The freight of these lines, before any coupon."""
        total = 0
        for template in {line.template for line in lines}:
            mine = [line for line in lines if line.template == template]
            first, first_fen, further, further_fen, free_from = self.freight[template]
            if free_from is not None and sum(line.unit * line.quantity for line in mine) >= free_from:
                continue
            beyond = max(0, sum(line.quantity for line in mine) - first)
            total += first_fen + further_fen * (beyond // further + (beyond % further > 0))
        return total

    def reckon(
        self, lines: Sequence[Bought], promotions: Iterable[dict[str, Any]] = (), coupons: Sequence[Ticket] = (),
        *, new: bool = False, now: datetime, lenient: bool = False,
    ) -> Reckoned:  # fmt: skip
        """The price of these lines. Raises Unusable for a coupon that does not apply, unless `lenient`: then it is
        left out."""
        till = _Till(self, lines)
        for line in lines:
            if line.leader_off:
                till.take("leader", {line.sku_id: line.leader_off}, till.done.promotions)
        till.promote([each for each in promotions if each["from"] <= now < each["until"]], new)
        till.done.freight = self.freight_of(lines)
        usable = [each for each in coupons if till.applies(each)]
        if not lenient and len(usable) < len(coupons):
            raise Unusable
        for place in ("main", "extra", "freight"):
            mine = [each for each in usable if each.place == place]
            if len(mine) > 1:
                raise Unusable
            for each in mine:
                till.use(each)
        return till.done

    def best(
        self, lines: Sequence[Bought], promotions: Iterable[dict[str, Any]], wallet: Sequence[Ticket], *, new: bool,
        now: datetime,
    ) -> int:  # fmt: skip
        """The least that any choice of coupons makes it cost, found by trying them all."""
        places = [[None, *(each for each in wallet if each.place == place)] for place in ("main", "extra", "freight")]
        least = []
        for choice in itertools.product(*places):
            chosen = [each for each in choice if each is not None]
            least.append(self.reckon(lines, promotions, chosen, new=new, now=now, lenient=True).payable)
        return min(least)


class _Till:
    """A purchase while it is being reckoned."""

    def __init__(self, shop: Shop, lines: Sequence[Bought]) -> None:
        self.lines = {line.sku_id: line for line in lines}
        self.floors = {line.sku_id: -(-line.sale * line.quantity * shop.floor_bp // 10_000) for line in lines}
        self.done = Reckoned({line.sku_id: line.unit * line.quantity for line in lines}, 0)
        self.unnamed = {line.sku_id: line.quantity for line in lines}

    def take(self, name: str, off: Mapping[str, int], book: dict[str, dict[str, int]]) -> None:
        """Take this off the lines."""
        for sku_id, fen in off.items():
            self.done.costs[sku_id] -= fen
        book[name] = {sku_id: fen for sku_id, fen in off.items() if fen}

    def room(self, sku_id: str) -> int:
        """How much more may come off a line."""
        return max(0, self.done.costs[sku_id] - self.floors[sku_id])

    def within(self, products: Collection[str], excluded: Collection[str] = ()) -> list[str]:
        """The SKUs in a scope."""
        lines = self.lines.values()
        return [x.sku_id for x in lines if x.product_id not in excluded and (not products or x.product_id in products)]

    def share(self, fen: int, skus: Sequence[str]) -> dict[str, int]:
        """Share an amount out by the room of each, at most the room of all."""
        return shared(min(fen, sum(map(self.room, skus))), {sku_id: self.room(sku_id) for sku_id in skus})

    # Promotions.

    def promote(self, running: Sequence[dict[str, Any]], new: bool) -> None:
        """Take what runs off, kind by kind."""
        for kind in KINDS:
            left = [sku_id for sku_id, line in self.lines.items() if not line.group]
            mine = [each for each in running if each["kind"] == kind and (new or kind != "new_customer_price")]
            for each in sorted(mine, key=lambda one: (-one["priority"], one["id"])):
                scope = [s for s in self.within(each["products"], each["excluded"]) if s in left]
                off, pieces = self._promotion(each, scope, left)
                if not any(off.values()):
                    continue
                self.take(each["id"], off, self.done.promotions)
                left = [sku_id for sku_id in left if sku_id not in off]
                for sku_id, number in pieces.items():
                    self.unnamed[sku_id] -= number

    def _promotion(
        self, given: dict[str, Any], scope: list[str], left: list[str]
    ) -> tuple[dict[str, int], dict[str, int]]:
        """What a promotion takes off which lines, and how many pieces of each have a named price then."""
        kind = given["kind"]
        if kind == "new_customer_price":
            return self._cheaper(given["prices"], 1, scope)
        if kind == "add_on":
            others = [sku_id for sku_id in scope if sku_id not in given["prices"]]
            if not others or sum(self.done.costs[sku_id] for sku_id in others) < given["threshold"]:
                return {}, {}
            return self._cheaper(given["prices"], given["limit"], left)
        if kind == "bundle":
            return self._bundle(given["pieces"], given["price"], scope)
        cost = sum(self.done.costs[sku_id] for sku_id in scope)
        if kind == "pieces_percent":
            pieces = sum(self.lines[sku_id].quantity for sku_id in scope)
            percent = max([percent for least, percent in given["tiers"] if pieces >= least], default=0)
            return self.share(cost * percent // 100, scope), {}
        reached = [(off, cost // least) for least, off in given["tiers"] if cost >= least]
        most = max([off * (times if given["every"] else 1) for off, times in reached], default=0)
        return self.share(most, scope), {}

    def _cheaper(
        self, prices: Mapping[str, int], limit: int, skus: Sequence[str]
    ) -> tuple[dict[str, int], dict[str, int]]:
        off: dict[str, int] = {}
        pieces: dict[str, int] = {}
        saving = [(self.lines[s].unit - prices[s], index, s) for index, s in enumerate(skus) if s in prices]
        for saved, _, sku_id in sorted(saving, key=lambda one: (-one[0], one[1])):
            number = min(limit - sum(pieces.values()), self.unnamed[sku_id])
            if saved > 0 and number > 0:
                off[sku_id], pieces[sku_id] = saved * number, number
        return off, pieces

    def _bundle(
        self, wanted: Mapping[str, int], price: int, scope: Sequence[str]
    ) -> tuple[dict[str, int], dict[str, int]]:
        sets = min(self.unnamed[s] // number if s in scope else 0 for s, number in wanted.items())
        pieces = {sku_id: sets * number for sku_id, number in wanted.items()}
        amounts = {s: self.lines[s].unit * number for s, number in pieces.items() if number}
        saved = sum(amounts.values()) - sets * price
        return (shared(saved, amounts), pieces) if sets and saved > 0 else ({}, {})

    # Coupons: what they apply to is what promotions have left, before any coupon.

    def applies(self, ticket: Ticket) -> bool:
        """Whether the coupon can be used. Asked before any is used."""
        scope = self.within(ticket.products)
        if not scope or sum(self.done.costs[sku_id] for sku_id in scope) < ticket.threshold:
            return False
        return self._worth(ticket)[1] > 0

    def use(self, ticket: Ticket) -> None:
        """Take off what it is worth by now."""
        where, fen = self._worth(ticket)
        if ticket.place == "freight":
            self.done.freight -= fen
            self.done.coupons[ticket.coupon_id] = {"": fen}
        elif ticket.kind == "exchange":
            self.take(ticket.coupon_id, {where[0]: fen}, self.done.coupons)
        else:
            self.take(ticket.coupon_id, self.share(fen, where), self.done.coupons)

    def _worth(self, ticket: Ticket) -> tuple[list[str], int]:
        ceiling = 10**12 if ticket.ceiling is None else ticket.ceiling
        if ticket.place == "freight":
            return [], min(self.done.freight, ceiling)
        scope = self.within(ticket.products)
        if ticket.kind == "exchange":
            found = [
                (min(self.done.costs[s] // self.lines[s].quantity - ticket.amount, self.room(s)), s) for s in scope
            ]
            fen, sku_id = max(found, key=lambda one: one[0])
            return [sku_id], max(0, fen)
        cost = sum(self.done.costs[sku_id] for sku_id in scope)
        fen = ticket.amount if ticket.kind == "amount_off" else min(cost * ticket.percent // 100, ceiling)
        return scope, min(fen, sum(map(self.room, scope)))


def shared(fen: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Share an amount out by weights, to the fen: what is over goes where most was cut off."""
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    exact = {name: Fraction(fen * weight, whole) for name, weight in weights.items()}
    parts = {name: int(share) for name, share in exact.items()}
    cut = sorted(weights, key=lambda name: parts[name] - exact[name])
    for name in cut[: fen - sum(parts.values())]:
        parts[name] += 1
    return parts
