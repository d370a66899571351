"""A group-buy for the crash sweep: an activity of its own with one lobby, three people, and all that is known of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.jobs import EMPTY_POOL
from chalicelib.commerce.catalogue.tables import ACTIVITY, Products, pool_key, stock_key
from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.coupons.tables import coupon_key, held
from chalicelib.commerce.orders.checks import Stock, audit, audit_coupons
from chalicelib.commerce.orders.inputs import OrderInput
from chalicelib.commerce.orders.jobs import CLOSE_UNPAID, PUSH_REFUND
from chalicelib.commerce.orders.payment import service as payment_service
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.tables import Orders
from chalicelib.core import clock
from chalicelib.core.difference import Difference
from chalicelib.core.settings import settings
from chalicelib.gateways.wechat.pay import Trade
from chalicelib.growth.groupbuy.activities import service as activities
from chalicelib.growth.groupbuy.checks import audit as audit_lobbies
from chalicelib.growth.groupbuy.inputs import ActivityInput
from chalicelib.growth.groupbuy.jobs import APPLY_RESULT, END_ACTIVITY, RESOLVE_ORDERS, SETTLE_LOBBY
from chalicelib.growth.groupbuy.rules import Activity, Kind, Lobby, Lottery, Price, SeatItem, SetAside
from chalicelib.growth.groupbuy.tables import LOBBY, Draw, Lobbies, activity_key, bought_key, lobby_of, seat_of
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned
from local.client import Answer, Shopper
from local.notices import payment_callback
from tests.support.coupons import template
from tests.support.sweep import World

#: Who is in the lobby; the first opens it.
LEADER, SECOND, THIRD = range(3)
#: Pieces in each order, and what they cost.
PIECES = 2
LEADER_FEN, MEMBER_FEN = 1800, 2000
#: What a ladder's next step takes off an order.
STEP_FEN = 400
SET_ASIDE = 50
STOCK = 100_000


@dataclass(frozen=True)
class Offer:
    """An activity. `aside`: with stock set aside; `minutes`: for so long it runs; a ladder has a step at every size."""

    size: int = 2
    kind: Kind = "fixed"
    min_fill: int | None = None
    lottery: Lottery | None = None
    aside: bool = False
    minutes: int = 7 * 24 * 60
    leader_fen: int = LEADER_FEN
    member_fen: int = MEMBER_FEN

    def make(self, product_id: str, sku_id: str) -> Activity:
        """Open it to everybody now."""
        now = clock.now()
        sizes = list(range(2, self.size + 1)) if self.kind == "ladder" else [self.size]
        pieces = [(self.member_fen - index * STEP_FEN) // PIECES for index in range(len(sizes))]
        prices = [
            Price(
                sku_id=sku_id, size=size, price_fen=fen,
                leader_price_fen=self.leader_fen - index * STEP_FEN - (PIECES - 1) * fen,
            )
            for index, (size, fen) in enumerate(zip(sizes, pieces, strict=True))
        ]  # fmt: skip
        return activities.create(
            ActivityInput(
                product_id=product_id, kind=self.kind, sizes=sizes, prices=prices, lobby_minutes=30,
                starts_at=now, ends_at=now + timedelta(minutes=self.minutes), limit_per_member=9,
                min_fill=self.min_fill, lottery=self.lottery,
                stock=[SetAside(sku_id=sku_id, pieces=SET_ASIDE)] if self.aside else [],
            )
        )  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """All that the mall has of a world; the orders by who placed them, the pieces that each of them has bought."""

    orders: dict[int, Versioned[Order]]
    lobby: Lobby | None
    position: str | None
    seats: list[SeatItem]
    stocks: list[Stock]
    bought: list[int]
    announced: bool
    drawn: Draw | None
    pool_closed: bool


@dataclass
class GroupWorld(World):
    """The people are the same in every world; the activity, its lobby and the orders are new."""

    people: list[Shopper]
    sku_id: str
    activity: Activity
    leader_fen: int
    taken_before: int
    began: datetime
    lobby_id: str = ""
    orders: dict[int, str] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    #: The coupons of those who have one, and what it takes off their orders.
    coupons: dict[int, tuple[str, int]] = field(default_factory=dict)

    def fen(self, who: int) -> int:
        """What this person pays."""
        return (self.leader_fen if who == LEADER else MEMBER_FEN) - self.coupons.get(who, ("", 0))[1]

    def give_coupon(self, who: int, off_fen: int, **more: Any) -> None:
        """This person gets a coupon, and will use it."""
        made = template(how=["grant"], **more)
        coupon = give(made, self.people[who].member_id, "grant", ("sweep", secrets.token_hex(8)))
        self.coupons[who] = coupon.held.coupon.coupon_id, off_fen

    def body(self, who: int) -> dict[str, Any]:
        """The order with which somebody opens the lobby, or joins it."""
        group = {"activity_id": self.activity.activity_id} if who == LEADER else {"lobby_id": self.lobby_id}
        return {
            "lines": [{"sku_id": self.sku_id, "quantity": PIECES}], "address_id": self.people[who].address_id,
            "expected_payable_fen": self.fen(who), "group": group,
            "coupon_ids": [self.coupons[who][0]] if who in self.coupons else [],
        }  # fmt: skip

    def key(self, who: int) -> str:
        """The Idempotency-Key of whatever this person does in this world."""
        return self.keys.setdefault(who, secrets.token_hex(8))

    def placed(self, who: int, order_id: str, lobby_id: str) -> None:
        """Remember the order."""
        self.orders[who], self.lobby_id = order_id, lobby_id

    def sit(self, who: int) -> None:
        """Place the order, in this process."""
        asked = msgspec.convert(self.body(who), OrderInput)
        order = placement.place(self.people[who].member_id, self.key(who), asked)
        assert order.group is not None
        self.placed(who, order.order_id, order.group.lobby_id)

    def pay_at_wechat(self, who: int) -> str:
        """Pay the order; the payment's id at WeChat, of which the mall is not told."""
        payment = payment_service.start(self.orders[who], self.people[who].member_id)
        return str(self.sandbox.pay({"package": payment.package}, notify="none")["transaction_id"])

    def sit_and_pay(self, *people: int) -> None:
        """Place orders, pay them, and let the mall know."""
        mine = settings()
        for who in people:
            self.sit(who)
            if not self.fen(who):
                payment_service.start(self.orders[who], self.people[who].member_id)
                continue
            trade = Trade(
                out_trade_no=self.orders[who], state="SUCCESS", appid=mine.wechat_appid, mchid=mine.wechat_mchid,
                transaction_id=self.pay_at_wechat(who), total_fen=self.fen(who),
            )  # fmt: skip
            payment_service.record(trade)

    def order(self, who: int) -> Answer:
        """Place the order over HTTP."""
        return self.people[who].post("/v1/orders", self.body(who), key=self.key(who))

    def leave(self, who: int) -> Answer:
        """Ask for the money back."""
        path = f"/v1/orders/{self.orders[who]}/refunds"
        return self.people[who].post(path, {"reason": "不想要了"}, key=self.key(who))

    def callback(self, who: int) -> Answer:
        """WeChat tells the mall of the payment."""
        return self.send(*payment_callback(self.sandbox, self.orders[who]))

    def look(self) -> Seen:
        """All that the mall has of this world, now."""
        ids, people = list(self.orders.values()), [one.member_id for one in self.people]
        activity_id, product_id = self.activity.activity_id, self.activity.product_id
        keys: list[read.Key] = [(Orders, (order_id,)) for order_id in ids]
        keys += [bought_key(activity_id, member_id) for member_id in people]
        keys += [activity_key(activity_id), (Products, (product_id, ACTIVITY + activity_id))]
        keys += [stock_key(self.sku_id), pool_key(self.sku_id, activity_id)]
        found = read.batch_get(keys)
        orders, rest = found[: len(ids)], found[len(ids) :]
        bought, (activity, announcement, stock, pool) = rest[: len(people)], rest[len(people) :]
        stocks = [self._stock(stock, self.taken_before, "")]
        if pool is not None:
            stocks.append(self._stock(pool, 0, activity_id))
        items = list(read.query_all(Lobbies, self.lobby_id, consistent=True))
        lobby = next((item for item in items if item.part == LOBBY), None)
        return Seen(
            orders={who: Versioned(one.order, one.version) for who, one in zip(self.orders, orders, strict=True)},
            lobby=None if lobby is None else lobby_of(lobby),
            position=None if lobby is None else lobby.position,
            seats=[seat_of(item) for item in items if item.part != LOBBY],
            stocks=stocks,
            bought=[0 if item is None else int(item.bought) for item in bought],
            announced=announcement is not None,
            drawn=activity.drawn,
            pool_closed=pool is not None and bool(pool.closed),
        )

    def _stock(self, item: Any, before: int, pool: str) -> Stock:
        """A stock, without what earlier worlds have taken of it."""
        return Stock(self.sku_id, int(item.free), int(item.taken) - before, int(item.supplied) - before, pool)

    def differences(self, seen: Seen) -> list[Difference]:
        """The audits of this world alone: its orders, its lobby, its stock, and WeChat's books of them."""
        orders = [found.value for found in seen.orders.values()]
        entries = [entry for order in orders for entry in ledger_queries.entries_about(order.order_id)]
        money = audit(orders, entries, seen.stocks, *self.books(list(self.orders.values())))
        lobbies = [] if seen.lobby is None else [seen.lobby]
        keys = [coupon_key(self.people[who].member_id, coupon_id) for who, (coupon_id, _) in self.coupons.items()]
        money += audit_coupons(orders, [held(item) for item in read.batch_get(keys)] if keys else [])
        return money + audit_lobbies(orders, lobbies, [(self.lobby_id, seat) for seat in seen.seats])

    def orders_of(self, who: int) -> int:
        """How many orders this person has placed in this world."""
        where = Orders.placed >= clock.stamp(self.began)
        return len(read.query(Orders, self.people[who].member_id, index=Orders.by_member, where=where)[0])

    def owe_again(self, seen: Seen) -> None:
        """Owe every job once more that may come late or twice."""
        tx = Transaction()
        for order in (found.value for found in seen.orders.values()):
            schedule(tx, CLOSE_UNPAID, order.order_id)
            for refund in order.refunds:
                schedule(tx, PUSH_REFUND, refund.refund_id)
            if seen.drawn is not None:
                schedule(tx, APPLY_RESULT, f"{self.activity.activity_id}|{order.order_id}")
        if seen.lobby is not None and seen.lobby.state in ("succeeded", "failed"):
            schedule(tx, SETTLE_LOBBY, self.lobby_id)
            schedule(tx, RESOLVE_ORDERS, self.lobby_id)
        if self.activity.pool:
            schedule(tx, EMPTY_POOL, f"{self.sku_id}|{self.activity.pool}")
        schedule(tx, END_ACTIVITY, self.activity.activity_id)
        tx.commit()
