"""Who is in which segment, by brute force: from raw histories, one rule at a time, without anything of the mall's code.

Written from docs/segments.md. Nothing is kept but what happened; a rule is looked at as the JSON that it is; time is
followed through every instant at which anything could change, whether anything does or not.
"""

from __future__ import annotations

import calendar
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from functools import lru_cache
from typing import Any

HOUR, DAY = 3_600_000, 86_400_000
SHANGHAI = timezone(timedelta(hours=8))
LIFE_CYCLE = ("new", "first_order", "repeat", "loyal", "silent")
BEHAVIOUR = {"purchases", "event", "source"}


@dataclass
class Line:
    """What was paid for some goods, what of that went back, and which parts of the goods they are."""

    paid_fen: int
    parts: frozenset[str]
    back_fen: int = 0


@dataclass
class Sale:
    """A paid order, with its freight, and when it was completed."""

    order_id: str
    paid_at: int
    lines: list[Line]
    freight_fen: int
    freight_back_fen: int = 0
    completed_at: int | None = None
    is_whole_back: bool = False

    def left(self, part: str | None) -> int:
        """What is left of what was paid, in fen: of goods, or of all with the freight."""
        if part is not None:
            return sum(line.paid_fen - line.back_fen for line in self.lines if part in line.parts)
        return sum(line.paid_fen - line.back_fen for line in self.lines) + self.freight_fen - self.freight_back_fen


@dataclass
class HasTag:
    """A tag that a member has: since when, whether by hand, and until when that is fixed."""

    at: int
    by_hand: bool
    until: int | None = None


@dataclass
class Member:
    """All that ever happened to a member, in Unix milliseconds, and which tags they have and take none of."""

    member_id: str
    joined_at: int
    returned: bool = False
    personalised: bool = True
    has: set[str] = field(default_factory=set)
    birthday: tuple[int, int, bool] | None = None
    last_seen: int | None = None
    came: dict[str, dict[str, str]] = field(default_factory=dict)
    sales: list[Sale] = field(default_factory=list)
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    coupons: dict[str, tuple[str, int]] = field(default_factory=dict)
    distributor: str = ""
    tags: dict[str, HasTag] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    @property
    def completed(self) -> list[int]:
        """When the orders were completed that were not refunded whole."""
        return [sale.completed_at for sale in self.sales if sale.completed_at is not None and not sale.is_whole_back]


