"""Whether a rule holds for a member, and the first instant at which time alone may change that. Pure.

Each part of a rule answers (whether it holds now, until when that stands): the instant, in Unix milliseconds, from
which on it may be otherwise though nothing happens; None where time changes nothing. `not` passes the instant on. While
one part alone decides over `all` or `any`, its answer stands until the last such part changes; else until the first of
all. A window of n days counts what is exactly n days old, and no more a millisecond later.
"""

from __future__ import annotations

import bisect
import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from chalicelib.core import ids
from chalicelib.customers.members.rules import LifeCycleRules, life_cycle
from chalicelib.growth.segments.language.rules import (
    All,
    AnyOf,
    CameBy,
    DaysSince,
    Happened,
    HasCoupon,
    HasPart,
    HasTag,
    InSegment,
    IsDistributor,
    LifeCycle,
    Not,
    Purchases,
    Random,
    Rule,
)
from chalicelib.growth.segments.traits.rules import DAY_MS, Bought, Tag, Traits, instant, ms

#: Whether something holds, and until when (None: for ever).
Answer = tuple[bool, int | None]

_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq,
}  # fmt: skip
#: What holds of a number, or does not, and never both again as the number falls.
_ONE_WAY = (">=", "<", "<=")
#: By which parts of a hundred percent a share is drawn.
_DRAWN_OF = 10_000


class View(msgspec.Struct):
    """A member at an instant: what the rules look at. `tags` and `inside` grow as definitions are decided, each before
    those that ask for it; `birthdays` are the midnights that the last birthday and the next one begin at. `withheld`
    grows with them: definitions that are false as a whole, because they ask for what the member did or bought, who does
    not want to be chosen by that; `waiting`: definitions that stand as they were, or name one that does. `stage` is the
    segment of the life cycle, once a rule has asked for it. Events and purchases before `since` do not count for the
    rule that is being decided."""

    traits: Traits
    now: int
    bounds: LifeCycleRules
    birthdays: tuple[int, int] | None = None
    since: int = 0
    tags: dict[str, tuple[Tag, int | None]] = {}
    inside: dict[str, Answer] = {}
    withheld: set[str] = set()
    waiting: set[str] = set()
    stage: tuple[str, int | None] | None = None


def decide(rule: Rule, view: View) -> Answer:
    """Say whether the rule holds for the member now, and until when that stands."""
    return _BY_KIND[type(rule)](rule, view)


def _all(rule: All, view: View) -> Answer:
    return _joined([decide(part, view) for part in rule.all], False)


def _any(rule: AnyOf, view: View) -> Answer:
    return _joined([decide(part, view) for part in rule.any], True)


def _joined(answers: Sequence[Answer], deciding: bool) -> Answer:
    deciders = [until for holds, until in answers if holds is deciding]
    if deciders:
        return deciding, None if None in deciders else max(until for until in deciders if until is not None)
    return not deciding, earliest(until for _, until in answers)


def earliest(instants: Any) -> int | None:
    """Find the first of these instants; None where there is none."""
    return min((one for one in instants if one is not None), default=None)


def _not(rule: Not, view: View) -> Answer:
    holds, until = decide(rule.negated, view)
    return not holds, until


def _life_cycle(rule: LifeCycle, view: View) -> Answer:
    if view.stage is None:
        traits, person = view.traits, view.traits.person
        now_is, ends = life_cycle(
            traits.completed, traits.last_completion, instant(person.joined_at), person.returned, instant(view.now),
            view.bounds,
        )  # fmt: skip
        view.stage = now_is, None if ends is None else ms(ends)
    segment, until = view.stage
    return segment in rule.life_cycle, until


def _tag(rule: HasTag, view: View) -> Answer:
    found = view.tags.get(rule.tag)
    if found is None:
        return False, None
    tag, until = found
    if rule.within_days is None:
        return True, until
    ends = tag.at + rule.within_days * DAY_MS + 1
    return (True, earliest((until, ends))) if view.now < ends else (False, until)


def _part(rule: HasPart, view: View) -> Answer:
    return rule.profile in view.traits.person.has, None


def _days_since(rule: DaysSince, view: View) -> Answer:
    within: Answer
    if rule.days_since == "birthday":
        if view.birthdays is None:
            return False, None
        last, following = view.birthdays
        ends = last + (rule.days + 1) * DAY_MS
        within = (True, min(ends, following)) if view.now < ends else (False, following)
    else:
        at = _instant_of(rule.days_since, view.traits)
        if not at:
            return False, None
        ends = at + rule.days * DAY_MS + 1
        within = (True, ends) if view.now < ends else (False, None)
    return within if rule.op == "<=" else (not within[0], within[1])


def _instant_of(what: str, traits: Traits) -> int:
    """When that was; 0 where it was not."""
    if what == "joined":
        return traits.person.joined_at
    if what == "last_seen":
        return traits.person.last_seen
    paid = [one.paid_at for one in traits.bought if one.net_fen > 0]
    if what == "last_purchase":
        return paid[-1] if paid else traits.older.last_bought_at
    return traits.older.first_bought_at or (paid[0] if paid else 0)


