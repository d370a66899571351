"""What journeys hear of: events that clients tell, what the mall knows itself, and what each says of itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.core.errors import FieldError
from chalicelib.customers.events.plan.rules import PLAN, Kind, Prop
from chalicelib.growth.journeys import refusals as why
from chalicelib.growth.journeys.language.rules import OnEvent, Plan
from chalicelib.growth.journeys.steps.rules import Branch, Wait, WaitFor
from chalicelib.growth.journeys.surroundings.rules import Place, part_place, step_place


def _said(**kinds: Kind) -> dict[str, Prop]:
    return {name: Prop(name, kind, (), True) for name, kind in kinds.items()}


_ORDER = _said(order_id="text", category_id="text", amount_fen="integer")
_LOBBY = _said(lobby_id="text")
_COUPON = _said(coupon_id="text", template_id="text")
#: What the mall itself tells journeys, and what each fact says. Of segments and tags there is more to it than a name:
#: they are asked for as such.
FACTS: dict[str, dict[str, Prop]] = {
    "joined": {},
    "order_placed": _ORDER,
    "order_paid": _ORDER,
    "order_received": _ORDER,
    "order_completed": _ORDER,
    "order_refunded": _ORDER,
    "coupon_got": {**_COUPON, **_said(valid_until="text")},
    "coupon_used": _COUPON,
    "lobby_lacks_one": _LOBBY,
    "lobby_succeeded": _LOBBY,
    "lobby_failed": _LOBBY,
    "tag_added": _said(tag="text"),
}
_NAMED = "{", "}"


def props_of(event: str) -> Mapping[str, Prop] | None:
    """Give what an event says of itself; None where journeys do not hear of it."""
    told = FACTS.get(event)
    if told is not None:
        return told
    planned = PLAN.get(event)
    return planned.props if planned is not None and planned.by == "client" else None


def is_own(event: str) -> bool:
    """Say whether it is a fact of the mall's own, which no client can make up."""
    return event in FACTS


def is_of_an_order(plan: Plan) -> bool:
    """Say whether members come in by an order of theirs, or a lobby: what follows from that no cap counts."""
    return isinstance(plan.entry, OnEvent) and FACTS.get(plan.entry.event) in (_ORDER, _LOBBY)


def entry_props(plan: Plan) -> Mapping[str, Prop]:
    """Give what the event says by which members come in; nothing where none leads in."""
    return (props_of(plan.entry.event) or {}) if isinstance(plan.entry, OnEvent) else {}


def faults_of_events(plan: Plan) -> Iterator[FieldError]:
    """Find what is wrong with the events that a journey names, and with what it wants them to say."""
    known = entry_props(plan)
    if isinstance(plan.entry, OnEvent):
        place, key = part_place("entry"), plan.entry.key
        yield from _faults(place, plan.entry.event, plan.entry.where, {})
        if key is not None and props_of(plan.entry.event) is not None and key not in known:
            yield place.fault(why.PROP_MISSING, named=key)
    for at, one in enumerate(plan.exits):
        if one.event is not None:
            yield from _faults(part_place("exits", at), one.event, one.where, known)
    if plan.goal is not None:
        yield from _faults(part_place("goal"), plan.goal.event, plan.goal.where, known)
        if props_of(plan.goal.event) is not None and not is_own(plan.goal.event):
            yield part_place("goal").fault(why.GOAL_BY_CLIENT)
    for step_id, step in plan.steps.items():
        place = step_place(step_id)
        if isinstance(step, WaitFor) and step.wait_for.event is not None:
            yield from _faults(place, step.wait_for.event, step.wait_for.where, known)
        elif isinstance(step, Wait) and step.wait.before is not None:
            yield from _of_entry(place, [step.wait.before.prop], known)
        elif isinstance(step, Branch):
            asked = [name for way in step.branch for name in way.if_.entered_with or {}]
            yield from _of_entry(place, asked, known)


def _faults(place: Place, event: str, where: Mapping[str, Any], known: Mapping[str, Prop]) -> Iterator[FieldError]:
    props = props_of(event)
    if props is None:
        yield place.fault(why.EVENT_MISSING, named=event)
        return
    for name, value in where.items():
        prop, named = props.get(name), named_by(value)
        if named is not None:
            yield from _of_entry(place, [named], known)
        if prop is None or (named is None and not prop.takes(value)):
            yield place.fault(why.PROP_MISSING, named=name)


def _of_entry(place: Place, names: list[str], known: Mapping[str, Prop]) -> Iterator[FieldError]:
    for name in names:
        if name not in known:
            yield place.fault(why.PROP_OF_ENTRY, named=name)


def named_by(value: Any) -> str | None:
    """Give the property of the entry's event that a value such as "{lobby_id}" stands for; None where it is itself."""
    first, last = _NAMED
    is_named = isinstance(value, str) and value.startswith(first) and value.endswith(last)
    return value[1:-1] if is_named else None
