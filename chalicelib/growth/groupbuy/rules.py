"""What a group-buy is, whom it lets in, what a seat costs and how a lobby ends. Pure.

opening --leader pays--> open --last seat paid, or expiry with enough--> succeeded
   |                      |
   +--leader does not-----+--expiry without, or everybody left--------> failed
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.commerce.orders.rules import OrderLine, SeatState, Size
from chalicelib.core import ids
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.core.money import yuan
from chalicelib.platform.web.types import Id, PriceFen

Kind = Literal["fixed", "ladder", "lottery"]
LobbyState = Literal["opening", "open", "succeeded", "failed"]

#: Who comes with less time than this left could not pay any more.
MARGIN = timedelta(seconds=15)
#: After the end of an activity; and after one that was ended early, the longest time that a leader has to pay.
END_WAIT = timedelta(minutes=5)
OPENING_WAIT = timedelta(minutes=60)
#: The variant of those who are in no other.
CONTROL = "control"
ALL_BP = 10_000


class GroupRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long a seat is held until it is paid, in minutes."""

    hold_minutes: Annotated[int, Meta(ge=1, le=60)] = 10


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a piece of a SKU costs in a lobby of that size (of a ladder: once so many have paid), in fen.

    The leader's own price may be lower, also 0; it is the price where none is named.
    """

    sku_id: Id
    size: Size
    price_fen: PriceFen
    leader_price_fen: PriceFen | None = None

    def for_seat(self, leader: bool) -> int:
        """The price of the leader's seat, or of another's."""
        return self.leader_price_fen if leader and self.leader_price_fen is not None else self.price_fen


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
    Who loses also gets a coupon of the template `losers_coupon`, where one is named.
    """

    winners: Annotated[int, Meta(ge=1, le=1000)]
    per: Literal["lobby", "activity"] = "lobby"
    prize: Literal["goods", "free"] = "goods"
    losers_coupon: Id | None = None


