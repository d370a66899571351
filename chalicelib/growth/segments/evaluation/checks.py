"""Whether a rule holds for a member at an instant, recomputed from what other wings keep of them, by counting. Pure.

Nothing here looks ahead, and nothing is remembered: each leaf is asked anew of all orders, events and coupons.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.customers.events.rules import Event
from chalicelib.customers.members.rules import Birthday, LifeCycleRules, Profile
from chalicelib.growth.segments.definitions.rules import Definition
from chalicelib.growth.segments.traits.rules import Tag

#: Windows are of so many milliseconds.
_HOUR, _DAY = 3_600_000, 86_400_000
_GRANTED = ("approved", "processing", "succeeded", "failed")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules look at of a member. `events` are those whose names rules know; `tags` and `refused` what is
    known of tags, which no other wing keeps; `lunar_birthdays` the days on which a birthday of the lunar calendar falls
    around now."""

    profile: Profile
    orders: list[Order] = []
    events: list[Event] = []
    coupons: list[Held] = []
    distributor: str = ""
    tags: dict[str, Tag] = {}
    refused: list[str] = []
    lunar_birthdays: list[date] = []


class Law(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force: definitions by their ids, and the bounds of the life cycle."""

    definitions: Mapping[str, Definition]
    bounds: LifeCycleRules


class Sight(msgspec.Struct, frozen=True):
    """A member at an instant, under a law; what happened before `since` does not count. In Unix milliseconds."""

    person: Person
    law: Law
    at: int
    since: int = 0


def is_inside(definition: Definition, person: Person, law: Law, at: int) -> bool:
    """Say whether the member is in the segment, or has the tag, at `at` (Unix milliseconds)."""
    tag = person.tags.get(definition.tag)
    lingers = tag is not None and tag.of == definition.segment_id and at < tag.until
    if lingers or _is_by_hand(definition, person, at):
        return True
    return definition.tag not in person.refused and _rule_holds(definition, person, law, at)


def _is_by_hand(definition: Definition, person: Person, at: int) -> bool:
    """Whether an operator gave the member the tag, and it has not ended."""
    tag = person.tags.get(definition.tag)
    if tag is None or tag.of != definition.segment_id or tag.by == "rule":
        return False
    return not tag.until or at < tag.until


def _rule_holds(definition: Definition, person: Person, law: Law, at: int) -> bool:
    if definition.rule is None:
        return False
    if not person.profile.personalised and asks_behaviour(definition.rule, person, law, at):
        return False
    since = _ms(definition.changed_at) if definition.from_now_on else 0
    return _holds(definition.rule, Sight(person, law, at, since))


def asks_behaviour(rule: Any, person: Person, law: Law, at: int) -> bool:
    """Say whether a rule asks what the member did, bought, or came from; also by a segment that it names, or by a tag
    that a rule gives, unless an operator gave it."""
    parts = _parts(rule)
    if parts is not None:
        return any(asks_behaviour(part, person, law, at) for part in parts)
    if "segment" in rule or "tag" in rule:
        named = law.definitions.get(rule.get("segment", "")) or _tag_named(rule.get("tag"), law)
        if named is None or named.rule is None or (named.tag and _is_by_hand(named, person, at)):
            return False
        return asks_behaviour(named.rule, person, law, at)
    if "days_since" in rule:
        return rule["days_since"] in ("first_purchase", "last_purchase", "last_seen")
    return any(word in rule for word in ("event", "purchases", "source"))


def _tag_named(name: str | None, law: Law) -> Definition | None:
    return next((one for one in law.definitions.values() if name and one.tag == name), None)


def _parts(rule: Any) -> list[Any] | None:
    for word in ("all", "any"):
        if word in rule:
            return list(rule[word])
    return [rule["not"]] if "not" in rule else None


def words_of(rule: Any) -> Iterable[tuple[str, Any]]:
    """List the leaves of a rule with the word by which each is known."""
    parts = _parts(rule)
    if parts is None:
        yield next(word for word in _LEAVES if word in rule), rule
    for part in parts or ():
        yield from words_of(part)


def _holds(rule: Any, sight: Sight) -> bool:
    if "all" in rule:
        return all(_holds(part, sight) for part in rule["all"])
    if "any" in rule:
        return any(_holds(part, sight) for part in rule["any"])
    if "not" in rule:
        return not _holds(rule["not"], sight)
    word = next(word for word in _LEAVES if word in rule)
    return _LEAVES[word](rule, sight)


def standing(orders: Iterable[Order]) -> tuple[int, datetime | None]:
    """Count the completed orders of a member of which not all went back, and tell when the last of them was."""
    ends = [
        max((event.at for event in order.history if event.what == "completed"), default=order.paid_at)
        for order in orders
        if order.state == "completed"
    ]
    return len(ends), max((end for end in ends if end is not None), default=None)


def word_of(person: Person, bounds: LifeCycleRules, at: int) -> str:
    """Name the segment of the life cycle that the member is in at `at`."""
    completed, last = standing(person.orders)
    if not completed:
        fresh = not person.profile.returned and at - _ms(person.profile.joined_at) <= bounds.new_days * _DAY
        return "new" if fresh else "silent"
    ago = at - _ms(last or person.profile.joined_at)
    if completed == 1:
        return "first_order" if ago <= bounds.first_order_days * _DAY else "silent"
    if ago > bounds.active_days * _DAY:
        return "silent"
    return "loyal" if completed >= bounds.loyal_orders else "repeat"


def _life_cycle(rule: Any, sight: Sight) -> bool:
    return word_of(sight.person, sight.law.bounds, sight.at) in rule["life_cycle"]


def _tag(rule: Any, sight: Sight) -> bool:
    defined = _tag_named(rule["tag"], sight.law)
    if defined is None or not is_inside(defined, sight.person, sight.law, sight.at):
        return False
    days = rule.get("within_days")
    return days is None or sight.at - sight.person.tags[rule["tag"]].at <= days * _DAY


def _profile(rule: Any, sight: Sight) -> bool:
    return bool(getattr(sight.person.profile, rule["profile"]))


def _days_since(rule: Any, sight: Sight) -> bool:
    what, days = rule["days_since"], rule["days"]
    if what == "birthday":
        since = _birthday_before(sight)
        if since is None:
            return False
        within = since <= days
    else:
        at = _when(what, sight)
        if at is None:
            return False
        within = sight.at - at <= days * _DAY
    return within is (rule["op"] == "<=")


def _when(what: str, sight: Sight) -> int | None:
    profile = sight.person.profile
    if what == "joined":
        return _ms(profile.joined_at)
    if what == "last_seen":
        return None if profile.last_seen is None else _ms(profile.last_seen)
    paid = [at for at, _ in _sold(sight.person.orders, None)]
    if not paid:
        return None
    return max(paid) if what == "last_purchase" else min(paid)


def _birthday_before(sight: Sight) -> int | None:
    """How many days ago the last birthday was; today's is none ago."""
    born = sight.person.profile.birthday
    if born is None:
        return None
    today = clock.day(clock.from_ms(sight.at))
    if born.calendar == "lunar":
        return min((today - day).days for day in sight.person.lunar_birthdays if day <= today)
    return next(ago for ago in range(367) if _falls_on(today - timedelta(days=ago), born))


def _falls_on(day: date, born: Birthday) -> bool:
    last_of_month = (day + timedelta(days=1)).month != day.month
    return day.month == born.month and (day.day == born.day or (day.day < born.day and last_of_month))


def _sold(orders: Iterable[Order], of: Mapping[str, str] | None) -> Iterable[tuple[int, int]]:
    """List of every paid order when it was paid, and what is left of its price in fen where there is something; of
    these goods alone, where they are named."""
    for order in orders:
        if order.paid_at is None:
            continue
        granted = [refund for refund in order.refunds if refund.state in _GRANTED]
        net = order.paid_fen - sum(refund.goods_fen + refund.freight_fen for refund in granted)
        if of is not None:
            [(name, wanted)] = of.items()
            net = 0
            for line in order.lines:
                back = sum(part.amount_fen for one in granted for part in one.lines if part.sku_id == line.sku_id)
                if getattr(line, name) == wanted:
                    net += max(0, line.payable_fen - back)
        if net > 0:
            yield _ms(order.paid_at), net


def _purchases(rule: Any, sight: Sight) -> bool:
    days = rule.get("within_days")
    nets = [
        net
        for at, net in _sold(sight.person.orders, rule.get("of"))
        if at >= sight.since and (days is None or sight.at - at <= days * _DAY)
    ]
    measured, times = len(nets), 1
    if rule["purchases"] != "count":
        measured = sum(nets)
    if rule["purchases"] == "avg_fen":
        times = len(nets)
        if not times:
            return False
    value = rule["value"]
    if rule["op"] == "between":
        return bool(value[0] * times <= measured <= value[1] * times)
    return _compares(rule["op"], measured, value * times)


def _compares(op: str, left: int, right: int) -> bool:
    return bool({">=": left >= right, "<": left < right, "<=": left <= right, "==": left == right}[op])


def _event(rule: Any, sight: Sight) -> bool:
    window = rule["within_hours"] * _HOUR if "within_hours" in rule else rule["within_days"] * _DAY
    wanted = rule.get("where", {})
    count = sum(
        1
        for event in sight.person.events
        if event.name == rule["event"]
        and all(_same(event.props.get(prop), value) for prop, value in wanted.items())
        and sight.since <= _ms(event.at)
        and sight.at - _ms(event.at) <= window
    )
    return _compares(rule["op"], count, int(rule["count"]))


def _same(has: object, wanted: object) -> bool:
    return has is not None and has == wanted and isinstance(has, bool) is isinstance(wanted, bool)


def _coupon(rule: Any, sight: Sight) -> bool:
    days = rule.get("ends_within_days")
    return any(
        sight.at < _ms(one.coupon.valid_until)
        and (days is None or _ms(one.coupon.valid_until) - sight.at <= days * _DAY)
        for one in sight.person.coupons
        if one.state == "unused" and one.coupon.template_id == rule["coupon"]
    )


def _source(rule: Any, sight: Sight) -> bool:
    profile = sight.person.profile
    came = profile.last_source if rule["touch"] == "last" else profile.first_source
    if came is None or (rule["touch"] == "joined" and came.at > profile.joined_at):
        return False
    [(name, wanted)] = rule["source"].items()
    return bool(getattr(came, name) == wanted)


def _segment(rule: Any, sight: Sight) -> bool:
    named = sight.law.definitions.get(rule["segment"])
    return named is not None and is_inside(named, sight.person, sight.law, sight.at)


def _random(rule: Any, sight: Sight) -> bool:
    share = rule["random"]
    drawn = hashlib.sha256(f"{share['salt']}|{sight.person.profile.member_id}".encode()).digest()
    return bool(int.from_bytes(drawn[:4], "big") % 10_000 < share["percent"] * 100)


def _distributor(rule: Any, sight: Sight) -> bool:
    return bool(sight.person.distributor == rule["distributor"])


_LEAVES: Mapping[str, Callable[[Any, Sight], bool]] = {
    "life_cycle": _life_cycle, "tag": _tag, "profile": _profile, "days_since": _days_since, "purchases": _purchases,
    "event": _event, "coupon": _coupon, "source": _source, "segment": _segment, "random": _random,
    "distributor": _distributor,
}  # fmt: skip


def _ms(at: datetime) -> int:
    """Write an instant as Unix milliseconds; to the nearest, as instants are kept."""
    return round(at.timestamp() * 1000)
