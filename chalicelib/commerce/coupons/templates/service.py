"""Commands of operators about coupon templates: make, change, publish and pause one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from chalicelib.commerce.catalogue.references import queries as references
from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.inputs import TemplateChangeInput, TemplateInput
from chalicelib.commerce.coupons.rules import Template, TemplateState
from chalicelib.commerce.coupons.stock import service as stock
from chalicelib.commerce.coupons.stock.service import CACHE
from chalicelib.commerce.coupons.tables import CouponTemplates, template_item
from chalicelib.commerce.coupons.templates import rules as template_rules
from chalicelib.commerce.coupons.templates.queries import load
from chalicelib.core import clock, ids
from chalicelib.core.errors import invalid
from chalicelib.core.shards import even
from chalicelib.platform.store import cache
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

_STALE = "the template has changed"


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


def change(template_id: str, asked: TemplateChangeInput) -> Template:
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


def _change_once(template_id: str, asked: TemplateChangeInput) -> Template:
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


def _template(asked: TemplateChangeInput, template_id: str, created_at: datetime, shards: int) -> Template:
    """The draft that was asked for. Raises `invalid`."""
    template_rules.check_template(asked)
    references.check(asked.scope.named())
    return Template(
        template_id=template_id, name=asked.name, state="draft", terms=template_rules.terms_of(asked),
        total=asked.total, limit_per_member=asked.limit_per_member, valid=_cut(asked.valid), how=asked.how,
        audience=asked.audience, share_limit=asked.share_limit or 0, shards=shards, created_at=created_at,
    )  # fmt: skip


def _check_end(template: Template) -> None:
    if template.is_over(clock.now()):
        raise invalid("valid.until", "its time is over")


def _cut(valid: rules.Validity) -> rules.Validity:
    """To the millisecond, as everything is kept."""

    def cut(instant: datetime | None) -> datetime | None:
        return None if instant is None else clock.from_stamp(clock.stamp(instant))

    return rules.Validity(begins=cut(valid.begins), until=cut(valid.until), days=valid.days)