def leaves(rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The conditions of a rule."""
    for part in rule.get("all") or rule.get("any") or ([rule["not"]] if "not" in rule else []):
        yield from leaves(part)
    if not rule.keys() & {"all", "any", "not"}:
        yield rule


class Model:
    """A member beside definitions `{id, rule, tag?, ttl_days?}`, followed in time from `now` on.

    `inside` says of the segments and tags that the member is in since when.
    """

    def __init__(
        self, member: Member, definitions: list[dict[str, Any]], bounds: dict[str, int], now: int
    ) -> None:  # fmt: skip
        self.member, self.bounds = member, bounds
        self.by_id = {one["id"]: one for one in definitions}
        self.by_tag = {one["tag"]: one for one in definitions if one.get("tag")}
        self.now = now
        self.inside: dict[str, int] = {}
        self._known: dict[str, bool] = {}
        self.look()

    def look(self) -> None:
        """Decide everything anew at `now`."""
        self._known = {}
        inside = {word for word in LIFE_CYCLE if self.life_cycle() == word}
        inside |= {one for one in self.by_id if self.is_in(one)}
        self.inside = {one: self.inside.get(one, self.now) for one in inside}

    def follow(self, until: int) -> Iterator[int]:
        """Follow time to `until`; tells every instant at which something could change, when it is decided."""
        static = sorted({at for at in self.instants() if self.now < at <= until} | {until})
        while self.now < until:
            dynamic = [at for at in self.tag_instants() if self.now < at]
            self.now = min([*dynamic, *(at for at in static if at > self.now)])
            self.look()
            yield self.now

    # what could change when

    def instants(self) -> Iterator[int]:
        """Every instant at which time alone could change a condition, but for what tags do."""
        member = self.member
        for days in (self.bounds["new_days"], self.bounds["first_order_days"], self.bounds["active_days"]):
            yield from (at + days * DAY + 1 for at in (member.joined_at, *member.completed))
        for rule in [one["rule"] for one in self.by_id.values() if one["rule"] is not None]:
            for leaf in leaves(rule):
                yield from self._instants_of(leaf)

    def _instants_of(self, leaf: dict[str, Any]) -> Iterator[int]:
        member = self.member
        paid = [sale.paid_at for sale in member.sales]
        if "event" in leaf:
            yield from (at + window(leaf) + 1 for at, name, _ in member.events if name == leaf["event"])
        elif leaf.get("within_days") and "purchases" in leaf:
            yield from (at + leaf["within_days"] * DAY + 1 for at in paid)
        elif leaf.get("days_since") == "birthday":
            day = day_of(self.now)
            for back in range(-500, 900):
                yield midnight(day + timedelta(days=back))
        elif "days_since" in leaf:
            yield from (at + leaf["days"] * DAY + 1 for at in (member.joined_at, member.last_seen or 0, *paid))
        elif "coupon" in leaf:
            for _, ends in member.coupons.values():
                yield from (ends, ends - (leaf.get("ends_within_days") or 0) * DAY)

    def tag_instants(self) -> list[int]:
        """The instants that hang on tags as they are now."""
        known = self.member.tags
        found = [tag.until for tag in known.values() if tag.until is not None]
        rules = [one["rule"] for one in self.by_id.values() if one["rule"] is not None]
        asked = [leaf for rule in rules for leaf in leaves(rule) if "within_days" in leaf and leaf.get("tag") in known]
        return found + [known[leaf["tag"]].at + leaf["within_days"] * DAY + 1 for leaf in asked]

    # what holds

    def is_in(self, segment_id: str) -> bool:
        """Whether the member is in the segment, or has the tag."""
        if segment_id in LIFE_CYCLE:
            return self.life_cycle() == segment_id
        if segment_id not in self._known:
            one = self.by_id[segment_id]
            self._known[segment_id] = self._has_tag(one) if one.get("tag") else self._rule_holds(one)
        return self._known[segment_id]

    def _rule_holds(self, one: dict[str, Any]) -> bool:
        if one["rule"] is None or (not self.member.personalised and self.is_about_behaviour(one)):
            return False
        return self.holds(one["rule"])

    def is_about_behaviour(self, one: dict[str, Any]) -> bool:
        """Whether the rule asks for what members did or bought, by itself or by what it names."""
        for leaf in leaves(one["rule"]) if one["rule"] is not None else ():
            if leaf.keys() & BEHAVIOUR or leaf.get("days_since") in ("first_purchase", "last_purchase", "last_seen"):
                return True
            named = self.by_id.get(leaf.get("segment", ""))
            if named is not None and self.is_about_behaviour(named):
                return True
            named = self.by_tag.get(leaf.get("tag", ""))
            if named is not None and self.is_about_behaviour(named):
                self.is_in(named["id"])  # a tag that has ended is none
                tag = self.member.tags.get(leaf["tag"])
                if tag is None or not tag.by_hand:
                    return True
        return False

    def _has_tag(self, one: dict[str, Any]) -> bool:
        tags, name = self.member.tags, one["tag"]
        has = tags.get(name)
        if has is not None and has.until is not None and self.now >= has.until:
            del tags[name]
            has = None
        if has is not None and has.by_hand:
            return True
        if not self.member.personalised and self.is_about_behaviour(one):
            tags.pop(name, None)
            return False
        if name not in self.member.refused and self._rule_holds(one):
            tags[name] = HasTag(self.now if has is None else has.at, False)
        elif has is not None and has.until is None:
            if one.get("ttl_days"):
                has.until = self.now + one["ttl_days"] * DAY
            else:
                del tags[name]
        return name in tags

    def holds(self, rule: dict[str, Any]) -> bool:
        """Whether a rule holds now."""
        if "all" in rule:
            return all(self.holds(part) for part in rule["all"])
        if "any" in rule:
            return any(self.holds(part) for part in rule["any"])
        if "not" in rule:
            return not self.holds(rule["not"])
        return bool(getattr(self, f"_{next(iter(rule))}")(rule))

    def life_cycle(self) -> str:
        """The segment of the life cycle."""
        member, bounds = self.member, self.bounds
        orders = len(member.completed)
        if not orders:
            return "new" if not member.returned and self.days(member.joined_at) <= bounds["new_days"] else "silent"
        active = bounds["first_order_days"] if orders == 1 else bounds["active_days"]
        if self.days(max(member.completed)) > active:
            return "silent"
        return "first_order" if orders == 1 else "repeat" if orders < bounds["loyal_orders"] else "loyal"

    def days(self, since: int) -> Fraction:
        """How many days ago that was, exactly."""
        return Fraction(self.now - since, DAY)

    def _life_cycle(self, leaf: dict[str, Any]) -> bool:
        return self.life_cycle() in leaf["life_cycle"]

    def _tag(self, leaf: dict[str, Any]) -> bool:
        one = self.by_tag.get(leaf["tag"])
        if one is None or not self.is_in(one["id"]):
            return False
        return "within_days" not in leaf or self.days(self.member.tags[leaf["tag"]].at) <= leaf["within_days"]

    def _profile(self, leaf: dict[str, Any]) -> bool:
        return leaf["profile"] in self.member.has

    def _days_since(self, leaf: dict[str, Any]) -> bool:
        member, paid = self.member, [sale.paid_at for sale in self.member.sales if sale.left(None) > 0]
        since: int | None
        ago: Fraction
        if leaf["days_since"] == "birthday":
            since = None if member.birthday is None else last_birthday(member.birthday, self.now)
            ago = Fraction(0 if since is None else self.days(since) // 1)
        else:
            since = {
                "joined": member.joined_at, "last_seen": member.last_seen,
                "first_purchase": min(paid, default=None), "last_purchase": max(paid, default=None),
            }[leaf["days_since"]]  # fmt: skip
            ago = self.days(since or 0)
        if since is None:
            return False
        return bool(ago <= leaf["days"] if leaf["op"] == "<=" else ago > leaf["days"])

    def _purchases(self, leaf: dict[str, Any]) -> bool:
        of = leaf.get("of")
        part = None if of is None else next(f"{kind}:{value}" for kind, value in of.items())
        within = leaf.get("within_days")
        paid = [sale for sale in self.member.sales if within is None or self.days(sale.paid_at) <= within]
        nets = [net for sale in paid if (net := sale.left(part)) > 0]
        if leaf["purchases"] == "avg_fen" and not nets:
            return False
        measured = {
            "count": lambda: Fraction(len(nets)), "sum_fen": lambda: Fraction(sum(nets)),
            "avg_fen": lambda: Fraction(sum(nets), len(nets)),
        }[leaf["purchases"]]()  # fmt: skip
        if leaf["op"] == "between":
            return bool(leaf["value"][0] <= measured <= leaf["value"][1])
        return compared(leaf["op"], measured, leaf["value"])

    def _event(self, leaf: dict[str, Any]) -> bool:
        wanted = {(name, type(value), value) for name, value in leaf.get("where", {}).items()}
        found = [
            at
            for at, name, props in self.member.events
            if name == leaf["event"] and self.now - at <= window(leaf)
            and wanted <= {(prop, type(value), value) for prop, value in props.items()}
        ]  # fmt: skip
        return compared(leaf["op"], Fraction(len(found)), leaf["count"])

    def _coupon(self, leaf: dict[str, Any]) -> bool:
        ends = [end for template, end in self.member.coupons.values() if template == leaf["coupon"] and end > self.now]
        return any(
            "ends_within_days" not in leaf or Fraction(end - self.now, DAY) <= leaf["ends_within_days"] for end in ends
        )

    def _source(self, leaf: dict[str, Any]) -> bool:
        came = self.member.came.get(leaf["touch"])
        return came is not None and all(came.get(word, "") == value for word, value in leaf["source"].items())

    def _segment(self, leaf: dict[str, Any]) -> bool:
        return self.is_in(leaf["segment"])

    def _random(self, leaf: dict[str, Any]) -> bool:
        text = f"{leaf['random']['salt']}|{self.member.member_id}"
        drawn = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 10_000
        return bool(drawn < leaf["random"]["percent"] * 100)

    def _distributor(self, leaf: dict[str, Any]) -> bool:
        return bool(self.member.distributor == leaf["distributor"])


def window(leaf: dict[str, Any]) -> int:
    """The window of an event, in milliseconds."""
    return int(leaf["within_hours"] * HOUR if "within_hours" in leaf else leaf["within_days"] * DAY)


def compared(op: str, measured: Fraction, value: int) -> bool:
    """Compare as the operator says."""
    return {">=": measured >= value, "<": measured < value, "<=": measured <= value, "==": measured == value}[op]


def day_of(now: int) -> date:
    """The day in Shanghai."""
    return datetime.fromtimestamp(now / 1000, SHANGHAI).date()


def midnight(day: date) -> int:
    """When the day begins in Shanghai."""
    return int(datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).timestamp()) * 1000


def last_birthday(birthday: tuple[int, int, bool], now: int) -> int:
    """When the last day began that was a birthday: days are walked back one by one."""
    day = day_of(now)
    while not is_birthday(birthday, day):
        day -= timedelta(days=1)
    return midnight(day)


@lru_cache(maxsize=100_000)
def is_birthday(birthday: tuple[int, int, bool], day: date) -> bool:
    """Whether it is the birthday's day; a day that its month has not is the month's last."""
    month, of_month, lunar = birthday
    if lunar:
        now_is, following = lunar_day(day), lunar_day(day + timedelta(days=1))
        is_last = following[1] == 1
    else:
        now_is, is_last = (day.month, day.day), day.day == calendar.monthrange(day.year, day.month)[1]
    return now_is[0] == month and (now_is[1] == of_month or (is_last and now_is[1] < of_month))


@lru_cache(maxsize=10_000)
def lunar_day(day: date) -> tuple[int, int]:
    """The month and day of the lunar calendar; of a leap month the month below zero."""
    from lunar_python import Solar

    found = Solar.fromYmd(day.year, day.month, day.day).getLunar()
    return int(found.getMonth()), int(found.getDay())
