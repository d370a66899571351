"""Templates: made, changed, published and paused by operators; what became of their coupons.

Coupons that members hold carry a copy of their terms: no change of a template reaches them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from chalicelib.catalogue import naming
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.shards import even
from chalicelib.coupons import rules, stock
from chalicelib.coupons.rules import Figures, How, Template, TemplateChange, TemplateInput, TemplateState
from chalicelib.coupons.stock import CACHE
from chalicelib.coupons.tables import (
    ALL,
    PUBLISHED,
    CouponCounters,
    CouponTemplates,
    stock_key,
    template_item,
    used_key,
)
from chalicelib.store import cache, cursor, read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import ConditionFailed, Transaction

_LISTING = "coupon-templates"
_STALE = "the template has changed"


class Known(msgspec.Struct, frozen=True):
    """A template as it was read."""

    template: Template
    version: int


class _Again(Exception):
    """Somebody else changed the template, or took from its stock, between the read and the write."""


def create(asked: TemplateInput) -> Template:
    """Make a template with its stock. Raises `invalid` naming the fields."""
    template = _template(asked, ids.new("t"), clock.now(), rules.shards_for(asked.total))
    _check_end(template)
    if asked.publish:
        template = msgspec.structs.replace(template, state="published")
    tx = Transaction()
    tx.create(template_item(template, 1), _STALE)
    stock.supply(tx, template.template_id, even(template.total, template.shards))
    tx.commit()
    cache.forget(CACHE)
    return template


def change(template_id: str, asked: TemplateChange) -> Template:
    """Change a template for those who get a coupon from now on; its stock grows or shrinks with `total`.

    Raises `not_found`, `conflict`, and `invalid` naming the fields, also where more were issued than are to be.
    """
    return retry_busy(lambda: _change_once(template_id, asked), _Again)


def publish(template_id: str) -> Template:
    """Let members get it. Repeatable. Raises `not_found`, `conflict`, `invalid` when its time is over."""

    def published(before: Template) -> TemplateState:
        _check_end(before)
        return "published"

    return _move(template_id, published)


def pause(template_id: str) -> Template:
    """Let nobody get it until it is published again. Repeatable; a draft stays one. Raises `not_found`, `conflict`."""
    return _move(template_id, lambda before: "draft" if before.state == "draft" else "paused")


def load(template_id: str) -> Known:
    """The template as it is now. Raises `not_found`."""
    item = read.get(CouponTemplates, template_id)
    if item is None:
        raise MallError("not_found")
    return Known(item.template, int(item.version))


def remembered(template_id: str) -> Template:
    """The template, possibly a second old. Raises `not_found`."""
    return cache.remember((CACHE, "template", template_id), lambda: load(template_id).template)


def refreshed(template_id: str) -> Template:
    """The template as it is now, which is remembered from now on. Raises `not_found`."""
    return cache.keep((CACHE, "template", template_id), load(template_id).template)


def offered(how: How) -> list[Template]:
    """The templates that can be got in this way now, the newest first; possibly a second old."""
    now = clock.now()
    found = [each for each in cache.remember((CACHE, "offered"), _published) if how in each.how]
    return [each for each in found if each.is_offered(now)]


def page(limit: int, given: str | None) -> tuple[list[Template], str | None]:
    """A page of all templates, the newest first, and where the next one starts."""
    after = cursor.read(_LISTING, given)
    index = CouponTemplates.by_age
    items, rest = read.query(CouponTemplates, ALL, index=index, forward=False, limit=limit, after=after)
    return [CouponTemplates.from_raw_data(raw).template for raw in items], cursor.write(_LISTING, rest)


def figures(templates: Sequence[Template]) -> list[Figures]:
    """What became of the coupons of each template. What used ones took off is counted a moment after it happens."""
    places = [(each.template_id, shard) for each in templates for shard in range(each.shards)]
    found = read.batch_get([key(*place) for place in places for key in (stock_key, used_key)], consistent=False)
    sums: dict[str, Figures] = {each.template_id: Figures() for each in templates}
    for number, item in enumerate(found):
        template_id = places[number // 2][0]
        if item is not None:
            sums[template_id] = _added(sums[template_id], item)
    return [sums[each.template_id] for each in templates]


def _published() -> list[Template]:
    where = CouponTemplates.ends > clock.stamp(clock.now())
    items = read.query_all(CouponTemplates, PUBLISHED, index=CouponTemplates.by_offer, where=where)
    return sorted((item.template for item in items), key=lambda each: (each.created_at, each.template_id), reverse=True)


def _change_once(template_id: str, asked: TemplateChange) -> Template:
    known = load(template_id)
    before = known.template
    shards = max(before.shards, rules.shards_for(asked.total))
    after = msgspec.structs.replace(_template(asked, template_id, before.created_at, shards), state=before.state)
    if after.valid.until != before.valid.until:
        _check_end(after)
    tx = Transaction()
    tx.put(template_item(after, known.version + 1), CouponTemplates.version == known.version, _STALE)
    more = after.total - before.total
    if more > 0:
        stock.supply(tx, template_id, even(more, shards))
    elif more < 0:
        frees = stock.look(before)
        if sum(frees) < -more:
            raise invalid("total", f"{before.total - sum(frees)} were issued already")
        stock.withdraw(tx, template_id, stock.like(-more, frees), _STALE)
    return _commit(tx, after)


def _move(template_id: str, decide: Callable[[Template], TemplateState]) -> Template:
    def once() -> Template:
        known = load(template_id)
        before = known.template
        after = msgspec.structs.replace(before, state=decide(before))
        if after == before:
            return before
        tx = Transaction()
        tx.put(template_item(after, known.version + 1), CouponTemplates.version == known.version, _STALE)
        return _commit(tx, after)

    return retry_busy(once, _Again)


def _commit(tx: Transaction, template: Template) -> Template:
    try:
        tx.commit()
    except ConditionFailed as fault:
        raise _Again from fault
    cache.forget(CACHE)
    return template


def _template(asked: TemplateChange, template_id: str, created_at: datetime, shards: int) -> Template:
    """The draft that was asked for. Raises `invalid`."""
    rules.check(asked)
    naming.check(asked.scope.named())
    return Template(
        template_id=template_id, name=asked.name, state="draft", terms=rules.terms_of(asked), total=asked.total,
        limit_per_member=asked.limit_per_member, valid=_cut(asked.valid), how=asked.how, audience=asked.audience,
        share_limit=asked.share_limit or 0, shards=shards, created_at=created_at,
    )  # fmt: skip


def _check_end(template: Template) -> None:
    if template.is_over(clock.now()):
        raise invalid("valid.until", "its time is over")


def _cut(valid: rules.Validity) -> rules.Validity:
    """To the millisecond, as everything is kept."""

    def cut(instant: datetime | None) -> datetime | None:
        return None if instant is None else clock.from_stamp(clock.stamp(instant))

    return rules.Validity(begins=cut(valid.begins), until=cut(valid.until), days=valid.days)


def _added(sums: Figures, item: CouponCounters) -> Figures:
    return Figures(
        issued=sums.issued + int(item.issued or 0),
        left=sums.left + int(item.free or 0),
        used=sums.used + int(item.used or 0),
        off_fen=sums.off_fen + int(item.off_fen or 0),
        paid_fen=sums.paid_fen + int(item.paid_fen or 0),
    )