def _purchases(rule: Purchases, view: View) -> Answer:
    part, traits = rule.part, view.traits
    if rule.within_days is None:
        count, total = traits.older.sums.get(part, (0, 0)) if not view.since else (0, 0)
        nets = [net for one in traits.bought if one.paid_at >= view.since and (net := one.net_of(part)) > 0]
        return _compared(rule, count + len(nets), total + sum(nets)), None
    window = rule.within_days * DAY_MS
    start = bisect.bisect_left(traits.bought, max(view.since, view.now - window), key=_paid_at)
    counted = [one for one in traits.bought[start:] if (one.parts.get(part, 0) if part else one.net_fen) > 0]
    many = len(counted)
    # What is left of the sum as the oldest leave the window, one after the other.
    nets = [0 if rule.purchases == "count" else one.net_of(part) for one in reversed(counted)]
    left = [*itertools.accumulate(nets, initial=0)][::-1]
    one_way = rule.op in _ONE_WAY and rule.purchases != "avg_fen"
    instants = [one.paid_at for one in counted]
    return _over_time(instants, window, lambda gone: _compared(rule, many - gone, left[gone]), one_way)


def _paid_at(one: Bought) -> int:
    return one.paid_at


def _compared(rule: Purchases, count: int, total: int) -> bool:
    """Compare with the rule's value; an average without cutting: the sum with so many times the value."""
    if rule.purchases == "avg_fen" and not count:
        return False
    measured, times = count if rule.purchases == "count" else total, count if rule.purchases == "avg_fen" else 1
    if isinstance(rule.value, list):
        return rule.value[0] * times <= measured <= rule.value[1] * times
    return _COMPARE[rule.op](measured, rule.value * times)


def _over_time(instants: Sequence[int], window: int, holds: Callable[[int], bool], one_way: bool) -> Answer:
    """Say whether something holds of what lies in a window, oldest first, and when it does not as what is oldest leaves
    the window: `holds(n)` says it for all but the first n. `one_way`: once changed, it stays so however many leave."""
    now_holds, most = holds(0), len(instants)
    if one_way:
        if holds(most) is now_holds:
            return now_holds, None
        first = bisect.bisect_left(range(most), True, lo=1, key=lambda gone: holds(gone) is not now_holds)
        return now_holds, instants[first - 1] + window + 1
    for gone in range(1, most + 1):
        leaves_with_next = gone < most and instants[gone] == instants[gone - 1]
        if not leaves_with_next and holds(gone) is not now_holds:
            return now_holds, instants[gone - 1] + window + 1
    return now_holds, None


def instants_of(rule: Happened, view: View) -> list[int]:
    """List when the event came within the window, oldest first: the latest, as many as decide."""
    since = max(view.since, view.now - rule.window_ms)
    return [at for at in view.traits.rings.get(rule.key, ()) if at >= since][-rule.kept :]


def _happened(rule: Happened, view: View) -> Answer:
    ring, holds = instants_of(rule, view), _COMPARE[rule.op]
    return _over_time(ring, rule.window_ms, lambda gone: holds(len(ring) - gone, rule.count), rule.op in _ONE_WAY)


def _coupon(rule: HasCoupon, view: View) -> Answer:
    ends = [end for end in view.traits.coupons.get(rule.coupon, {}).values() if end > view.now]
    if rule.ends_within_days is None:
        return (True, max(ends)) if ends else (False, None)
    span = rule.ends_within_days * DAY_MS
    near = [end for end in ends if end - view.now <= span]
    return (True, max(near)) if near else (False, earliest(end - span for end in ends))


def _source(rule: CameBy, view: View) -> Answer:
    came = view.traits.person.came.get(rule.touch)
    if came is None:
        return False, None
    wanted = rule.source
    parts = ((wanted.channel, came.channel), (wanted.scene, came.scene), (wanted.live_room, came.live_room))
    return all(want is None or want == has for want, has in parts), None


def _segment(rule: InSegment, view: View) -> Answer:
    return view.inside.get(rule.segment, (False, None))


def _random(rule: Random, view: View) -> Answer:
    drawn = ids.shard(f"{rule.random.salt}|{view.traits.member_id}", _DRAWN_OF)
    return drawn < rule.random.percent * (_DRAWN_OF // 100), None


def _distributor(rule: IsDistributor, view: View) -> Answer:
    return view.traits.distributor == rule.distributor, None


_BY_KIND: Mapping[Any, Callable[[Any, View], Answer]] = {
    All: _all, AnyOf: _any, Not: _not, LifeCycle: _life_cycle, HasTag: _tag, HasPart: _part, DaysSince: _days_since,
    Purchases: _purchases, Happened: _happened, HasCoupon: _coupon, CameBy: _source, InSegment: _segment,
    Random: _random, IsDistributor: _distributor,
}  # fmt: skip
