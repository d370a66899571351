"""What a group-buy is, whom it lets in, what a seat costs, and how the state of a lobby may change. Pure.

What becomes of the orders of a lobby that has ended stands in lobbies/rules.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.commerce.orders.rules import SeatState, Size
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.growth.groupbuy.refusals import (
    ACTIVITY_NOT_BEGUN,
    ACTIVITY_OVER,
    LOBBY_FULL,
    LOBBY_OVER,
    NO_SUCH_LOBBY,
    NOT_IN_GROUP_BUY,
    PURCHASE_LIMIT,
    SIZE_NOT_OFFERED,
)
from chalicelib.platform.web.types import Id, PriceFen

Kind = Literal["fixed", "ladder", "lottery"]
#: opening: its leader has not paid yet, and nobody else sees it.
LobbyState = Literal["opening", "open", "succeeded", "failed"]
#: What may happen to a lobby: a seat is held, paid, paid after its hold had ended, not paid in time, or given up; its
#: time is over; all its orders have been brought to their ends.
LobbyEvent = Literal["hold", "take", "retake", "release", "leave", "settle", "finish"]
#: What must hold of a lobby's paid seats after an event, for the event to end as the table says.
Guard = Literal["full", "empty", "enough", "otherwise"]
Counter = Literal["free", "held", "taken"]

#: The last moments of a lobby or an activity, in which nobody is let in: there would be no time to pay.
MARGIN = timedelta(seconds=15)
#: How long after its end an activity is wound up, at the earliest.
END_WAIT = timedelta(minutes=5)
#: How much longer that is for an activity that was ended early: the longest time that a leader has to pay.
OPENING_WAIT = timedelta(minutes=60)
#: With so many paid seats a lobby is a group.
FILL_MIN = 2
#: The variant of members who are in no other.
CONTROL = "control"
#: A whole in basis points.
ALL_BP = 10_000

#: What may happen to a lobby in each state, and the state after it: that of the first guard that holds.
TRANSITIONS: Mapping[LobbyState, Mapping[LobbyEvent, Mapping[Guard, LobbyState]]] = {
    "opening": {"take": {"otherwise": "open"}, "release": {"otherwise": "failed"}},
    "open": {
        "hold": {"otherwise": "open"},
        "take": {"full": "succeeded", "otherwise": "open"},
        "retake": {"full": "succeeded", "otherwise": "open"},
        "release": {"otherwise": "open"},
        "leave": {"empty": "failed", "otherwise": "open"},
        "settle": {"enough": "succeeded", "otherwise": "failed"},
    },
    "succeeded": {"release": {"otherwise": "succeeded"}, "finish": {"otherwise": "succeeded"}},
    "failed": {"release": {"otherwise": "failed"}, "finish": {"otherwise": "failed"}},
}
#: Of the events that concern a seat, the counter that the seat is taken from, and the one that counts it afterwards.
SEAT_MOVES: Mapping[LobbyEvent, tuple[Counter, Counter]] = {
    "hold": ("free", "held"),
    "take": ("held", "taken"),
    "retake": ("free", "taken"),
    "release": ("held", "free"),
    "leave": ("taken", "free"),
}


class GroupRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The merchant's settings of group-buy: how long a seat is held until it is paid, in minutes; and how many seats a
    member may hold unpaid, in all lobbies together."""

    hold_minutes: Annotated[int, Meta(ge=1, le=60)] = 10
    held_seats: Annotated[int, Meta(ge=1, le=50)] = 2


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a piece of a SKU costs in a lobby of that size (of a ladder: once so many have paid), in fen.

    The leader's own price, for one piece, may be lower, also 0; it is the price where none is named.
    """

    sku_id: Id
    size: Size
    price_fen: PriceFen
    leader_price_fen: PriceFen | None = None

    @property
    def leader_fen(self) -> int:
        """What the leader pays for one piece, in fen."""
        return self.price_fen if self.leader_price_fen is None else self.leader_price_fen


Sizes = Annotated[list[Size], Meta(min_length=1, max_length=8)]
Prices = Annotated[list[Price], Meta(min_length=1, max_length=400)]


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes and prices that `share_bp` of 10000 members are offered instead of the activity's own."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$(?!\n)")]
    share_bp: Annotated[int, Meta(ge=1, le=ALL_BP)]
    sizes: Sizes
    prices: Prices


class Lottery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a lottery is drawn: `winners` of each lobby, or of all who sat in full lobbies of the activity.

    Prize "goods": winners get what they ordered, everybody else their money back.
    Prize "free": everybody gets what they ordered, winners also their money back.
    A loser also gets a coupon of the template `losers_coupon`, where one is named.
    """

    winners: Annotated[int, Meta(ge=1, le=1000)]
    per: Literal["lobby", "activity"] = "lobby"
    prize: Literal["goods", "free"] = "goods"
    losers_coupon: Id | None = None


