"""One mall that is played at random: what is known of it, how a deed is done, and how it comes to rest.

A deed that the mall does wrongly does not end the play: what differs is written down, and the play goes on.
"""

from __future__ import annotations

import functools
import random
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from chalicelib.commerce.coupons.rules import Coupon
from chalicelib.commerce.orders.delivery import service as delivery
from chalicelib.commerce.orders.inputs import OrderInput
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.core.errors import MallError, OutsideError
from chalicelib.customers.members import queries as members
from chalicelib.growth.payouts import queries as withdrawals
from chalicelib.growth.payouts import service as payouts
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import due_at
from chalicelib.platform.jobs.tables import DEAD
from chalicelib.platform.store.transaction import ConditionFailed
from local.jobs import all_jobs
from tests.support.group_stage import Clock
from tests.support.meanwhile import Meanwhile
from tests.support.owed import run_due
from tests.support.random_prices import Bought, Reckoned, Ticket
from tests.support.random_stage import Drawn, Hooks
from tests.support.random_wechat import Wechat

_T = TypeVar("_T")

#: Words of an order's history that say that the mall itself has let it go: all its coupons come back.
LET_GO = ("group_failed", "draw_lost", "lobby_over", "order_failed")
DAY = 86400.0


@dataclass(frozen=True)
class Offer:
    """A group-buy, as the play has made it: by size (of a ladder: step) the price of a piece, and the leader's."""

    activity_id: str
    sku_id: str
    kind: str
    prices: dict[int, tuple[int, int]]
    min_fill: int | None
    limit: int | None
    lottery: dict[str, Any] | None
    aside: int
    newcomers: bool
    ends_at: datetime

    def first_price(self, size: int) -> tuple[int, int]:
        """What a piece costs as it is ordered, in a lobby of that size."""
        return self.prices[min(self.prices) if self.kind == "ladder" else size]


@dataclass(frozen=True)
class Placed:
    """What was known of an order when it was placed: what it had to cost, and what that follows from."""

    member_id: str
    lines: Sequence[Bought]
    coupons: Sequence[Ticket]
    promotions: Sequence[dict[str, Any]]
    new: bool
    at: datetime
    price: Reckoned
    chain: Sequence[str]
    offer: Offer | None = None
    size: int = 0
    leader: bool = False
    #: As it was asked for: the login, its Idempotency-Key, and what was sent.
    asked: tuple[str, str, OrderInput] | None = None


@dataclass
class Asked:
    """A refund that was asked for: by whom, at which state of the order, and whether it was granted at once."""

    refund_id: str
    order: Order
    by: str
    state: str


