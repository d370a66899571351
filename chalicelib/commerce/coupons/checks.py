"""The audit of coupons: what is counted of each template, against the coupons that members have. Pure; every difference
is named. Coupons against the orders that have them: `orders.audit`.

Coupons are rubbish two years after their end (`tables.KEPT`): those that were collected are missed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from chalicelib.commerce.coupons.rules import Figures, Held, Template
from chalicelib.core.difference import Difference


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """What one counter says: of a template's stock (`issued`, `left`), or of its used coupons (the other figures)."""

    template_id: str
    number: int
    kind: Literal["stock", "used"]
    figures: Figures


class Received(msgspec.Struct, frozen=True):
    """How many of a template a member is said to have got."""

    member_id: str
    template_id: str
    count: int


class Use(msgspec.Struct, frozen=True):
    """What a used coupon took off, and what was paid for its order, as the order has it."""

    off_fen: int
    paid_fen: int


def audit(
    templates: Iterable[Template],
    shards: Iterable[Shard],
    received: Iterable[Received],
    coupons: Iterable[Held],
    uses: Mapping[str, Use],
) -> list[Difference]:
    """Find every difference; `uses` has, by the coupon's id, those that the orders say are used."""
    known = {template.template_id: template for template in templates}
    counted: dict[str, list[Shard]] = {template_id: [] for template_id in known}
    there: dict[str, list[Held]] = {template_id: [] for template_id in known}
    for shard in shards:
        counted.setdefault(shard.template_id, []).append(shard)
    for one in coupons:
        there.setdefault(one.coupon.template_id, []).append(one)
    found = [
        Difference(template_id, "counters or coupons of no template")
        for template_id in sorted((counted.keys() | there.keys()) - known.keys())
    ]
    for template_id, template in known.items():
        found += _of_template(template, counted[template_id], there[template_id], uses)
    return found + _of_members(received, (one for its in there.values() for one in its))


def _of_template(
    template: Template, shards: list[Shard], coupons: list[Held], uses: Mapping[str, Use]
) -> list[Difference]:
    about = template.template_id
    found: list[Difference] = []
    for shard in shards:
        name, figures = f"{shard.kind} shard {shard.number}", shard.figures
        if not 0 <= shard.number < template.shards:
            found.append(Difference(about, f"{name} is none of its {template.shards}"))
        if shard.kind == "stock" and min(figures.left, figures.issued) < 0:
            found.append(Difference(about, f"{name} says {figures.left} left, {figures.issued} issued"))
    left, issued, *counted = (
        sum(getattr(shard.figures, name) for shard in shards)
        for name in ("left", "issued", "used", "off_fen", "paid_fen")
    )
    if left + issued != template.total:
        found.append(Difference(about, f"{left} left + {issued} issued is not {template.total} in all"))
    if issued != len(coupons):
        found.append(Difference(about, f"{issued} issued, members have {len(coupons)}"))
    used = [one.coupon.coupon_id for one in coupons if one.state == "used"]
    known = [uses[coupon_id] for coupon_id in used if coupon_id in uses]
    sums = [len(used), sum(use.off_fen for use in known), sum(use.paid_fen for use in known)]
    for what, says, is_so in zip(("used", "fen taken off", "fen paid with them"), counted, sums, strict=True):
        if says != is_so:
            found.append(Difference(about, f"{what}: counted {says}, coupons and orders say {is_so}"))
    return found


def _of_members(received: Iterable[Received], coupons: Iterable[Held]) -> list[Difference]:
    says = {(one.member_id, one.template_id): one.count for one in received}
    has = Counter((one.coupon.member_id, one.coupon.template_id) for one in coupons)
    return [
        Difference(template_id, f"{member_id} is said to have got {says.get(key, 0)}, and has {has[key]}")
        for key in sorted(says.keys() | has.keys())
        if says.get(key, 0) != has[key]
        for member_id, template_id in [key]
    ]
