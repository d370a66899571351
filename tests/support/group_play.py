"""What people, WeChat and time do to a group-buy, one deed at a time; each tells in a word what came of it.

Refusals are part of the play, as long as they are right; anything else that goes wrong fails the test. After each deed
the lobbies that it touched must add up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.inputs import GroupInput, LineInput, OrderInput
from chalicelib.commerce.orders.payment import service as payment_service
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.commerce.orders.refunds import push
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.refunds.issue import refund_id
from chalicelib.commerce.orders.rules import Order, Pieces
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.growth.groupbuy.activities import service as activities
from chalicelib.growth.groupbuy.checks import audit
from chalicelib.growth.groupbuy.rules import Lobby, SeatItem
from chalicelib.growth.groupbuy.tables import LOBBY, Lobbies, lobby_of, seat_of
from chalicelib.platform.jobs.queue import due_at
from chalicelib.platform.jobs.tables import DEAD
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed
from local.jobs import all_jobs
from tests.support.book import Book, Weather
from tests.support.group_answers import is_joinable, is_right, pick
from tests.support.group_stage import ADDRESS, MEMBERS, Stage
from tests.support.meanwhile import Meanwhile
from tests.support.owed import run_due

_T = TypeVar("_T")

#: How far a shopper goes at once: orders; begins to pay; pays; and WeChat tells the mall.
Far = Literal["ordered", "begun", "paid", "told"]
#: A deed by its name, and what it is given.
Deed = tuple[str, dict[str, Any]]

_OPEN = ("activity_over", "out_of_stock", "purchase_limit", "too_many_unpaid")
_JOIN = (
    "lobby_full", "lobby_over", "already_in_lobby", "not_found", "purchase_limit", "out_of_stock", "not_for_you",
    "too_many_unpaid",
)  # fmt: skip
_BEGIN = ("order_state", "pay_time_over", "lobby_over", "unavailable")
_REFUND = ("order_state", "nothing_to_refund", "invalid")
_BOUGHT = ("awaiting_group", "awaiting_shipment")

NOBODY = "nobody there"


class Play:
    """One run."""

    def __init__(self, stage: Stage) -> None:
        stage.set()
        self.stage = stage
        self.book = Book()
        self.orders: dict[str, Order] = {}
        #: Each lobby, and its seats, as they were after the last deed that touched them.
        self.lobbies: dict[str, Lobby] = {}
        self.seats: dict[str, list[SeatItem]] = {}
        self.ended = False
        self._touched: set[str] = set()
        self._keys = 0
        self._meanwhile = Meanwhile()
        self._unexplained: list[Exception] = []
        stage.before_commit, stage.committed = self._meanwhile.on_commit, self._committed
        stage.job_failed = self._job_failed
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self.book.opened())

    def close(self) -> None:
        """The run is over, however it went."""
        self._stack.close()

    def do(self, deed: Deed) -> str:
        """Do it, and look at the lobbies that it touched; what came of it."""
        name, given = deed
        self.stage.clock.advance(0.001)
        told: str = getattr(self, name)(**given)
        self.check()
        return told

    def possible(self) -> list[tuple[str, int]]:
        """What can be done now, and how much it weighs."""
        unpaid, payable, paid = self._in_state("awaiting_payment"), self.book.payable(), self.book.paid()
        joinable = any(map(is_joinable, self.lobbies.values()))
        weights = {
            "join": 12 if joinable else 1 if self.lobbies else 0,
            "open": 1 if self.ended else 3 if joinable else 12,
            "begin": 1 if unpaid else 0,
            "begin_overtaken": 2 if unpaid else 0,
            "pay": 3 if payable else 0,
            "cancel": 2 if self.orders else 0,
            "refund": 2 if self._in_state(*_BOUGHT) else 0,
            "tell": 2 if paid else 0,
            "tell_refund": 1 if self.book.payouts else 0,
            "storm": 1,
            "wait": 2,
            "slow": 2,
            "work": 2 if self.orders else 0,
            "next_job": 3 if self.orders else 0,
            "expiry": 2 if self._open() else 0,
            "end_early": 1 if len(self.orders) >= 8 and not self.ended else 0,
        }
        return [(name, weight) for name, weight in weights.items() if weight]

    # Shoppers.

    def open(self, who: int, size: int, pieces: int, far: Far) -> str:
        """Open a lobby."""
        member = MEMBERS[who]
        setting, variant = self.stage.setting, self.stage.variant_of(member)
        sizes = sorted(setting.offer(variant))
        chosen = sizes[size % len(sizes)]
        group = GroupInput(activity_id=self.stage.activity.activity_id, size=chosen)
        goods = setting.goods_fen(variant, sizes[0] if setting.kind == "ladder" else chosen, True, pieces)
        told, order = self._order(member, group, pieces, goods, _OPEN)
        return told if order is None else self._go_on(order, far)

    def join(self, who: int, lobby: int, pieces: int, far: Far) -> str:
        """Join a lobby, whether that can be done or not."""
        if not self.lobbies:
            return NOBODY
        chosen = pick(sorted(self.lobbies.values(), key=is_joinable), lobby).terms
        seated = [seat.member_id for seat in self.seats[chosen.lobby_id] if seat.state != "released"]
        member = pick(sorted(MEMBERS, key=lambda member: member not in seated), who)
        lobby_id, setting = chosen.lobby_id, self.stage.setting
        step = min(setting.offer(chosen.variant)) if setting.kind == "ladder" else chosen.size
        goods = setting.goods_fen(chosen.variant, step, False, pieces)
        told, order = self._order(member, GroupInput(lobby_id=lobby_id), pieces, goods, _JOIN)
        if order is not None:
            return self._go_on(order, far)
        self._refused_rightly(member, lobby_id, told)
        return told

    def begin(self, order: int) -> str:
        """Begin to pay."""
        unpaid = self._in_state("awaiting_payment")
        return self._begin(pick(unpaid, order)) if unpaid else NOBODY

    def begin_overtaken(self, order: int) -> str:
        """Begin to pay; before that reaches WeChat, the order is cancelled."""
        unpaid = [one for one in self._in_state("awaiting_payment") if one.payable_fen]
        if not unpaid:
            return NOBODY
        chosen = pick(unpaid, order)
        told: list[str] = []
        self.book.meanwhile = lambda: told.append(self._cancel(chosen))
        begun = self._begin(chosen)
        self.book.meanwhile = None
        return f"{begun}, meanwhile cancelled: {' '.join(told)}"

    def pay(self, trade: int, told: int) -> str:
        """Pay what was begun, be its order closed or not; the mall is told so often."""
        payable = self.book.payable()
        if not payable:
            return NOBODY
        number = pick(payable, trade)
        self.book.pay(number)
        return " ".join(["paid", *(self._tell(number) for _ in range(told))])

    def cancel(self, order: int) -> str:
        """Cancel an order, mostly one that is not paid."""
        unpaid = self._in_state("awaiting_payment") or list(self.orders.values())
        return self._cancel(pick(unpaid, order)) if unpaid else NOBODY

    def refund(self, order: int, one_piece: bool, twice: bool) -> str:
        """Ask for the money back: of a seat whose lobby is open, or of an order that goes to shipping."""
        paid = self._in_state(*_BOUGHT)
        if not paid:
            return NOBODY
        chosen = pick(paid, order)
        self._keys += 1
        asked = [Pieces(self.stage.sku_id, 1)] if one_piece else None
        key = f"r{self._keys}"
        answers = [self._refund(chosen, key, asked) for _ in range(1 + twice)]
        assert answers[0] == answers[-1]
        if answers[0] == "invalid":
            assert one_piece
            assert chosen.state == "awaiting_group"
        if answers[0].startswith("requested"):  # of a group that came together: a person decides
            refunds.approve(chosen.order_id, refund_id(chosen.order_id, chosen.member_id, key), False, "operator")
        return answers[0]

    # WeChat.

    def tell(self, trade: int) -> str:
        """A callback arrives: late, or again."""
        paid = self.book.paid()
        return self._tell(pick(paid, trade)) if paid else NOBODY

    def tell_refund(self, refund: int) -> str:
        """A callback about a refund arrives, perhaps again."""
        if not self.book.payouts:
            return NOBODY
        told = self.book.refund_told(pick(list(self.book.payouts), refund))
        if told.state == "SUCCESS":
            push.settle_refund(told.out_refund_no, told.state, told.amount_fen)
        return told.state

    def storm(self, weather: Weather, seconds: float) -> str:
        """WeChat is not well for a while."""
        self.book.storm(weather, seconds)
        return weather

    # Time, workers, operators.

    def wait(self, seconds: float, work: bool) -> str:
        """Time passes; the workers keep up with it or not."""
        self.stage.clock.advance(seconds)
        return self.work() if work else "nobody works"

    def slow(self, seconds: float, work: bool) -> str:
        """What somebody has begun takes its time, as far as that goes: a worker may be dead for less."""
        return self.wait(seconds, work)

    def work(self) -> str:
        """Workers run what is due."""
        run_due()
        return "jobs"

    def next_job(self) -> str:
        """Time passes until the next job is due, and it is run at its second."""
        return self.work() if self._to_next_job() else NOBODY

    def expiry(self, lobby: int) -> str:
        """Time passes until a lobby expires, and its end is decided at that second."""
        open_ones = self._open()
        if not open_ones:
            return NOBODY
        expires_at = pick(open_ones, lobby).expires_at
        assert expires_at is not None
        self.stage.clock.advance(max(0.0, expires_at.timestamp() + 0.001 - self.stage.clock.seconds))
        return self.work()

    def end_early(self) -> str:
        """An operator ends the activity."""
        activities.end(self.stage.activity.activity_id)
        self.ended = True
        return "ended"

    def at_once(self, first: Deed, second: Deed, commits: int, behind: float) -> str:
        """The second deed is done whole between what the first reads and what it writes, the first time or after so
        many commits of it; afterwards, where the first writes nothing then. Who does it has a clock that is behind."""
        told: list[str] = []

        def meanwhile() -> None:
            self.stage.clock.seconds -= behind
            told.append(getattr(self, second[0])(**second[1]))
            self.stage.clock.seconds += behind

        self._meanwhile.plan(commits, meanwhile)
        told_first: str = getattr(self, first[0])(**first[1])
        late = self._meanwhile.make_up()
        return f"{told_first}; {'then' if late else 'meanwhile'} {''.join(told)}"

    # The end of the play.

    def drain(self) -> None:
        """WeChat is well, and workers run everything, until nothing is owed any more."""
        self.book.clear_up()
        # Every hold and every lobby is over: each is looked at once. Every other time the activity is over as well.
        self.stage.clock.advance((2 if len(self.orders) % 2 else 6) * 3600)
        for _ in range(200):
            self.work()
            if not self._to_next_job():
                return
        raise AssertionError(f"never ends: {[job.due for job in all_jobs()]}")

    def check(self) -> None:
        """The lobbies that were touched add up, and no job failed without a reason."""
        assert not self._unexplained, self._unexplained
        for lobby_id in sorted(self._touched):
            lobby, seats = self.lobby(lobby_id)
            counted = (lobby.free, lobby.held, lobby.taken)
            assert min(counted) >= 0, counted
            assert sum(counted) == lobby.terms.size, counted
            if lobby.state == "open":
                assert lobby.taken >= 1, "with its last paid member a lobby is over"
            if lobby.state == "failed" and lobby.expires_at is not None and clock.now() < lobby.expires_at:
                assert lobby.taken == 0, "a lobby with paid members lives until its expiry"
            orders = [order for order in self.orders.values() if order.group and order.group.lobby_id == lobby_id]
            found = audit(orders, [lobby], [(lobby_id, seat) for seat in seats])
            assert not found, found
        self._touched.clear()

    def lobby(self, lobby_id: str) -> tuple[Lobby, list[SeatItem]]:
        """A lobby and its seats as they are stored."""
        items = list(read.query_all(Lobbies, lobby_id, consistent=True))
        self.lobbies[lobby_id] = next(lobby_of(item) for item in items if item.part == LOBBY)
        self.seats[lobby_id] = [seat_of(item) for item in items if item.part != LOBBY]
        return self.lobbies[lobby_id], self.seats[lobby_id]

    # What the deeds are made of.

    def _order(
        self, member: str, group: GroupInput, pieces: int, goods_fen: int, codes: tuple[str, ...]
    ) -> tuple[str, Order | None]:
        self._keys += 1
        asked = OrderInput(
            lines=[LineInput(self.stage.sku_id, pieces)], address_id=ADDRESS, group=group,
            expected_payable_fen=goods_fen + self.stage.setting.freight_fen(pieces),
        )  # fmt: skip
        key = f"k{self._keys}"
        return self._try(lambda: placement.place(member, key, asked), codes)

    def _go_on(self, order: Order, far: Far) -> str:
        if far == "ordered":
            return far
        begun = self._begin(order)
        number = order.order_id
        if begun != "begun" or far == "begun" or number not in self.book.payable():
            return begun
        self.book.pay(number)
        return "paid" if far == "paid" else self._tell(number)

    def _begin(self, order: Order) -> str:
        told, payment = self._try(lambda: payment_service.start(order.order_id, order.member_id), _BEGIN)
        return told if payment is None else "free" if payment.paid else "begun"

    def _tell(self, number: str) -> str:
        payment_service.record(self.book.told(number))
        return f"told: {self.orders[number].history[-1].what}"

    def _cancel(self, order: Order) -> str:
        told, after = self._try(lambda: closing.cancel(order.order_id, order.member_id), ("order_state",))
        return told if after is None else after.state

    def _refund(self, order: Order, key: str, asked: list[Pieces] | None) -> str:
        told, granted = self._try(
            lambda: refunds.request(order.order_id, order.member_id, key, asked, "不想要了"), _REFUND
        )
        return told if granted is None else f"{granted.state} {granted.amount_fen} fen"

    def _try(self, act: Callable[[], _T], codes: tuple[str, ...]) -> tuple[str, _T | None]:
        """What it gives, or the code of its refusal, which must be one of these; WeChat's only when it was not well."""
        faults = self.book.faults
        try:
            return "", act()
        except MallError as fault:
            if fault.code not in codes or (fault.code == "unavailable" and self.book.faults == faults):
                raise
            return fault.code, None
        except WechatError as fault:
            if self.book.faults == faults:
                raise
            return fault.code, None

    def _refused_rightly(self, member: str, lobby_id: str, code: str) -> None:
        if lobby_id in self._touched:
            self.lobby(lobby_id)
        lobby, seats = self.lobbies[lobby_id], self.seats[lobby_id]
        assert is_right(code, member, lobby, seats, self.stage.setting, self.orders.values()), (code, lobby, seats)

    def _in_state(self, *states: str) -> list[Order]:
        return [order for order in self.orders.values() if order.state in states]

    def _open(self) -> list[Lobby]:
        return [lobby for lobby in self.lobbies.values() if lobby.state == "open"]

    def _to_next_job(self) -> bool:
        due = min((job.due for job in all_jobs() if job.shard != DEAD), default=None)
        if due is None:
            return False
        at = due_at(due).timestamp()
        self.stage.clock.advance(max(0.0, at + 0.001 - self.stage.clock.seconds))
        return True

    # Hooks.

    def _committed(self, actions: list[dict[str, Any]]) -> None:
        for action in actions:
            [(kind, arguments)] = action.items()
            table, item = arguments["TableName"], arguments["Item" if kind == "Put" else "Key"]
            if table == Lobbies.Meta.table_name:
                self._touched.add(item["lobby_id"]["S"])
            elif kind == "Put" and "order" in item:
                order = msgspec.json.decode(item["order"]["S"], type=Order)
                self.orders[order.order_id] = order

    def _job_failed(self, fault: Exception) -> None:
        slow = isinstance(fault, ConditionFailed) and fault.failed == (None,)  # another worker ended the job
        if not slow and not (isinstance(fault, WechatError) and self.book.faults):
            self._unexplained.append(fault)