class SetAside(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pieces of a SKU that are sold in this activity alone."""

    sku_id: Id
    pieces: Annotated[int, Meta(ge=1, le=1_000_000)]


class Activity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group-buy of one product. `stock` is what was set aside of each SKU; none: it sells from the SKU's own.
    `body_digest` is that of the request with an Idempotency-Key that made it."""

    activity_id: str
    product_id: str
    kind: Kind
    name: str = ""
    sizes: list[int]
    prices: list[Price]
    variants: list[Variant] = []
    lobby_minutes: int
    starts_at: datetime
    ends_at: datetime
    limit_per_member: int | None = None
    min_fill: int | None = None
    new_customers_only: bool = False
    stock: dict[str, int] = {}
    lottery: Lottery | None = None
    secret_hash: str = ""
    created_at: datetime
    ended_early: bool = False
    body_digest: str = ""

    @property
    def pool(self) -> str:
        """Name the pool that its pieces come from; "" where it shares the SKU's stock."""
        return self.activity_id if self.stock else ""

    @property
    def variant_names(self) -> list[str]:
        """Name the control, and every variant."""
        return [CONTROL, *(variant.name for variant in self.variants)]

    def variant_of(self, member_id: str) -> str:
        """Choose the variant that this member is offered: at random, always the same, and written down nowhere.

        A caller who is not known ("") is offered the control.
        """
        if not member_id:
            return CONTROL
        ticket = ids.shard(f"{self.activity_id}|{member_id}", ALL_BP)
        for variant in self.variants:
            if ticket < variant.share_bp:
                return variant.name
            ticket -= variant.share_bp
        return CONTROL

    def offer(self, variant: str) -> tuple[list[int], list[Price]]:
        """Give the sizes and prices of a variant."""
        for known in self.variants:
            if known.name == variant:
                return known.sizes, known.prices
        return self.sizes, self.prices


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds for a lobby as long as it lives, as its activity said when it was opened.

    `prices` are those of its size; of a ladder, of every step. `latest_end_at` is when it ends at the latest.
    """

    lobby_id: str
    activity_id: str
    product_id: str
    kind: Kind
    variant: str
    size: int
    prices: list[Price]
    lobby_minutes: int
    opened_at: datetime
    latest_end_at: datetime
    leader_id: str
    limit_per_member: int | None = None
    min_fill: int | None = None
    new_customers_only: bool = False
    pool: str = ""
    lottery: Lottery | None = None
    secret_hash: str = ""

    @property
    def least(self) -> int:
        """Give the number of paid seats with which the lobby succeeds at its expiry."""
        if self.kind == "ladder":
            return min(price.size for price in self.prices)
        return min(max(self.min_fill or self.size, FILL_MIN), self.size)

    def price_of(self, sku_id: str) -> Price | None:
        """Find the price of a piece as the order is placed: of a ladder, that of the first step. None for a SKU that is
        not part of the group-buy."""
        return self.price_at(self.least if self.kind == "ladder" else self.size, sku_id)

    def price_at(self, size: int, sku_id: str) -> Price | None:
        """Find the price of a piece in a lobby of that size; None where there is none."""
        return next((price for price in self.prices if (price.sku_id, price.size) == (sku_id, size)), None)

    def step(self, taken: int) -> int:
        """Give the step of a ladder that so many paid seats reach; 0 for none."""
        return max((price.size for price in self.prices if price.size <= taken), default=0)

    def ending(self, taken: int) -> tuple[LobbyState, int]:
        """Tell how the lobby ends at its expiry with so many paid seats: its state, and of a ladder the step."""
        state = next_state(self, "open", "settle", taken)
        return state, self.step(taken) if self.kind == "ladder" and state == "succeeded" else 0


class Lobby(msgspec.Struct, frozen=True, kw_only=True):
    """A lobby as it is now. free + held + taken = size, always.

    `paid_fen` was paid for the seats that are taken, freight included; `finished`: all its orders are at their ends.
    """

    terms: Terms
    state: LobbyState
    free: int
    held: int
    taken: int
    paid_fen: int = 0
    expires_at: datetime | None = None
    finished: bool = False
    leader_left: bool = False


class SeatItem(msgspec.Struct, frozen=True, kw_only=True):
    """A member's seat in a lobby, and the order that it belongs to."""

    member_id: str
    order_id: str
    leader: bool
    state: SeatState

    @property
    def paid(self) -> bool:
        """Tell whether the seat was paid, and not given up before the lobby ended."""
        return self.state not in ("held", "released")


GUARDS: Mapping[Guard, Callable[[Terms, int], bool]] = {
    "full": lambda terms, taken: taken == terms.size,
    "empty": lambda _, taken: taken == 0,
    "enough": lambda terms, taken: taken >= terms.least,
    "otherwise": lambda *_: True,
}


def new_lobby(terms: Terms) -> Lobby:
    """Make the lobby that a leader opens: their seat is held, all others are free."""
    return Lobby(terms=terms, state="opening", free=terms.size - 1, held=1, taken=0)


def next_state(terms: Terms, state: LobbyState, event: LobbyEvent, taken: int) -> LobbyState:
    """Look up the state after an event that leaves so many paid seats. Raises ValueError where the table has none."""
    for guard, after in TRANSITIONS[state].get(event, {}).items():
        if GUARDS[guard](terms, taken):
            return after
    raise ValueError(f"no {event} of a lobby that is {state}")


def allows(lobby: Lobby, event: LobbyEvent) -> bool:
    """Tell whether the table of states has this event, and a seat that it moves is there."""
    has_seat = event not in SEAT_MOVES or getattr(lobby, SEAT_MOVES[event][0]) >= 1
    return has_seat and event in TRANSITIONS[lobby.state]


def step(lobby: Lobby, event: LobbyEvent, now: datetime, fen: int = 0, leader: bool = False) -> Lobby:
    """Take a lobby through an event: its state and counters after it.

    `fen` is what is paid for the seat of the event, or goes back, and `leader` says whether it is the leader's. The
    first paid seat opens the lobby to others and sets its expiry. Raises ValueError unless the lobby `allows` it.
    """
    if not allows(lobby, event):
        raise ValueError(f"no {event} of a lobby that is {lobby.state} with {lobby.held} held seats")
    counters: dict[Counter, int] = {"free": lobby.free, "held": lobby.held, "taken": lobby.taken}
    if event in SEAT_MOVES:
        source, target = SEAT_MOVES[event]
        counters[source] -= 1
        counters[target] += 1
    terms = lobby.terms
    state = next_state(terms, lobby.state, event, counters["taken"])
    opens = lobby.state == "opening" and event == "take"
    ends_at = min(now + timedelta(minutes=terms.lobby_minutes), terms.latest_end_at) if opens else lobby.expires_at
    paid_fen = {"take": fen, "retake": fen, "leave": -fen}.get(event, 0)
    return Lobby(
        terms=terms, state=state, free=counters["free"], held=counters["held"], taken=counters["taken"],
        paid_fen=lobby.paid_fen + paid_fen, expires_at=ends_at,
        # A lobby that was never open has no orders to be brought to their ends.
        finished=lobby.finished or event == "finish" or (lobby.state == "opening" and state == "failed"),
        leader_left=lobby.leader_left or (event == "leave" and leader),
    )  # fmt: skip


def is_open(lobby: Lobby, now: datetime) -> bool:
    """Tell whether the lobby is open and has not expired, so that members may still pay for seats and give them up."""
    return lobby.state == "open" and lobby.expires_at is not None and now < lobby.expires_at


def wound_up_at(activity: Activity) -> datetime:
    """Give the instant at which an activity is wound up, at the earliest, if its last lobbies have ended: a while after
    its end, and longer where it was ended early, because leaders who had begun to pay may still open lobbies."""
    return activity.ends_at + END_WAIT + (OPENING_WAIT if activity.ended_early else timedelta())


def check_order(terms: Terms, sku_id: str, quantity: int) -> Price:
    """Find the price of a piece as the order is placed. Raises `invalid`, `purchase_limit`."""
    price = terms.price_of(sku_id)
    if price is None:
        raise invalid(NOT_IN_GROUP_BUY.at("lines[0].sku_id"))
    if terms.limit_per_member is not None and quantity > terms.limit_per_member:
        raise purchase_limit(terms.limit_per_member)
    return price


def purchase_limit(limit: int) -> MallError:
    """Make the refusal of an order that would bring its member above the activity's limit, in pieces."""
    return MallError("purchase_limit", limit=limit, errors=(PURCHASE_LIMIT.at("lines[0].quantity", limit=limit),))


def check_running(activity: Activity, now: datetime) -> None:
    """Raise `activity_over` unless a lobby may be opened now."""
    if activity.ended_early or now >= activity.ends_at - MARGIN:
        raise MallError("activity_over", errors=(ACTIVITY_OVER.at("group.activity_id"),))
    if now < activity.starts_at:
        begins_at = activity.starts_at.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M")
        error = ACTIVITY_NOT_BEGUN.at("group.activity_id", begins_at=begins_at)
        raise MallError("activity_over", errors=(error,))


def check_joinable(lobby: Lobby, now: datetime) -> None:
    """Raise `not_found` for a lobby whose leader has not paid, or never did; `lobby_over`, `lobby_full`."""
    if lobby.state == "opening" or lobby.expires_at is None:
        raise no_such_lobby()
    if lobby.taken == lobby.terms.size:
        raise _lobby_full()
    if lobby.state != "open" or now >= lobby.expires_at - MARGIN:
        raise MallError("lobby_over", errors=(LOBBY_OVER.at("group.lobby_id"),))
    if lobby.free < 1:
        raise _lobby_full()


def _lobby_full() -> MallError:
    return MallError("lobby_full", errors=(LOBBY_FULL.at("group.lobby_id"),))


def no_such_lobby() -> MallError:
    """Make the refusal for a lobby that does not exist, or that nobody but its leader may know of."""
    return MallError("not_found", errors=(NO_SUCH_LOBBY.at("group.lobby_id"),))


def terms_of(activity: Activity, variant: str, size: int | None, lobby_id: str, leader_id: str, now: datetime) -> Terms:
    """Make the terms of a lobby that is opened now. Raises `invalid` for a size that is not offered.

    A ladder's lobby has room for its largest step, whatever size is asked for.
    """
    sizes, prices = activity.offer(variant)
    if (size is not None and size not in sizes) or (size is None and len(sizes) > 1 and activity.kind != "ladder"):
        raise invalid(SIZE_NOT_OFFERED.at("group.size", sizes=sorted(sizes)))
    chosen = max(sizes) if size is None or activity.kind == "ladder" else size
    return Terms(
        lobby_id=lobby_id, activity_id=activity.activity_id, product_id=activity.product_id, kind=activity.kind,
        variant=variant, size=chosen, lobby_minutes=activity.lobby_minutes, opened_at=now,
        prices=[price for price in prices if activity.kind == "ladder" or price.size == chosen],
        latest_end_at=activity.ends_at, leader_id=leader_id, limit_per_member=activity.limit_per_member,
        min_fill=activity.min_fill, new_customers_only=activity.new_customers_only,
        pool=activity.pool, lottery=activity.lottery,
    )  # fmt: skip
