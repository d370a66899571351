"""A rule taken apart for one member: what holds of it, until when, and by what. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.growth.segments.evaluation.rules import View, decide
from chalicelib.growth.segments.language.rules import (
    All,
    AnyOf,
    DaysSince,
    Happened,
    HasCoupon,
    HasTag,
    InSegment,
    LifeCycle,
    Not,
    Purchases,
    Rule,
)
from chalicelib.growth.segments.traits.rules import instant


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a rule: whether it holds, until when time alone cannot change that, what is known that decides it, and
    its own parts."""

    rule: Any
    holds: bool
    until: datetime | None = None
    known: dict[str, Any] = {}
    parts: list[Why] = []


def explained(rule: Rule, view: View) -> Why:
    """Take the rule apart for a member at an instant."""
    holds, until = decide(rule, view)
    when = None if until is None else instant(until)
    if isinstance(rule, All | AnyOf | Not):
        parts = [rule.negated] if isinstance(rule, Not) else rule.all if isinstance(rule, All) else rule.any
        word = rule.__struct_encode_fields__[0]
        return Why(rule=word, holds=holds, until=when, parts=[explained(part, view) for part in parts])
    return Why(rule=rule, holds=holds, until=when, known=_known(rule, view))


def _known(rule: Rule, view: View) -> dict[str, Any]:
    """What is known of the member that a leaf looks at; instants as times."""
    traits = view.traits
    if isinstance(rule, LifeCycle):
        last = traits.last_completed_at
        return {"orders_completed": traits.completed} | ({"last_completed_at": instant(last)} if last else {})
    if isinstance(rule, Purchases):
        counted = [one for one in traits.bought if one.net_of(rule.part) > 0]
        older = traits.older.sums.get(rule.part, (0, 0))
        latest = [{"order_id": one.order_id, "paid_at": instant(one.paid_at), "net_fen": one.net_of(rule.part)}
                  for one in counted[-5:]]  # fmt: skip
        return {"orders": len(counted) + older[0], "latest": latest}
    if isinstance(rule, Happened):
        return {"latest": [instant(at) for at in traits.rings.get(rule.key, [])[-5:]]}
    if isinstance(rule, HasCoupon):
        return {"ends": [instant(end) for end in sorted(traits.coupons.get(rule.coupon, {}).values())]}
    if isinstance(rule, HasTag):
        found = view.tags.get(rule.tag)
        return {} if found is None else {"set_at": instant(found[0].at), "by": found[0].by, "why": found[0].why}
    if isinstance(rule, InSegment):
        since = traits.inside.get(rule.segment)
        return {} if since is None else {"since": instant(since)}
    if isinstance(rule, DaysSince) and rule.days_since in ("joined", "last_seen"):
        at = traits.person.joined_at if rule.days_since == "joined" else traits.person.last_seen
        return {"at": instant(at)} if at else {}
    return {}
