"""Commands of operators about what is defined. Each makes a generation of the book; everybody is looked at for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.references import queries as references
from chalicelib.commerce.catalogue.rules import Named
from chalicelib.commerce.coupons.bulk_issue import queries as grants
from chalicelib.commerce.coupons.refusals import NO_SUCH_TEMPLATE
from chalicelib.commerce.coupons.templates import queries as templates
from chalicelib.commerce.pricing import queries as pricing
from chalicelib.core import clock, ids
from chalicelib.core.errors import FieldError, MallError
from chalicelib.customers.events.plan.rules import PLAN
from chalicelib.growth.segments.building import service as building
from chalicelib.growth.segments.definitions import queries
from chalicelib.growth.segments.definitions.rules import (
    DEFINITIONS_MAX,
    SEGMENT_IDS,
    TAG_IDS,
    Book,
    Definition,
    book_of,
    check_needs,
    users_of,
)
from chalicelib.growth.segments.inputs import SegmentInput, TagChangeInput, TagInput
from chalicelib.growth.segments.jobs import READ_AGAIN
from chalicelib.growth.segments.language.rules import (
    Happened,
    HasCoupon,
    HasTag,
    InSegment,
    Leaf,
    Purchases,
    leaves_of,
    parsed,
)
from chalicelib.growth.segments.ports import users_above
from chalicelib.growth.segments.refusals import (
    BY_CLIENTS_ALONE,
    IN_USE,
    KEPT_SHORTER,
    NO_SUCH_EVENT,
    NO_SUCH_PROP,
    NO_SUCH_SEGMENT,
    NO_SUCH_TAG,
    TAG_THERE,
    TOO_MANY_DEFINITIONS,
)
from chalicelib.growth.segments.tables import ALL, DEFINITION, Segments, version_part
from chalicelib.growth.segments.traits.rules import DAY_MS
from chalicelib.growth.segments.unreadable.service import next_look
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry


def create_segment(asked: SegmentInput) -> Definition:
    """Define a segment. Raises `malformed`, `rule_invalid`, `rule_too_large`, `segment_cycle`, `conflict`, and
    `invalid` where there are too many."""
    now = clock.now()
    return _create(
        Definition(
            segment_id=ids.new(SEGMENT_IDS), name=asked.name, rule=asked.rule, shown=asked.shown,
            from_now_on=asked.from_now_on, generation=0, made_at=now, changed_at=now,
        )
    )  # fmt: skip


def create_tag(asked: TagInput) -> Definition:
    """Define a tag. Raises as `create_segment` does, and `invalid` where there is one of this name."""
    now = clock.now()
    return _create(
        Definition(
            segment_id=ids.new(TAG_IDS), name=asked.name, tag=asked.name, rule=asked.rule, group=asked.group or "",
            wecom=asked.wecom, ttl_days=asked.ttl_days, from_now_on=asked.from_now_on, generation=0, made_at=now,
            changed_at=now,
        )
    )  # fmt: skip


def change_segment(segment_id: str, asked: SegmentInput) -> Definition:
    """Define a segment anew: a new version, where its rule is another. Raises `not_found`, and as `create_segment`."""

    def changed(before: Definition) -> Definition:
        if before.tag:
            raise MallError("not_found")
        return msgspec.structs.replace(
            before, name=asked.name, rule=asked.rule, shown=asked.shown, from_now_on=asked.from_now_on
        )

    return _change(segment_id, changed)


def change_tag(segment_id: str, asked: TagChangeInput) -> Definition:
    """Define a tag anew. Raises `not_found`, and as `create_segment` does."""

    def changed(before: Definition) -> Definition:
        if not before.tag:
            raise MallError("not_found")
        return msgspec.structs.replace(
            before, rule=asked.rule, group=asked.group or "", wecom=asked.wecom, ttl_days=asked.ttl_days,
            from_now_on=asked.from_now_on,
        )  # fmt: skip

    return _change(segment_id, changed)


def read_again(job: Job) -> None:
    """Define anew, as it is, what could not be read, once it can be: what happened meanwhile passed it by, so that
    everybody is looked at for it. Until then that is owed."""
    book = queries.fresh()
    entry = book.entries.get(job.key)
    if entry is None:  # it was taken away, for which everybody is looked at
        return
    tx = Transaction()
    if entry.unreadable:
        schedule(tx, READ_AGAIN, job.key, next_look())
    else:
        before = entry.definition
        generation = building.next_generation(tx, book.generation)
        _put(tx, msgspec.structs.replace(before, version=before.version + 1, generation=generation), before)
    job.finish(tx)
    commit(tx)
    queries.forget()


def delete(segment_id: str, is_tag: bool) -> None:
    """Take a segment or a tag away from everybody. Raises `not_found`; `in_use`, naming what still names it."""

    def once() -> None:
        book = queries.fresh()
        before = _defined(book, segment_id)
        if bool(before.tag) is not is_tag:
            raise MallError("not_found")
        users = _users(book, before)
        if users:
            raise MallError("in_use", errors=(IN_USE.at("segment_id", users=users),), users=users)
        tx = Transaction()
        building.next_generation(tx, book.generation)
        tx.delete(Segments, (ALL, DEFINITION + segment_id), Segments.part.exists(), Conflict)
        commit(tx)

    retry(once)
    queries.forget()


def _users(book: Book, definition: Definition) -> list[str]:
    """What names a definition: other rules, what `_gives` lists, and what wings above have."""
    named = [f"segment:{one}" for one in users_of(book, definition)] + _gives(definition)
    return named + users_above(definition.segment_id, definition.tag)


def _create(definition: Definition) -> Definition:
    def once() -> Definition:
        book = queries.fresh()
        own = book.own
        if len(own) >= DEFINITIONS_MAX:
            raise MallError("invalid", errors=(TOO_MANY_DEFINITIONS.at("name", limit=DEFINITIONS_MAX),))
        if definition.tag and book.named(definition.tag) is not None:
            raise MallError("invalid", errors=(TAG_THERE.at("name"),))
        tx = Transaction()
        made = msgspec.structs.replace(definition, generation=building.next_generation(tx, book.generation))
        _check(book, [*own, made], made)
        _put(tx, made)
        commit(tx)
        return made

    made = retry(once)
    queries.forget()
    return made


def _change(segment_id: str, changed: Callable[[Definition], Definition]) -> Definition:
    def once() -> Definition:
        book = queries.fresh()
        before = _defined(book, segment_id)
        after = changed(before)
        if after == before:
            return before
        tx = Transaction()
        decided = (after.rule, after.ttl_days, after.from_now_on) != (before.rule, before.ttl_days, before.from_now_on)
        generation = building.next_generation(tx, book.generation) if decided else before.generation
        after = msgspec.structs.replace(
            after, version=before.version + 1, generation=generation,
            changed_at=clock.now() if decided else before.changed_at,
        )  # fmt: skip
        _check(book, [after if one.segment_id == segment_id else one for one in book.own], after)
        if not decided:
            building.touch(tx, book.generation)
        _put(tx, after, before)
        commit(tx)
        return after

    made = retry(once)
    queries.forget()
    return made


def _defined(book: Book, segment_id: str) -> Definition:
    entry = book.entries.get(segment_id)
    if entry is None or not entry.definition.generation:  # those of the life cycle are nobody's to change
        raise MallError("not_found")
    return entry.definition


def _put(tx: Transaction, after: Definition, before: Definition | None = None) -> None:
    """Write a definition and keep its version, under what was read."""
    item = Segments(ALL, DEFINITION + after.segment_id, definition=after)
    if before is None:
        tx.create(item, Conflict)
    else:
        tx.put(item, Segments.definition == before, Conflict)
    tx.put(Segments(ALL, version_part(after.segment_id, after.version), definition=after))


def _check(book: Book, definitions: Collection[Definition], changed: Definition) -> None:
    """Refuse a definition whose rule names what there is not, or that comes round to itself."""
    if changed.rule is None:
        return
    check_names(changed.rule, {one.segment_id for one in definitions if not one.tag}, [one.tag for one in definitions])
    after = book_of(definitions, book.generation, book.built, book.bounds)
    check_needs(after)
    for segment_id, entry in after.entries.items():
        before = book.entries.get(segment_id)
        if not entry.proven and (before is None or before.proven) and _gives(entry.definition):
            raise MallError("rule_invalid", errors=(BY_CLIENTS_ALONE.at("rule"),))


def _gives(definition: Definition) -> list[str]:
    """What a coupon template, a grant under way or a promotion gives to the members of a segment, or to those who have
    a tag; as "kind:id", a grant as "grant:template/id"."""
    if definition.tag:
        coupons = [f"coupon:{one}" for one, _ in templates.naming_tag(definition.tag)]
        return coupons + [f"grant:{one}/{grant_id}" for one, grant_id in grants.naming_tag(definition.tag)]
    named = definition.segment_id
    coupons = [f"coupon:{one}" for one, _ in templates.naming_segment(named)]
    coupons += [f"grant:{one}/{grant_id}" for one, grant_id in grants.naming_segment(named)]
    return coupons + [f"promotion:{one}" for one, _ in pricing.naming_segment(named)]


def check_rule(rule: Any) -> None:
    """Refuse a rule that is to be tried, as one that is to be kept. Raises as `create_segment` does."""
    own = queries.book().own
    check_names(rule, {one.segment_id for one in own if not one.tag}, [one.tag for one in own])


def check_names(rule: Any, segment_ids: Collection[str], tags: Collection[str]) -> None:
    """Refuse a rule that names a segment, a tag, an event, a coupon template or goods that there are not. Raises
    `rule_invalid`, naming each place; `malformed`, `rule_too_large`."""
    leaves = list(leaves_of(parsed(rule)))
    errors = [error for path, leaf in leaves for error in _missing(leaf, path, segment_ids, tags)]
    if errors:
        raise MallError("rule_invalid", errors=tuple(errors))
    try:
        references.check([named for path, leaf in leaves for named in _goods(leaf, path)])
    except MallError as fault:
        if fault.code != "invalid":
            raise
        raise MallError("rule_invalid", errors=fault.errors) from None


def _missing(leaf: Leaf, path: str, segment_ids: Collection[str], tags: Collection[str]) -> Iterator[FieldError]:
    if isinstance(leaf, InSegment) and leaf.segment not in segment_ids:
        yield NO_SUCH_SEGMENT.at(f"{path}.segment", segment_id=leaf.segment)
    elif isinstance(leaf, HasTag) and leaf.tag not in tags:
        yield NO_SUCH_TAG.at(f"{path}.tag", tag=leaf.tag)
    elif isinstance(leaf, HasCoupon) and not templates.is_there(leaf.coupon):
        yield NO_SUCH_TEMPLATE.at(f"{path}.coupon")
    elif isinstance(leaf, Happened):
        planned = PLAN.get(leaf.event)
        if planned is None or planned.by != "client":
            yield NO_SUCH_EVENT.at(f"{path}.event")
        else:
            if leaf.window_ms > planned.keep_days * DAY_MS:
                window = "within_days" if leaf.within_hours is None else "within_hours"
                yield KEPT_SHORTER.at(f"{path}.{window}", limit=planned.keep_days)
            for prop, value in leaf.where.items():
                known = planned.props.get(prop)
                if known is None or not known.takes(value):
                    yield NO_SUCH_PROP.at(f"{path}.where.{prop}")


def _goods(leaf: Leaf, path: str) -> Iterator[Named]:
    if isinstance(leaf, Purchases) and leaf.of is not None:
        if leaf.of.category_id is not None:
            yield Named(f"{path}.of.category_id", "category", leaf.of.category_id)
        if leaf.of.product_id is not None:
            yield Named(f"{path}.of.product_id", "product", leaf.of.product_id)
