"""A member who is followed twice: by the mall's own rules, as its transactions and jobs follow members, and by brute
force. Whatever the two say otherwise of one instant is a difference."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec

from chalicelib.commerce.orders.rules import Event, Order, Refund, RefundLine
from chalicelib.customers.members.rules import LifeCycleRules
from chalicelib.growth.segments.assessment.rules import Assessment, advance, assess, next_look
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.definitions.rules import Definition, book_of
from chalicelib.growth.segments.language.rules import matches
from chalicelib.growth.segments.purchases.rules import bought
from chalicelib.growth.segments.traits.rules import (
    Came,
    Person,
    Tag,
    Traits,
    instant,
    with_coupon,
    with_instants,
    with_order,
    with_orders,
    with_tag,
    within_needs,
    without_tags,
)
from tests.support import random_rules
from tests.support.orders import line, order
from tests.support.segment_model import DAY, HOUR, HasTag, Line, Member, Model, Sale, day_of

START = int(datetime(2026, 2, 20, 3, 4, 5, 678_000, UTC).timestamp() * 1000)
MADE = datetime(2026, 1, 1, tzinfo=UTC)
#: What a refund may be: those of the last two give nothing back.
REFUNDS = ("approved", "processing", "succeeded", "failed", "requested", "rejected")


class Play:
    """One member and one book of random definitions."""

    def __init__(self, chance: Random, number: int = 12) -> None:
        self.chance = chance
        self.compared = 0
        self.changes_by_time = 0
        self.now = START + chance.randint(0, 400 * DAY)
        own = random_rules.definitions(chance, number)
        limits = random_rules.bounds(chance)
        made = [
            Definition(
                segment_id=one["id"], name=one["id"], generation=1, made_at=MADE, changed_at=MADE, rule=one["rule"],
                tag=one.get("tag", ""), ttl_days=one.get("ttl_days"),
            )
            for one in own
        ]  # fmt: skip
        self.book = book_of(made, 1, 1, LifeCycleRules(**limits))
        self.member = Member(f"m{chance.randint(0, 10**9)}", self.now, returned=chance.random() < 0.1)
        self.traits = Traits(member_id=self.member.member_id, person=self._person(), generation=1)
        self.orders: list[Order] = []
        self.due: int | None = None
        self.model = Model(self.member, own, limits, self.now)
        self.happens(lambda traits: traits)
        self.compare()

    # the mall's side

    def happens(self, happening: Callable[[Traits], Traits]) -> None:
        """Something happens to the member, as in traits/service.py."""
        before = advance(self.book, self.traits, self.due, self.now, around).traits
        after = assess(self.book, self._kept(happening(before)), self.now, around)
        self.traits, self.due = after.traits, next_look(self.due, after.due, self.now)
        if self.traits.incomplete:
            entries = [one for each in self.orders if (one := bought(each, self.book.needs.parts)) is not None]
            self._take(advance(self.book, with_orders(self.traits, entries, self.now), self.due, self.now, around))

    def _kept(self, traits: Traits) -> Traits:
        needs = self.book.needs
        return within_needs(traits, {key: leaf.kept for key, leaf in needs.rings.items()}, needs.templates)

    def _take(self, found: Assessment) -> None:
        self.traits, self.due = found.traits, found.due

    def passes(self) -> None:
        """The job that follows time, or that brings the lists up to date, comes by."""
        self._take(advance(self.book, self.traits, self.due, self.now, around))
        self.traits = msgspec.structs.replace(self.traits, moves=[])

    # both

    def compare(self) -> None:
        """What the mall says of now is what is so by brute force: the segments and tags, and since when."""
        found = advance(self.book, self.traits, self.due, self.now, around).traits
        self._same(found.inside, self.model.inside, "inside")
        tags = {name: tag.at for name, tag in found.tags.items()}
        self._same(tags, {name: tag.at for name, tag in self.member.tags.items()}, "tags")
        self._same(found.completed, len(self.member.completed), "completed")
        self.compared += len(self.book.entries)

    def _same(self, found: object, wanted: object, what: str) -> None:
        assert found == wanted, f"{what} at {self.now}: {found}, by brute force {wanted}; looks at {self.due}"

    def wait(self) -> None:
        """Time passes; until the mall means to look again nothing may change."""
        until = max(self.now, self._goal())
        before = set(self.model.inside), dict(self.member.tags)
        looks_at = self.due
        for at in self.model.follow(until):
            if looks_at is None or at < looks_at:
                now_is = set(self.model.inside), dict(self.member.tags)
                self._same(now_is, before, f"nothing was to change before {looks_at}, and at {at} it is")
            else:
                self.changes_by_time += set(self.model.inside) != before[0]
        self.now = until

    def _goal(self) -> int:
        """When to stop: somewhere, at a boundary, or a millisecond beside one."""
        chance = self.chance
        drawn = chance.random()
        if drawn < 0.45:
            boundaries = [*self.model.instants(), *self.model.tag_instants(), *([self.due] if self.due else [])]
            near = sorted(at for at in boundaries if self.now < at < self.now + 40 * DAY)[:25]
            return chance.choice(near or [self.now]) + chance.choice([-1, 0, 0, 1])
        if drawn < 0.9:
            return self.now + chance.randint(0, 3 * DAY)
        return self.now + chance.randint(0, 30 * DAY)

    def deed(self) -> None:
        """Something random happens."""
        often = [self.hear, self.buy]
        self.chance.choice([*often, *often, self.complete, self.refund, self.change, self.coupon, self.tag])()
        self.model.look()

    def _person(self) -> Person:
        member = self.member
        return Person(
            joined_at=member.joined_at, returned=member.returned, personalised=member.personalised,
            has=sorted(member.has), birthday=member.birthday, last_seen=member.last_seen or 0,
            came={touch: Came(**came) for touch, came in member.came.items()},
        )  # fmt: skip

    def change(self) -> None:
        """The profile changes."""
        member, chance = self.member, self.chance
        what = chance.choice(["seen", "seen", "has", "came", "personalised", "birthday", "distributor"])
        if what == "seen" and (member.last_seen is None or day_of(member.last_seen) < day_of(self.now)):
            member.last_seen = self.now
        elif what == "has":
            member.has ^= {chance.choice(["phone", "nickname"])}
        elif what == "came":
            came = {"channel": chance.choice(random_rules.CHANNELS)}
            member.came = {"first": came, "joined": came} | member.came | {"last": came}
        elif what == "personalised":
            member.personalised = not member.personalised
        elif what == "birthday":
            days = [(2, 29, False), (self.now % 12 + 1, 15, False), (1, 30, True), (3, 9, True)]
            member.birthday = chance.choice(days)
            member.has |= {"birthday"}
        elif what == "distributor":
            member.distributor = chance.choice(["", "active", "suspended"])
        known, state = self._person(), member.distributor
        self.happens(lambda traits: msgspec.structs.replace(traits, person=known, distributor=state))

    def hear(self) -> None:
        """A batch of events is heard, some of them late."""
        chance = self.chance
        heard = [
            (self.now - chance.choice([0, 1, chance.randint(0, 7 * DAY), HOUR]), chance.choice(random_rules.EVENTS),
             dict(chance.choice(random_rules.PROPS)))
            for _ in range(chance.randint(1, 3))
        ]  # fmt: skip
        self.member.events += heard

        def count(traits: Traits) -> Traits:
            for key, leaf in self.book.needs.rings.items():
                if instants := [at for at, name, props in heard if matches(leaf, name, props)]:
                    traits = with_instants(traits, key, instants, leaf.kept)
            return traits

        self.happens(count)

    def buy(self) -> None:
        """An order is paid."""
        chance, number = self.chance, len(self.orders)
        fen = [chance.choice([0, 1, 500, 1_000, 1_999]) for _ in range(chance.randint(1, 3))]
        some = (["p1", "p2", "p3"], ["c1", ""], ["gift", ""])
        goods = [tuple(chance.choice(one) for one in some) for _ in fen]
        freight = chance.choice([0, 0, 600])
        lines = [
            msgspec.structs.replace(line(f"s{at}", 1, amount), product_id=product, category_id=category, role=role)
            for at, (amount, (product, category, role)) in enumerate(zip(fen, goods, strict=True))
        ]
        placed = msgspec.structs.replace(
            order(*lines, freight_fen=freight), order_id=f"o{number:04}", member_id=self.member.member_id,
            paid_at=instant(self.now),
        )  # fmt: skip
        parts = [frozenset({f"product_id:{p}", f"category_id:{c}", f"role:{r}"}) for p, c, r in goods]
        sold = [Line(amount, of) for amount, of in zip(fen, parts, strict=True)]
        self.member.sales.append(Sale(placed.order_id, self.now, sold, freight))
        self.orders.append(msgspec.structs.replace(placed, paid_at=None, state="awaiting_payment"))
        self._becomes(number, placed)

    def _becomes(self, number: int, after: Order) -> None:
        before, self.orders[number] = self.orders[number], after
        parts = self.book.needs.parts
        counted = bought(before, parts), bought(after, parts)
        if counted[0] != counted[1]:
            self.happens(lambda traits: with_order(traits, *counted, self.now))

    def complete(self) -> None:
        """An order is completed."""
        open_ = [at for at, one in enumerate(self.orders) if one.state == "awaiting_shipment"]
        if open_:
            number = self.chance.choice(open_)
            before = self.orders[number]
            history = [*before.history, Event(instant(self.now), "completed", "system")]
            self.member.sales[number].completed_at = self.now
            self._becomes(number, msgspec.structs.replace(before, state="completed", history=history))

    def refund(self) -> None:
        """Some of an order goes back, or all of it; or that is asked and not granted."""
        chance = self.chance
        open_ = [at for at, one in enumerate(self.orders) if one.state != "closed"]
        if not open_:
            return
        number = chance.choice(open_)
        sale, before = self.member.sales[number], self.orders[number]
        whole, state = chance.random() < 0.5, chance.choice(REFUNDS)
        left = [one.paid_fen - one.back_fen for one in sale.lines]
        back = left if whole else [chance.randint(0, fen) for fen in left]
        freight = sale.freight_fen - sale.freight_back_fen if whole else 0
        asked = Refund(
            refund_id=f"r{len(before.refunds)}", state=state,  # type: ignore[arg-type]
            lines=[RefundLine(f"s{at}", int(whole), fen) for at, fen in enumerate(back)], goods_fen=sum(back),
            freight_fen=freight, reason="why", created_at=instant(self.now),
        )  # fmt: skip
        after = msgspec.structs.replace(before, refunds=[*before.refunds, asked])
        if state not in ("requested", "rejected"):
            for one, fen in zip(sale.lines, back, strict=True):
                one.back_fen += fen
            sale.freight_back_fen += freight
            if whole:
                sale.is_whole_back = True
                after = msgspec.structs.replace(after, state="closed")
        self._becomes(number, after)

    def coupon(self) -> None:
        """A coupon is got, or used, or taken back."""
        chance, held = self.chance, self.member.coupons
        coupon_id, template = f"c{chance.randint(0, 3)}", chance.choice(random_rules.TEMPLATES)
        ends: int | None = None
        if coupon_id in held:
            template = held.pop(coupon_id)[0]
        else:
            ends = self.now + chance.choice([1, DAY, 2 * DAY, chance.randint(1, 12 * DAY)])
            held[coupon_id] = template, ends
        if template in self.book.needs.templates:
            self.happens(lambda traits: with_coupon(traits, template, coupon_id, ends))

    def tag(self) -> None:
        """An operator gives or takes a tag, or the member takes one away."""
        chance, member = self.chance, self.member
        defined: dict[str, Any] = {one.definition.tag: one.definition for one in self.book.entries.values()}
        name = chance.choice([one for one in defined if one])
        what, ttl = chance.choice(["give", "give", "take", "refuse"]), defined[name].ttl_days
        if what == "give":
            until = None if ttl is None else self.now + ttl * DAY
            member.tags[name] = HasTag(self.now, True, until)
            member.refused.discard(name)
            given = Tag(of=defined[name].segment_id, at=self.now, by="operator:ann", until=until or 0)
            self.happens(lambda traits: with_tag(traits, name, given))
        else:
            member.tags.pop(name, None)
            member.refused |= {name} if what == "refuse" else set()
            self.happens(lambda traits: without_tags(traits, {name}, refused=what == "refuse"))
