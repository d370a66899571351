"""Coupons: which can be used, what they take off, and the best that a member's coupons can do together. Pure.

At most one of each place: main, then extra on what main left, then the one for the freight. Whether a coupon can be
used is decided on the amounts after promotions and before all coupons, so no coupon ever disables another.

What a coupon takes off never grows when less is left, and never shrinks by more than what another took off. So one more
coupon never raises the price, and what two take off alone bounds what they take off together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.commerce.coupons.rules import Coupon, Held, Place, Terms, Unusable
from chalicelib.commerce.pricing.basket.rules import Basket, Discount
from chalicelib.commerce.pricing.refusals import UNUSABLE
from chalicelib.core.errors import MallError

_PLACES: tuple[Place, ...] = ("main", "extra", "freight")


class CouponDiscount(msgspec.Struct, frozen=True):
    """What a coupon takes off."""

    coupon_id: str
    discount_fen: int


#: Which coupons a purchase is to use, by their ids; or "best", the best combination.
Chosen = Sequence[str] | Literal["best"]


class UnusableCoupon(msgspec.Struct, frozen=True):
    """A coupon that cannot be used for this, and why."""

    coupon_id: str
    why: Unusable


class _Usable(msgspec.Struct, frozen=True):
    """A coupon that can be used, the lines in its scope, and what it takes off alone."""

    coupon: Coupon
    lines: list[int]
    alone_fen: int

    @property
    def place(self) -> Place:
        """The place that it takes."""
        return self.coupon.terms.place

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """The key that sorts the best first: of those that take off the same, the one that ends first."""
        return -self.alone_fen, self.coupon.valid_until, self.coupon.coupon_id


class _Choice(msgspec.Struct, frozen=True):
    """Coupons for the goods, and what they take off together."""

    coupons: tuple[_Usable, ...]
    total_fen: int

    @property
    def rank(self) -> tuple[int, int, list[datetime], list[str]]:
        """The key that sorts the best first: the most off, with the fewest coupons, those that end first."""
        chosen = [each.coupon for each in self.coupons]
        return (
            -self.total_fen,
            len(chosen),
            [coupon.valid_until for coupon in chosen],
            [coupon.coupon_id for coupon in chosen],
        )


class Couponed(msgspec.Struct, frozen=True):
    """What coupons did: the basket then, the freight then, each discount, and what could be used and what not."""

    basket: Basket
    freight_fen: int
    discounts: list[Discount]
    chosen: list[CouponDiscount]
    usable: list[CouponDiscount]
    unusable: list[UnusableCoupon]


def couponed(basket: Basket, freight_fen: int, held: Sequence[Held], chosen: Chosen, now: datetime) -> Couponed:
    """Take the chosen ones of a member's coupons off goods and freight. Every chosen id is one of `held`.

    Raises `coupon_unusable` with the reason, naming the coupon by its position in `chosen`.
    """
    usable, unusable = _sorted_out(basket, freight_fen, held, now)
    picked = _best(basket, usable) if chosen == "best" else _lawful(chosen, usable, unusable)
    discounts: list[Discount] = []
    taken: list[CouponDiscount] = []
    for each in picked:
        on_freight = each.place == "freight"
        parts = {} if on_freight else _parts(basket, each)
        fen = each.alone_fen if on_freight else sum(parts.values())
        basket = basket.less(parts)
        freight_fen -= fen if on_freight else 0
        taken.append(CouponDiscount(each.coupon.coupon_id, fen))
        if fen:
            discounts.append(_explained(each.coupon, fen, basket, parts))
    alone = [CouponDiscount(each.coupon.coupon_id, each.alone_fen) for each in usable]
    return Couponed(basket, freight_fen, discounts, taken, alone, unusable)


def _sorted_out(
    basket: Basket, freight_fen: int, held: Sequence[Held], now: datetime
) -> tuple[list[_Usable], list[UnusableCoupon]]:
    """The coupons that can be used, the best first, and those that cannot, by id."""
    usable: list[_Usable] = []
    unusable: list[UnusableCoupon] = []
    for each in held:
        found = _usable(basket, freight_fen, each, now)
        if isinstance(found, _Usable):
            usable.append(found)
        else:
            unusable.append(UnusableCoupon(each.coupon.coupon_id, found))
    return sorted(usable, key=lambda one: one.rank), sorted(unusable, key=lambda one: one.coupon_id)


def _usable(basket: Basket, freight_fen: int, held: Held, now: datetime) -> _Usable | Unusable:
    why = held.unusable(now)
    if why is not None:
        return why
    terms = held.coupon.terms
    lines = basket.within(terms.scope)
    if not lines:
        return "scope"
    if basket.cost(lines) < terms.threshold_fen:
        return "threshold"
    alone = _capped(freight_fen, terms) if terms.place == "freight" else _off(basket, terms, lines)
    return _Usable(held.coupon, lines, alone) if alone else "nothing_to_take_off"


def _off(basket: Basket, terms: Terms, lines: Sequence[int]) -> int:
    """What a coupon takes off these goods, in fen."""
    if terms.kind == "exchange":
        return _exchanged(basket, terms, lines)[1]
    if terms.kind == "percent_off":
        return min(_capped(basket.cost(lines) * terms.percent_off // 100, terms), basket.room(lines))
    return min(terms.amount_fen, basket.room(lines))


def _parts(basket: Basket, usable: _Usable) -> dict[int, int]:
    """What a coupon takes off each of its lines, in fen."""
    terms = usable.coupon.terms
    if terms.kind == "exchange":
        return dict([_exchanged(basket, terms, usable.lines)])
    return basket.shared(_off(basket, terms, usable.lines), usable.lines)


def _exchanged(basket: Basket, terms: Terms, lines: Sequence[int]) -> tuple[int, int]:
    """The line of the dearest piece, and by how much it is too dear."""
    saved = [min(_capped(basket.pieces[index] - terms.amount_fen, terms), basket.rooms[index]) for index in lines]
    most = max(saved)
    return lines[saved.index(most)], max(0, most)


def _capped(fen: int, terms: Terms) -> int:
    return fen if terms.ceiling_fen is None else min(fen, terms.ceiling_fen)


def _lawful(chosen: Sequence[str], usable: Iterable[_Usable], unusable: Iterable[UnusableCoupon]) -> list[_Usable]:
    """The coupons of these ids by place. Raises `coupon_unusable`."""
    by_id = {each.coupon.coupon_id: each for each in usable}
    reasons = {each.coupon_id: each.why for each in unusable}
    by_place: dict[Place, _Usable] = {}
    for index, coupon_id in enumerate(chosen):
        if coupon_id in reasons:
            raise _refused(index, reasons[coupon_id])
        place = by_id[coupon_id].place
        if place in by_place:
            raise _refused(index, "combination")
        by_place[place] = by_id[coupon_id]
    return [by_place[place] for place in _PLACES if place in by_place]


def _refused(index: int, why: Unusable) -> MallError:
    return MallError("coupon_unusable", why=why, errors=(UNUSABLE[why].at(f"coupon_ids[{index}]"),))


def _best(basket: Basket, usable: Sequence[_Usable]) -> list[_Usable]:
    """The coupons that take off the most together, by place. `usable` has the best first.

    The freight's coupon stands alone. Of the pairs of the others only those are tried that would be better than the
    best so far if what each takes off alone could be added up; when one would not, neither would those after it.
    """
    mains, extras, freights = ([each for each in usable if each.place == place] for place in _PLACES)
    singles = [_Choice((each,), each.alone_fen) for each in mains + extras]
    best = min([_Choice((), 0), *singles], key=lambda each: each.rank)
    for main in mains:
        rest: Basket | None = None
        for extra in extras:
            bound = _Choice((main, extra), main.alone_fen + extra.alone_fen)
            if bound.rank >= best.rank:
                break
            rest = rest or basket.less(_parts(basket, main))
            together = main.alone_fen + _off(rest, extra.coupon.terms, extra.lines)
            best = min(best, msgspec.structs.replace(bound, total_fen=together), key=lambda each: each.rank)
    return [*best.coupons, *freights[:1]]


def _explained(coupon: Coupon, fen: int, basket: Basket, parts: dict[int, int]) -> Discount:
    return Discount(
        source="coupon",
        id=coupon.coupon_id,
        name=coupon.name,
        kind=coupon.terms.kind,
        discount_fen=fen,
        lines=basket.explained(parts),
    )
