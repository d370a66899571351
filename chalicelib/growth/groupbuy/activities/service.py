"""Commands of operators about activities: make one, change it until it begins, end it early."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.commerce.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.commerce.catalogue.products.service import announce, retract
from chalicelib.commerce.catalogue.rules import ActivityCard
from chalicelib.commerce.catalogue.stock import pools, shards
from chalicelib.commerce.catalogue.tables import Products, product_key
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.orders.ports import CACHE
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import NO_SUCH, YEAR_BETWEEN
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.activities.queries import ActivityRecord, find
from chalicelib.growth.groupbuy.activities.rules import check_activity
from chalicelib.growth.groupbuy.inputs import ActivityInput
from chalicelib.growth.groupbuy.jobs import END_ACTIVITY
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.refusals import (
    ACTIVITY_EXISTS,
    BEGUN,
    KIND_FIXED,
    NOT_GRANTABLE,
    PRODUCT_FIXED,
    SKU_TWICE,
    STOCK_FIXED,
    TOO_FEW_TO_SET_ASIDE,
)
from chalicelib.growth.groupbuy.rules import Activity, Lottery
from chalicelib.growth.groupbuy.tables import GroupActivities, activity_item, activity_key, body_key
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import cache, read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned

#: The first and the last year of an activity: beyond these a slip of the finger would leave the calendar.
_YEARS = (1970, 9998)


def create(asked: ActivityInput, operator: str = "", key: str = "") -> Activity:
    """Make an activity: pieces are set aside for it, and its product's page names it.

    It is the one that this operator's Idempotency-Key stands for. Without a key the very same activity is not made
    again while it is there and not over. Raises `invalid` naming the field, `stock_short`, `activity_exists` with the
    other's `activity_id`, `idempotency_key_reused`, `conflict`.
    """
    if not key:
        return versioned.retry(lambda: _create_new(asked))
    activity_id, digest = ids.derived("ga", operator, key), _digest(asked)
    return versioned.create_once(
        lambda: _known(activity_id) or _create(asked, activity_id, digest),
        lambda: _known(activity_id),
        lambda made: made.body_digest == digest,
    )


def _create_new(asked: ActivityInput) -> Activity:
    """Make the activity, unless the last that was made or changed by such a request is still the same."""
    body = read.get(GroupActivities, *body_key(_digest(asked))[1])
    made = None if body is None else body.made
    # Older versions named an activity by the request that made it.
    known = _known(made or ids.derived("ga", _digest(asked)))
    if known is not None and _terms(asked, known) == known:
        error = ACTIVITY_EXISTS.at("name")
        raise MallError("activity_exists", activity_id=known.activity_id, errors=(error,))
    same = GroupActivities.made.does_not_exist() if made is None else GroupActivities.made == made
    return _create(asked, ids.new("ga"), "", same)


def _terms(asked: ActivityInput, known: Activity) -> Activity:
    """Make of the known activity what is asked for. Raises `invalid`."""
    stock = {line.sku_id: line.pieces for line in asked.stock or []}
    made = _activity(asked, stock, known.activity_id, known.secret_hash, known.created_at)
    return msgspec.structs.replace(made, body_digest=known.body_digest)


def _create(
    asked: ActivityInput, activity_id: str, body_digest: str, same: Condition | None = None
) -> Activity:  # fmt: skip
    """Make the activity, while what is known of requests with this body is the `same`."""
    secret = ids.secret() if asked.kind == "lottery" else None
    stock = {line.sku_id: line.pieces for line in asked.stock or []}
    made = _activity(asked, stock, activity_id, draw.secret_hash(secret) if secret else "", clock.now())
    activity = msgspec.structs.replace(made, body_digest=body_digest)
    shards.consolidate_all(stock)
    tx = Transaction()
    tx.create(activity_item(activity, 1, secret), Conflict)
    _note_body(tx, asked, activity_id, same)
    for index, (sku_id, pieces) in enumerate(stock.items()):
        error = TOO_FEW_TO_SET_ASIDE.at(f"stock[{index}].pieces", sku_id=sku_id, pieces=pieces)
        pools.set_aside(tx, sku_id, activity.pool, pieces, MallError("stock_short", errors=(error,)))
    if stock:
        schedule(tx, REINDEX_PRODUCT, activity.product_id)
    _announce(tx, activity)
    _forget_afterwards(tx)
    versioned.commit(tx)
    return activity


def _note_body(tx: Transaction, asked: ActivityInput, activity_id: str, same: Condition | None = None) -> None:
    """Note which activity such a request has made, or changed, last, as part of `tx`."""
    tx.update(*body_key(_digest(asked)), [GroupActivities.made.set(activity_id)], same, Conflict)


def _digest(asked: ActivityInput) -> str:
    return ids.digest(msgspec.json.encode(asked))


def _known(activity_id: str) -> Activity | None:
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    return None if item is None else item.activity


def change(activity_id: str, asked: ActivityInput) -> Activity:
    """Change an activity that has not begun; what was set aside cannot be changed, nor its product.

    Raises `not_found`, `activity_begun`, `invalid`, `conflict`.
    """

    def decide(before: ActivityRecord, tx: Transaction) -> ActivityRecord:
        _check_change(before.activity, asked, clock.now())
        same = before.activity
        after = _activity(asked, same.stock, activity_id, same.secret_hash, same.created_at)
        after = msgspec.structs.replace(after, body_digest=same.body_digest)
        _note_body(tx, asked, activity_id)
        _announce(tx, after)
        return msgspec.structs.replace(before, activity=after)

    return versioned.change(lambda: find(activity_id), decide, _write).activity


def end(activity_id: str) -> Activity:
    """End an activity early: no lobby is opened any more, those that are open live on. Twice is no error.

    Raises `not_found`, `conflict`.
    """
    return versioned.change(lambda: find(activity_id), _end, _write).activity


def _end(before: ActivityRecord, tx: Transaction) -> ActivityRecord:
    now = clock.now()
    if before.activity.ended_early or before.activity.ends_at <= now:
        return before
    after = msgspec.structs.replace(before.activity, ends_at=now, ended_early=True)
    retract(tx, after.product_id, after.activity_id)
    _owe_end(tx, after)
    return msgspec.structs.replace(before, activity=after)


def _write(tx: Transaction, before: Versioned[ActivityRecord], after: ActivityRecord) -> None:
    """Add the changed activity to `tx`, under the version that was read."""
    item = activity_item(after.activity, before.version + 1, after.secret)
    tx.put(item, GroupActivities.version == before.version, Conflict)
    _forget_afterwards(tx)


def _forget_afterwards(tx: Transaction) -> None:
    """Let this process read activities and products anew once `tx` is committed."""
    tx.after_commit(cache.forget, CACHE)
    tx.after_commit(cache.forget, "catalogue")


def _check_change(before: Activity, asked: ActivityInput, now: datetime) -> None:
    """Raise `activity_begun`, and `invalid` for what cannot be changed."""
    if before.starts_at <= now or before.ended_early:
        raise MallError("activity_begun", errors=(BEGUN.at("activity_id"),))
    if asked.product_id != before.product_id:
        raise invalid(PRODUCT_FIXED.at("product_id"))
    if asked.stock is not None and {line.sku_id: line.pieces for line in asked.stock} != before.stock:
        raise invalid(STOCK_FIXED.at("stock"))
    if (asked.kind == "lottery") != (before.kind == "lottery"):
        raise invalid(KIND_FIXED.at("kind"))


def _activity(
    asked: ActivityInput, stock: dict[str, int], activity_id: str, secret_hash: str, created_at: datetime
) -> Activity:
    """Make the activity that was asked for. Raises `invalid`."""
    product = read.get(Products, *product_key(asked.product_id)[1])
    if product is None:
        raise invalid(NO_SUCH.at("product_id"))
    if asked.stock is not None and len(stock) != len(asked.stock):
        raise invalid(SKU_TWICE.at("stock"))
    fields: dict[str, Any] = {
        field: getattr(asked, field) for field in asked.__struct_fields__ if field in Activity.__struct_fields__
    }
    fields |= {field: _utc(field, fields[field]) for field in ("starts_at", "ends_at")}
    if asked.kind == "lottery" and asked.lottery is None:
        fields["lottery"] = Lottery(winners=1)
    fields |= {"stock": stock, "secret_hash": secret_hash, "created_at": created_at}
    activity = Activity(activity_id=activity_id, **fields)
    _check_coupon(activity)
    check_activity(activity, [sku.sku_id for sku in product.product.skus], clock.now())
    return activity


def _check_coupon(activity: Activity) -> None:
    template_id = activity.lottery.losers_coupon if activity.lottery is not None else None
    if template_id is None:
        return
    try:
        offered_how = template_queries.load(template_id).value.how
    except MallError:
        offered_how = []
    if "grant" not in offered_how:
        raise invalid(NOT_GRANTABLE.at("lottery.losers_coupon"))


def _utc(field: str, instant: datetime) -> datetime:
    if not _YEARS[0] <= instant.year <= _YEARS[1]:
        raise invalid(YEAR_BETWEEN.at(field, low=_YEARS[0], high=_YEARS[1]))
    return clock.from_stamp(clock.stamp(instant))


def _announce(tx: Transaction, activity: Activity) -> None:
    """Show an activity that is made or changed on its product's page, and owe its end, as part of `tx`."""
    lowest = min(price.price_fen for price in activity.prices)
    sizes = {size for name in activity.variant_names for size in activity.offer(name)[0]}
    card = ActivityCard(
        activity_id=activity.activity_id, kind=activity.kind, starts_at=activity.starts_at, ends_at=activity.ends_at,
        sizes=sorted(sizes), price_fen=None if activity.variants else lowest,
    )  # fmt: skip
    announce(tx, activity.product_id, card)
    _owe_end(tx, activity)


def _owe_end(tx: Transaction, activity: Activity) -> None:
    schedule(tx, END_ACTIVITY, activity.activity_id, rules.wound_up_at(activity))