@dataclass
class Play:
    """A run. `orders` are as they were committed last; what differs is in `differences`, what was done in `log`."""

    mall: Drawn
    clock: Clock
    hooks: Hooks
    wechat: Wechat
    chance: random.Random
    orders: dict[str, Order] = field(default_factory=dict)
    placed: dict[str, Placed] = field(default_factory=dict)
    tickets: dict[str, dict[str, Ticket]] = field(default_factory=dict)
    #: How many coupons of a template were claimed; losers of lotteries get others.
    claimed: Counter[str] = field(default_factory=Counter)
    offers: dict[str, Offer] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    asked: dict[str, Asked] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    #: What came of deeds, and how often; whether another deed came between in the one that is being done.
    told: Counter[str] = field(default_factory=Counter)
    crossed: bool = False
    #: When each member's orders were closed unpaid or cancelled.
    let_go: dict[str, list[datetime]] = field(default_factory=dict)
    #: Withdrawals by number: who took out how much.
    withdrawn: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: Who turned out to be whom; and whom logins lead to that were taken out again.
    became: dict[str, str] = field(default_factory=dict)
    detached: dict[str, str] = field(default_factory=dict)
    #: All who ever began anew so.
    taken_out: set[str] = field(default_factory=set)
    #: How many commits of a deed another one may wait for.
    commits: Sequence[int] = (0, 0, 0, 1, 2)
    _known: set[tuple[str, str]] = field(default_factory=set)
    _keys: int = 0
    _meanwhile: Meanwhile = field(default_factory=Meanwhile)

    def __post_init__(self) -> None:
        self.hooks.before_commit, self.hooks.committed = self._meanwhile.on_commit, self._committed
        self.hooks.job_failed = self._job_failed

    def differs(self, about: str, what: str) -> None:
        """Write down what is not as it should be."""
        if (about, what) not in self._known:
            self._known.add((about, what))
            self.differences.append(f"[{len(self.log)}] {about}: {what}")

    def key(self) -> str:
        """An Idempotency-Key that was not used before."""
        self._keys += 1
        return f"k{self._keys}"

    def pick(self, some: Collection[_T]) -> _T:
        """One of them, mostly of the latest."""
        found = list(some)
        return found[-1 - min(len(found) - 1, int(self.chance.expovariate(0.25)))]

    def person(self, member_id: str) -> str:
        """Who the member turned out to be, or themself: what they had is that one's."""
        while member_id in self.became:
            member_id = self.became[member_id]
        return member_id

    def caller(self, login: str) -> str:
        """Which member calls by the token of this login."""
        return self.person(self.detached.get(login, login))

    def unsettled(self, member_id: str) -> bool:
        """Whether something is still to be moved to the member, so that what they have may be missing."""
        if member_id not in self.became.values():
            return False
        found = members.current(member_id)
        return found is None or not all(one.settled for one in found.absorbed)

    def in_state(self, *states: str) -> list[Order]:
        """The orders in these states."""
        return [order for order in self.orders.values() if order.state in states]

    def attempt(self, what: str, act: Callable[[], _T], codes: Collection[str] = ()) -> tuple[str, _T | None]:
        """What comes of it: "", and what it gives; or the code of its refusal, which must be one of these."""
        faults = self.wechat.faults
        try:
            return "", act()
        except MallError as fault:
            excused = fault.code in codes or (fault.code == "unavailable" and self.wechat.faults > faults)
            if not excused:
                self.differs(what, f"refused with {fault.code} {fault.data} {[e.field for e in fault.errors]}")
            return fault.code, None
        except OutsideError as fault:
            if self.wechat.faults == faults:
                self.differs(what, f"WeChat is blamed: {fault}")
            return f"outside {fault}", None
        except Exception:
            self.differs(what, traceback.format_exc(limit=-4))
            return "broken", None

    # A deed, and a deed that comes between what another reads and what it writes.

    def do(self, name: str, deed: Callable[[Play], str]) -> str:
        """Do it."""
        told = deed(self)
        word = told.partition(" ")[0]
        self.told[f"{name}: {'placed' if len(word) == 5 and word[0] == 'o' else '' if word.isdigit() else word}"] += 1
        return f"{name}: {told}"

    def alone(self, name: str, deed: Callable[[Play], str]) -> None:
        """Do it undisturbed."""
        self.crossed = False
        self.log.append(f"{self.clock.seconds:.0f} {self.do(name, deed)}")

    def at_once(self, first: tuple[str, Callable[[Play], str]], second: tuple[str, Callable[[Play], str]]) -> None:
        """Do the second whole between what the first reads and what it commits, or after some commits of it."""
        during: list[str] = []
        self.crossed = True
        self._meanwhile.plan(self.chance.choice(self.commits), lambda: during.append(self.do(*second)))
        told = self.do(*first)
        late = self._meanwhile.make_up()
        self.log.append(f"{self.clock.seconds:.0f} {told} <{'after' if late else 'during'}> {' '.join(during)}")

    def _committed(self, actions: list[dict[str, Any]]) -> None:
        for action in actions:
            item = action.get("Put", {}).get("Item", {})
            if "moved_to" in item:
                self.became[item["member_id"]["S"]] = item["moved_to"]["S"]
            if "order" in item and "placed" in item:
                order = msgspec.json.decode(item["order"]["S"], type=Order)
                before = self.orders.get(order.order_id)
                if before is not None and before.state == "awaiting_payment" and order.state == "closed":
                    self.let_go.setdefault(order.member_id, []).append(clock.now())
                self.orders[order.order_id] = order
            if "coupon" in item and "template_id" in item["coupon"].get("S", ""):
                self._got(msgspec.json.decode(item["coupon"]["S"], type=Coupon))

    def _got(self, coupon: Coupon) -> None:
        """A member has a coupon: what it is worth is what its template was made with."""
        of = self.mall.templates[coupon.template_id]
        self.tickets.setdefault(coupon.member_id, {})[coupon.coupon_id] = Ticket(
            coupon.coupon_id, coupon.template_id, of["kind"], coupon.valid_from, coupon.valid_until,
            of.get("amount_fen", 0), of.get("percent_off", 0), of.get("ceiling_fen"), of.get("threshold_fen", 0),
            tuple(of.get("scope", {}).get("products", ())), of.get("stacking") == "extra", of.get("returns", True),
        )  # fmt: skip

    def _job_failed(self, job: Job, fault: Exception) -> None:
        slow = isinstance(fault, ConditionFailed) and fault.failed == (None,)  # another worker ended the job
        excused = isinstance(fault, OutsideError) or (isinstance(fault, MallError) and fault.code == "unavailable")
        if not slow and not (excused and self.wechat.faults):
            found = "".join(traceback.format_exception(fault)[-4:])
            self.differs(f"job {job.task.kind} {job.task.key}", found)

    # Time.

    def work(self) -> str:
        """Workers run what is due."""
        self.wechat.arrive()
        run_due()
        return "jobs"

    def to_next_job(self, at_most: float = 400 * DAY) -> bool:
        """Time passes until the next job is due; False when none is by then."""
        due = min((job.due for job in all_jobs() if job.shard != DEAD), default=None)
        if due is None:
            return False
        wait = due_at(due).timestamp() + 0.001 - self.clock.seconds
        if wait > at_most:
            return False
        self.clock.advance(max(0.0, wait))
        self.wechat.arrive()
        return True

    # What a coupon is by now, by the orders that have it.

    def ticket_state(self, coupon_id: str) -> str:
        """unused, locked or used."""
        return next((self.claim(order_id, coupon_id) for order_id in self.holders(coupon_id)), "unused")

    def holders(self, coupon_id: str) -> list[str]:
        """The orders that have the coupon."""
        placed = [
            order_id for order_id, one in self.placed.items() if any(c.coupon_id == coupon_id for c in one.coupons)
        ]
        return [order_id for order_id in placed if self.claim(order_id, coupon_id) != "unused"]

    def claim(self, order_id: str, coupon_id: str) -> str:
        """What an order makes of a coupon that it was placed with: locked, used, or unused (it has let it go)."""
        order, placed = self.orders[order_id], self.placed[order_id]
        if order.state == "awaiting_payment":
            return "locked"
        let_go = order.confirmed_at is None and any(event.what in LET_GO for event in order.history)
        if order.paid_at is None or any(refund.late for refund in order.refunds) or let_go:
            return "unused"
        if placed.offer is not None and placed.offer.kind == "ladder" and order.confirmed_at is not None:
            anew = at_step(self, placed, self.step(order, placed.offer))
            # The ladder ended too low for it; but nobody has both the coupon and what it took off.
            if coupon_id not in anew.coupons and anew.goods <= placed.price.goods:
                return "unused"
        ticket = next(one for one in placed.coupons if one.coupon_id == coupon_id)
        return "unused" if order.state == "closed" and ticket.returns else "used"

    def step(self, order: Order, offer: Offer) -> int:
        """The step that a ladder has come to, by the seats of its orders."""
        assert order.group is not None
        lobby_id = order.group.lobby_id
        inside = [one.group for one in self.orders.values() if one.group is not None and one.group.lobby_id == lobby_id]
        taken = sum(seat.state == "taken" for seat in inside)
        return max((size for size in offer.prices if size <= taken), default=min(offer.prices))

    # The end.

    def rest(self) -> None:
        """WeChat is well, workers run everything, operators decide what is asked, until nothing is owed any more."""
        self.wechat.clear_up()
        for _ in range(1500):
            self.work()
            if not self._see_to() and not self.to_next_job() and not self._send():
                break
        else:
            self.differs("jobs", f"never end: {Counter(job.task.kind for job in all_jobs())}")
        for job in all_jobs():
            if job.shard == DEAD:
                self.differs(f"job {job.task.kind} {job.task.key}", f"is dead: {job.task.last_error}")

    def review(self, number: str) -> str:
        """An operator lets a withdrawal go, or refuses it."""
        if self.chance.random() < 0.7:
            told, _ = self.attempt("let go", functools.partial(payouts.approve, number, "op"))
            return told or "let go"
        told, _ = self.attempt("refuse", functools.partial(payouts.reject, number, "资料不符", "op"))
        return told or "refused"

    def _see_to(self) -> bool:
        """Operators decide what is asked for, and have WeChat asked again where a refund failed that was to fail."""
        waiting = [number for number in self.withdrawn if withdrawals.load(number).state == "reviewing"]
        for number in waiting:
            self.review(number)
        busy = bool(waiting)
        for order in list(self.orders.values()):
            for refund in order.refunds:
                if refund.state == "requested":
                    busy = True
                    self.attempt(
                        "decide", functools.partial(decide, order, refund.refund_id, self.chance.random() < 0.5)
                    )
                elif refund.state == "failed" and self.may_fail(refund.number, refund.outcome):
                    busy = True
                    ask = functools.partial(refunds.ask_again, order.order_id, refund.refund_id, "operator:op")
                    self.attempt("ask again", ask)
        return busy

    def _send(self) -> bool:
        """The merchant sends all that is to be sent."""
        waiting = self.in_state("awaiting_shipment")
        for order in waiting:
            send = functools.partial(delivery.ship, order.order_id, "SF", "all", None, "operator:op")
            self.attempt("send", send)
        return bool(waiting) and len(self.in_state("awaiting_shipment")) < len(waiting)

    def may_fail(self, number: str, outcome: str) -> bool:
        """Whether a refund may have failed so: WeChat has closed it or could not pay it, or was strange."""
        return outcome in ("ABNORMAL", "CLOSED") or outcome in ("PARAM_INVALID_TODAY", "RISK_CONTROL", "SIGN_ERROR")


def decide(order: Order, refund_id: str, grant: bool, restock: bool = False) -> object:
    """An operator decides."""
    if grant:
        return refunds.approve(order.order_id, refund_id, restock, "operator:op")
    return refunds.reject(order.order_id, refund_id, "不符合", "operator:op")


def at_step(play: Play, placed: Placed, step: int) -> Reckoned:
    """The order reckoned anew at the price of a ladder's step, with those of its coupons that apply there."""
    assert placed.offer is not None
    before = placed.lines[0]
    fen, leads = placed.offer.prices[step]
    off = fen - leads if placed.leader else 0
    line = Bought(
        before.sku_id, before.product_id, before.quantity, fen, before.sale, before.template, True, off
    )  # fmt: skip
    return play.mall.shop.reckon([line], (), placed.coupons, now=placed.at, lenient=True)