class SetAside(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many pieces of a SKU for this activity alone."""

    sku_id: Id
    pieces: Annotated[int, Meta(ge=1, le=1_000_000)]


class Activity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group-buy of one product. `stock` is what was set aside of each SKU; none: it sells from the SKU's own."""

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

    @property
    def pool(self) -> str:
        """The pool that its pieces come from; "" where it shares the SKU's stock."""
        return self.activity_id if self.stock else ""

    @property
    def variant_names(self) -> list[str]:
        """The control, and every variant."""
        return [CONTROL, *(variant.name for variant in self.variants)]

    def variant_of(self, member_id: str) -> str:
        """The variant that this member is offered: at random, always the same, and written down nowhere.

        Who is not known ("") is offered the control.
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
        """The sizes and prices of a variant."""
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
        """With so many paid seats it succeeds at its expiry."""
        if self.kind == "ladder":
            return min(price.size for price in self.prices)
        return min(self.min_fill or self.size, self.size)

    def price_of(self, sku_id: str, leader: bool) -> int | None:
        """What is paid for a piece when the order is placed: of a ladder, the highest step. None: not part of it."""
        return self.price_at(self.least if self.kind == "ladder" else self.size, sku_id, leader)

    def price_at(self, size: int, sku_id: str, leader: bool) -> int | None:
        """The price of a piece in a lobby of that size, in fen."""
        found = (price for price in self.prices if (price.sku_id, price.size) == (sku_id, size))
        return next((price.for_seat(leader) for price in found), None)

    def step(self, taken: int) -> int:
        """The step of a ladder that so many paid seats reach; 0 for none."""
        return max((price.size for price in self.prices if price.size <= taken), default=0)

    def ending(self, taken: int) -> tuple[LobbyState, int]:
        """How the lobby ends at its expiry with so many paid seats: its state, and of a ladder the step."""
        if taken < self.least:
            return "failed", 0
        return "succeeded", self.step(taken) if self.kind == "ladder" else 0


class Lobby(msgspec.Struct, frozen=True, kw_only=True):
    """A lobby as it is now. free + held + taken = size, always."""

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
    """Who sits where: a member's seat in a lobby, and the order that it belongs to."""

    member_id: str
    order_id: str
    leader: bool
    state: SeatState

    @property
    def paid(self) -> bool:
        """Whether it was paid, and not given up before the lobby ended."""
        return self.state not in ("held", "released")


class Tally(msgspec.Struct, kw_only=True):
    """What became of the lobbies of one variant. A lobby counts as opened once its leader has paid, and as ended when
    it succeeded or failed; `joined` are the paid seats that are not leaders'. `paid_fen` was paid into lobbies, freight
    included, by who did not leave them, before any refund of theirs."""

    variant: str
    opened: int = 0
    joined: int = 0
    succeeded: int = 0
    failed: int = 0
    paid_fen: int = 0
    #: Of the ended lobbies, how many succeeded, in basis points, with the 95 % interval (Wilson 1927).
    success_bp: int | None = None
    success_low_bp: int | None = None
    success_high_bp: int | None = None


def wilson_bp(successes: int, trials: int) -> tuple[int, int, int]:
    """The share of successes in basis points, and the bounds of its 95 % interval, rounded outwards (Wilson 1927)."""
    if not 0 <= successes <= trials or not trials:
        raise ValueError("a share needs trials, and at most as many successes")
    z2 = 1.959964**2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    low = 0 if not successes else max(0, math.floor((centre - spread) * ALL_BP))
    high = ALL_BP if successes == trials else min(ALL_BP, math.ceil((centre + spread) * ALL_BP))
    return round(share * ALL_BP), low, high


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one order when its lobby has ended.

    `ships`: it goes to shipping, else it is refunded whole. `back_fen` of its goods is given back although it ships
    (all that was paid, freight too, where `free`). `what` is the word in its history; `why` the reason of the refund.
    """

    seat: Literal["taken", "failed", "won", "lost"]
    ships: bool
    what: str
    why: str = ""
    back_fen: int = 0
    free: bool = False


FAILED = Fate(seat="failed", ships=False, what="group_failed", why="拼团未成团，原路退款")
SUCCEEDED = Fate(seat="taken", ships=True, what="group_succeeded")


def ladder_fate(terms: Terms, step: int, sku_id: str, quantity: int, unit_fen: int, leader: bool) -> Fate:
    """Everybody pays the price of the step that was reached; who paid more gets the difference back."""
    price = terms.price_at(step, sku_id, leader)
    if price is None or price >= unit_fen:
        return SUCCEEDED
    back = (unit_fen - price) * quantity
    why = f"拼团满{step}人，单价{yuan(unit_fen)}降至{yuan(price)}元，{quantity}件退{yuan(back)}元"
    return Fate(seat="taken", ships=True, what="group_succeeded", why=why, back_fen=back)


def back_of(line: OrderLine, back_fen: int) -> int:
    """What of a difference in price goes back, in fen: all, unless a coupon took so much off before that the rest would
    be below the floor. A price below the floor by itself is paid as it is."""
    return min(back_fen, line.payable_fen - min(line.amount_fen - back_fen, line.floor_fen))


def lottery_fate(lottery: Lottery, won: bool) -> Fate:
    """What winning or losing means."""
    if lottery.prize == "goods":
        if won:
            return Fate(seat="won", ships=True, what="draw_won")
        return Fate(seat="lost", ships=False, what="draw_lost", why="拼团抽奖未中奖，原路退款")
    if won:
        return Fate(seat="won", ships=True, what="draw_won", why="拼团抽奖中奖，免单退款", free=True)
    return Fate(seat="lost", ships=True, what="draw_lost")


def wound_up_at(activity: Activity) -> datetime:
    """When an activity is wound up, at the earliest, if its last lobbies have ended: a while after its end, and longer
    where it was ended early, because leaders who had begun to pay may still open lobbies."""
    return activity.ends_at + END_WAIT + (OPENING_WAIT if activity.ended_early else timedelta())


def check_order(terms: Terms, sku_id: str, quantity: int, leader: bool) -> int:
    """The price of a piece for this seat. Raises `invalid`, `purchase_limit`."""
    price = terms.price_of(sku_id, leader)
    if price is None:
        raise invalid("lines[0].sku_id", "not part of this group-buy")
    if terms.limit_per_member is not None and quantity > terms.limit_per_member:
        raise MallError("purchase_limit", limit=terms.limit_per_member)
    return price


def check_running(activity: Activity, now: datetime) -> None:
    """Raises `activity_over` unless a lobby may be opened now."""
    if activity.ended_early or not activity.starts_at <= now < activity.ends_at - MARGIN:
        raise MallError("activity_over")


def check_joinable(lobby: Lobby, now: datetime) -> None:
    """Raises `not_found` for a lobby whose leader has not paid, or never did; `lobby_over`, `lobby_full`."""
    if lobby.state == "opening" or lobby.expires_at is None:
        raise no_such_lobby()
    if lobby.state == "succeeded" and lobby.taken == lobby.terms.size:
        raise MallError("lobby_full")
    if lobby.state != "open" or now >= lobby.expires_at - MARGIN:
        raise MallError("lobby_over")
    if lobby.free < 1:
        raise MallError("lobby_full")


def no_such_lobby() -> MallError:
    """What who wants to join is told of a lobby that there is not, or that nobody but its leader may know of."""
    return MallError("not_found", errors=(FieldError("group.lobby_id", "no such lobby"),))


def terms_of(activity: Activity, variant: str, size: int | None, lobby_id: str, leader_id: str, now: datetime) -> Terms:
    """The terms of a lobby that is opened now. Raises `invalid` for a size that is not offered.

    A ladder's lobby has room for its largest step, whatever size is asked for.
    """
    sizes, prices = activity.offer(variant)
    if (size is not None and size not in sizes) or (size is None and len(sizes) > 1 and activity.kind != "ladder"):
        raise invalid("group.size", f"one of {', '.join(map(str, sorted(sizes)))}")
    chosen = size or max(sizes)
    if activity.kind == "ladder":
        chosen = max(sizes)
    return Terms(
        lobby_id=lobby_id, activity_id=activity.activity_id, product_id=activity.product_id, kind=activity.kind,
        variant=variant, size=chosen, lobby_minutes=activity.lobby_minutes, opened_at=now,
        prices=[price for price in prices if activity.kind == "ladder" or price.size == chosen],
        latest_end_at=activity.ends_at, leader_id=leader_id, limit_per_member=activity.limit_per_member,
        min_fill=activity.min_fill, new_customers_only=activity.new_customers_only,
        pool=activity.pool, lottery=activity.lottery,
    )  # fmt: skip
