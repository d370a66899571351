"""Commands of operators about coupon templates: make, change, publish and pause one."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.commerce.catalogue.references import queries as references
from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.agreement import service as agreement
from chalicelib.commerce.coupons.agreement.rules import kept_agreed, waits
from chalicelib.commerce.coupons.audiences import queries as audiences
from chalicelib.commerce.coupons.inputs import TemplateChangeInput, TemplateInput
from chalicelib.commerce.coupons.refusals import ISSUED_ALREADY
from chalicelib.commerce.coupons.rules import Template
from chalicelib.commerce.coupons.stock import queries as stock_queries
from chalicelib.commerce.coupons.stock import service as stock
from chalicelib.commerce.coupons.stock.queries import CACHE
from chalicelib.commerce.coupons.tables import CouponTemplates, template_item
from chalicelib.commerce.coupons.templates import rules as template_rules
from chalicelib.commerce.coupons.templates.queries import load
from chalicelib.core import clock, ids
from chalicelib.core.errors import invalid
from chalicelib.core.refusals import IS_OVER
from chalicelib.core.shards import even
from chalicelib.platform.store import cache, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit, retry


def create(asked: TemplateInput, operator: str = "") -> Template:
    """Make a template with its stock; it stays a draft where publishing it wants a second operator.

    Raises `invalid` naming the fields, `conflict`.
    """
    _check(asked)
    draft = _template(asked, ids.new("t"), clock.now(), rules.shards_for(asked.total))
    _check_end(draft)

    def once() -> Template:
        tx = Transaction()
        template = agreement.published(tx, draft, operator) if asked.publish else draft
        tx.create(template_item(template, 1))
        stock.supply(tx, template.template_id, even(template.total, template.shards))
        tx.after_commit(cache.forget, CACHE)
        commit(tx)
        return template

    return retry(once)


def change(template_id: str, asked: TemplateChangeInput, operator: str = "") -> Template:
    """Change a template for those who get a coupon from now on; its stock grows or shrinks with `total`.

    A published one is paused where it wants a second operator as it is now. Raises `not_found`, `conflict`,
    `second_operator`, and `invalid` naming the fields, also where more were issued than are to be.
    """
    found = load(template_id)
    _check(asked)

    def changed(before: Template, tx: Transaction) -> Template:
        shards = max(before.shards, rules.shards_for(asked.total))
        after = msgspec.structs.replace(_template(asked, template_id, before.created_at, shards), state=before.state)
        if after.valid.until != before.valid.until:
            _check_end(after)
        _resize(tx, before, after)
        after = kept_agreed(before, after)
        if before.state == "published" and not agreement.is_settled(after):
            after = agreement.published(tx, msgspec.structs.replace(after, state="paused"), operator)
        return after

    return versioned.change(lambda: load(template_id), changed, _write, found=found)


def publish(template_id: str, operator: str = "") -> Template:
    """Let members get it; or keep the first operator's decision, where it wants a second's. Repeatable.

    Raises `not_found`, `conflict`, `invalid` when its time is over, `second_operator` where they decided first.
    """

    def published(before: Template, tx: Transaction) -> Template:
        _check_end(before)
        if before.state == "published" and agreement.is_settled(before):
            return before
        return agreement.published(tx, before, operator)

    return versioned.change(lambda: load(template_id), published, _write)


def pause(template_id: str) -> Template:
    """Let nobody get it until it is published again. Repeatable; a draft stays one. A first operator's decision that
    waits for the second's is taken back. Raises `not_found`, `conflict`."""

    def paused(before: Template, _: Transaction) -> Template:
        if waits(before):
            before = msgspec.structs.replace(before, agreed=[])
        return msgspec.structs.replace(before, state="paused") if before.state == "published" else before

    return versioned.change(lambda: load(template_id), paused, _write)


def _resize(tx: Transaction, before: Template, after: Template) -> None:
    """Add to the stock, or take from what is free of it, until it is the new total. Raises `invalid`."""
    more = after.total - before.total
    if more > 0:
        stock.supply(tx, after.template_id, even(more, after.shards))
    elif more < 0:
        frees = stock_queries.free_now(before)
        if sum(frees) < -more:
            raise invalid(ISSUED_ALREADY.at("total", issued=before.total - sum(frees)))
        stock.withdraw(tx, after.template_id, stock.in_proportion(-more, frees), Conflict)


def _write(tx: Transaction, before: Versioned[Template], after: Template) -> None:
    tx.put(template_item(after, before.version + 1), CouponTemplates.version == before.version, Conflict)
    tx.after_commit(cache.forget, CACHE)


def _check(asked: TemplateChangeInput) -> None:
    """Raise `invalid` where fields do not go together, or name what the catalogue does not have, or no segment."""
    template_rules.check_template(asked)
    references.check(asked.scope.named())
    audiences.check_audience(asked.audience)


def _template(asked: TemplateChangeInput, template_id: str, created_at: datetime, shards: int) -> Template:
    """Make the draft that was asked for."""
    return Template(
        template_id=template_id, name=asked.name, state="draft", terms=template_rules.terms_of(asked),
        total=asked.total, limit_per_member=asked.limit_per_member, valid=_cut(asked.valid), how=asked.how,
        audience=asked.audience, share_limit=asked.share_limit or 0, shards=shards, created_at=created_at,
    )  # fmt: skip


def _check_end(template: Template) -> None:
    if template.is_over(clock.now()):
        raise invalid(IS_OVER.at("valid.until"))


def _cut(valid: rules.Validity) -> rules.Validity:
    """Cut both instants to the millisecond, as everything is stored."""

    def cut(instant: datetime | None) -> datetime | None:
        return None if instant is None else clock.from_stamp(clock.stamp(instant))

    return rules.Validity(begins=cut(valid.begins), until=cut(valid.until), days=valid.days)
