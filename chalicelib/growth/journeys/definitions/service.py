"""Commands of operators about journeys: to draft, to publish, to let rest, to take up again, to end.

A version never changes, and who is in a journey keeps the version they came in by, until they are taken over into
another (moving/).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from chalicelib.commerce.coupons.templates import queries as coupon_templates
from chalicelib.core import clock, ids
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.core.refusals import REQUIRED
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.book import service as writing
from chalicelib.growth.journeys.book.rules import JOURNEYS_MAX, Book
from chalicelib.growth.journeys.built_in.rules import BuiltIn, Slot, filled
from chalicelib.growth.journeys.inputs import JourneyInput
from chalicelib.growth.journeys.language.rules import Definition, Plan, plan_of
from chalicelib.growth.journeys.listening.tables import ALL, DEFINITION, Journeys
from chalicelib.growth.journeys.moving import queries as moves
from chalicelib.growth.journeys.moving import service as moving
from chalicelib.growth.journeys.moving.rules import Kind
from chalicelib.growth.journeys.playbook.rules import BUILT_IN
from chalicelib.growth.journeys.publishing.rules import check
from chalicelib.growth.journeys.refusals import (
    NO_SUCH_BUILT_IN,
    NO_SUCH_JOURNEY,
    NO_SUCH_SLOT,
    SLOT_DIFFERS,
    TOO_MANY_JOURNEYS,
)
from chalicelib.growth.journeys.rules import Journey, State, Version
from chalicelib.growth.journeys.surroundings.queries import messages_of, surroundings_of
from chalicelib.growth.journeys.walking import service as walking
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry
from chalicelib.platform.web.problems import from_validation

IDS = "jn"
#: What may be another in a copy of a journey that the mall brings with it as it is made; its steps are edited later.
_CHANGED = (
    "re_entry", "audience", "exclude", "exits", "goal", "control_percent", "priority", "starts_at", "ends_at", "note",
)  # fmt: skip


def create(asked: JourneyInput, language: str) -> Journey:
    """Draft a journey, from its parts or from one that the mall brings with it, which is named in `language` where no
    name is given. Raises `malformed`, `invalid`, `conflict`."""
    definition = drafted(asked, language)
    now = clock.now()
    made = Journey(
        journey_id=ids.new(IDS), name=definition.name, draft=definition, built_in=definition.built_in, made_at=now,
        changed_at=now,
    )  # fmt: skip
    plan_of(made.journey_id, 0, definition)

    def once() -> None:
        if books.fresh().is_full():
            raise invalid(TOO_MANY_JOURNEYS.at("name", limit=JOURNEYS_MAX))
        tx = Transaction()
        writing.write(tx, None, made)
        commit(tx)

    retry(once)
    return made


def change_draft(journey_id: str, asked: JourneyInput, language: str) -> Journey:
    """Write a journey's draft anew; what is published stays as it is. Raises `not_found`, `malformed`, `invalid`,
    `conflict`, and `not_running` once the journey has ended."""
    definition = drafted(asked, language)
    plan_of(journey_id, 0, definition)

    def once() -> Journey:
        known = books.find(journey_id)
        before = known.journey
        if before.state in ("ending", "ended"):
            raise MallError("not_running")
        name = before.name if before.version else definition.name
        after = msgspec.structs.replace(before, name=name, draft=definition, changed_at=clock.now())
        tx = Transaction()
        writing.write(tx, known, after)
        commit(tx)
        return after

    return retry(once)


def delete(journey_id: str) -> None:
    """Throw a draft away; of what was published once the draft alone. Raises `not_found`, `conflict`."""

    def once() -> None:
        known = books.find(journey_id)
        tx = Transaction()
        if known.journey.version:
            writing.write(tx, known, msgspec.structs.replace(known.journey, draft=None))
        else:
            tx.delete(Journeys, (ALL, DEFINITION + journey_id), Journeys.changes == known.changes, Conflict)
        tx.after_commit(books.forget)
        commit(tx)

    retry(once)


def publish(journey_id: str, operator: str) -> Version:
    """Publish a journey's draft as its next version, by which members come in from now on. Raises `not_found`,
    `nothing_to_publish`, `journey_invalid`, `medium_off`, `not_running` once it is ending, `conflict`."""

    def once() -> Version:
        book = books.fresh()
        before = _named(book, journey_id)
        if before.state in ("ending", "ended"):
            raise MallError("not_running")
        if before.draft is None or _is_published(before):
            raise MallError("nothing_to_publish")
        plan = plan_of(journey_id, before.version + 1, before.draft)
        check(plan, surroundings_of(plan, book))
        return _publish(book, before, plan, operator)

    return retry(once)


def _is_published(journey: Journey) -> bool:
    now = books.version(journey.journey_id, journey.version) if journey.version else None
    return now is not None and now.definition == journey.draft


def _publish(book: Book, before: Journey, plan: Plan, operator: str) -> Version:
    now = clock.now()
    version = Version(
        journey_id=before.journey_id, version=plan.version, definition=plan.definition, published_at=now,
        published_by=operator,
    )  # fmt: skip
    state: State = "live" if before.state == "draft" else before.state
    after = msgspec.structs.replace(
        before, name=plan.definition.name, state=state, version=plan.version, draft=None, changed_at=now
    )  # fmt: skip
    tx = Transaction()
    writing.keep_version(tx, version)
    writing.write_book(tx, book, after, plan)
    walking.begin(tx, plan)
    commit(tx)
    return version


def pause(journey_id: str) -> Journey:
    """Let a journey rest: nobody comes in, and who would go on stands where they are. Raises `not_found`,
    `not_running`, `conflict`."""
    return _turn(journey_id, ("live",), "paused")


def resume(journey_id: str, operator: str) -> Journey:
    """Take a journey up again, with those who stand in it. Raises as `pause` does."""
    return _turn(journey_id, ("paused",), "live", _walk("resume", operator))


def end(journey_id: str, runs: Literal["finish", "exit"], operator: str) -> Journey:
    """End a journey: nobody comes in any more, and who is in it goes on to the end, or leaves now, and none of its
    messages that wait goes out. Raises as `pause` does."""
    if runs == "exit":
        states: tuple[State, ...] = ("live", "paused", "ending")
        return _turn(journey_id, states, "ended", _walk("exit", operator), stopped=True)
    return _turn(journey_id, ("live", "paused"), "ending", _walk("finish", operator))


def _walk(kind: Kind, operator: str) -> Callable[[Transaction, Journey], object]:
    """Walk through those who are in the journey, as part of what brings it into another state."""
    return lambda tx, one: moving.begin(tx, one, kind, operator, moves.latest(one.journey_id, "state"))


def _turn(
    journey_id: str,
    states: tuple[State, ...],
    to: State,
    also: Callable[[Transaction, Journey], object] | None = None,
    stopped: bool = False,
) -> Journey:
    """Bring a journey into another state, with what goes with that."""

    def once() -> Journey:
        book = books.fresh()
        before = _named(book, journey_id)
        if before.state not in states:
            raise MallError("not_running")
        draft = None if to == "ended" else before.draft
        after = msgspec.structs.replace(before, state=to, stopped=stopped, draft=draft, changed_at=clock.now())
        tx = Transaction()
        writing.write_book(tx, book, after)
        if also is not None:
            also(tx, after)
        commit(tx)
        return after

    return retry(once)


def _named(book: Book, journey_id: str) -> Journey:
    known = book.journeys.get(journey_id)
    if known is None:
        raise MallError("not_found", errors=(NO_SUCH_JOURNEY.at("journey_id"),))
    return known.journey


# drafts


def drafted(asked: JourneyInput, language: str) -> Definition:
    """Make the definition that is asked for. Raises `malformed`, and `invalid` for a built-in journey, a slot of one or
    a template that there is not, or that is not what the slot wants."""
    if asked.built_in and asked.steps is None and asked.entry is None:
        return _from_built_in(asked, language)
    missing = [REQUIRED.at(field) for field in ("name", "entry", "steps", "first") if getattr(asked, field) is None]
    if missing:
        raise MallError("malformed", errors=tuple(missing))
    parts = msgspec.to_builtins(asked)
    parts.pop("templates", None)
    return _definition(parts)


def _definition(parts: dict[str, Any]) -> Definition:
    try:
        return msgspec.convert(parts, Definition)
    except msgspec.ValidationError as fault:
        raise from_validation(fault) from None


def _from_built_in(asked: JourneyInput, language: str) -> Definition:
    built_in = BUILT_IN.get(asked.built_in)
    if built_in is None:
        raise invalid(NO_SUCH_BUILT_IN.at("built_in", named=asked.built_in))
    errors = [error for name, chosen in asked.templates.items() for error in _slot_errors(built_in, name, chosen)]
    if errors:
        raise invalid(*errors)
    chosen_messages = {one for name, one in asked.templates.items() if _kind(built_in, name) == "message"}
    name = asked.name or (built_in.name_en if language == "en" else built_in.name_zh)
    parts = filled(built_in, name, asked.templates, messages_of(chosen_messages))
    changed = {part: value for part, value in msgspec.to_builtins(asked).items() if part in _CHANGED}
    return _definition(parts | changed)


def _kind(built_in: BuiltIn, name: str) -> str:
    slot = built_in.slot(name)
    return "" if slot is None else slot.kind


def _slot_errors(built_in: BuiltIn, name: str, chosen: str) -> list[FieldError]:
    slot = built_in.slot(name)
    field = f"templates.{name}"
    if slot is None:
        return [NO_SUCH_SLOT.at(field, slot=name)]
    differs = slot.kind == "coupon" and slot.percent_off and not _is_so_much_off(slot, chosen)
    return [SLOT_DIFFERS.at(field, slot=name, percent=slot.percent_off)] if differs else []


def _is_so_much_off(slot: Slot, template_id: str) -> bool:
    """Whether the coupons of a template take so much off as the slot says; one that there is not is told of as the
    journey is published."""
    try:
        terms = coupon_templates.load(template_id).value.terms
    except MallError as fault:
        if fault.code != "not_found":
            raise
        return True
    return terms.kind == "percent_off" and terms.percent_off == slot.percent_off
