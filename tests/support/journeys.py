"""Journeys for tests: plans from a few words, and a mall that has whatever they name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from chalicelib.commerce.coupons.rules import Template as CouponTemplate
from chalicelib.commerce.coupons.rules import Terms, Validity
from chalicelib.growth.journeys.built_in.rules import BuiltIn, filled
from chalicelib.growth.journeys.language.rules import Definition, Plan, plan_of
from chalicelib.growth.journeys.surroundings.rules import Coupons, Surroundings
from chalicelib.growth.messaging.rules import Medium, Purpose
from chalicelib.growth.messaging.rules import Template as MessageTemplate

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)


def definition(steps: dict[str, Any], **parts: Any) -> Definition:
    """A definition with these steps, of which the first is `first` or the one that stands first."""
    whole = {"name": "旅程", "entry": {"event": "joined"}, "first": next(iter(steps)), "steps": steps, **parts}
    return msgspec.convert(whole, Definition)


def plan(steps: dict[str, Any], journey_id: str = "jn1", **parts: Any) -> Plan:
    """The plan of such a definition."""
    return plan_of(journey_id, 1, definition(steps, **parts))


def coupon_template(template_id: str, percent_off: int = 10, **changes: Any) -> CouponTemplate:
    """A published template of coupons that journeys may give."""
    made = CouponTemplate(
        template_id=template_id, name=template_id, state="published",
        terms=Terms(kind="percent_off", percent_off=percent_off, ceiling_fen=3000),
        total=1000, limit_per_member=10, valid=Validity(days=7), how=["grant"], shards=1, created_at=NOW,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def message_template(
    template_id: str,
    purpose: Purpose = "service",
    media: list[Medium] | None = None,
    variables: list[str] | None = None,
) -> MessageTemplate:
    """A template of messages."""
    return MessageTemplate(
        template_id=template_id, version=1, name=template_id, purpose=purpose, media=media or ["sms"], text="你好",
        vars=variables or [], created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def mall(**there: Any) -> Surroundings:
    """A mall that has these things."""
    return Surroundings(**{"now": NOW, **there})


def mall_for(built_in: BuiltIn) -> tuple[dict[str, Any], Surroundings]:
    """A built-in journey with all of its slots filled, each by what is called as the slot, and a mall that has that."""
    chosen = {slot.name: slot.name for slot in built_in.slots}
    messages = {
        slot.name: message_template(slot.name, slot.purpose or "service", variables=["nickname"])
        for slot in built_in.slots
        if slot.kind == "message"
    }
    coupons = {
        slot.name: Coupons(coupon_template(slot.name, slot.percent_off or 20), 1000)
        for slot in built_in.slots
        if slot.kind == "coupon"
    }
    there = mall(
        messages=messages,
        coupons=coupons,
        segments=frozenset({"silent", *(slot.name for slot in built_in.slots if slot.kind == "segment")}),
        tags=frozenset(slot.name for slot in built_in.slots if slot.kind == "tag"),
    )
    return filled(built_in, built_in.name_zh, chosen, messages), there
