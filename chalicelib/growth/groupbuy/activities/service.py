"""Commands of operators about activities: make one, change it until it begins, end it early."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.commerce.catalogue.products.service import announce, retract
from chalicelib.commerce.catalogue.rules import ActivityCard
from chalicelib.commerce.catalogue.stock import pools, shards
from chalicelib.commerce.catalogue.tables import Products, product_key
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.orders.ports import CACHE
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.activities.queries import load
from chalicelib.growth.groupbuy.activities.rules import check_activity
from chalicelib.growth.groupbuy.inputs import ActivityInput
from chalicelib.growth.groupbuy.jobs import END_ACTIVITY
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.rules import Activity, Lottery
from chalicelib.growth.groupbuy.tables import GroupActivities, activity_item, activity_key
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction
from chalicelib.platform.store.versioned import refusal

#: Beyond these a slip of the finger would leave the calendar.
_YEARS = (1970, 9999)
_STALE = "the activity has changed"


def create(asked: ActivityInput) -> Activity:
    """Make an activity; pieces are set aside, and its product's page names it.

    The same once more is the same activity, unless that was ended early. Raises `invalid` naming the field,
    `stock_short`.
    """
    secret = ids.secret() if asked.kind == "lottery" else None
    now = clock.now()
    stock = {line.sku_id: line.pieces for line in asked.stock or []}
    activity_id = ids.derived("ga", ids.digest(msgspec.json.encode(asked)))
    known = read.get(GroupActivities, *activity_key(activity_id)[1])
    if known is not None:
        if not known.activity.ended_early:
            return known.activity
        activity_id = ids.new("ga")
    activity = _activity(asked, stock, activity_id, draw.secret_hash(secret) if secret else "", now)
    shards.consolidate_all(stock)
    tx = Transaction()
    tx.create(activity_item(activity, 1, secret), _STALE)
    for sku_id, pieces in stock.items():
        pools.set_aside(tx, sku_id, activity.pool, pieces, MallError("stock_short"))
    if stock:
        schedule(tx, REINDEX_PRODUCT, activity.product_id)
    _written(tx, activity)
    try:
        return _commit(tx, activity)
    except _Again:
        return load(activity_id).activity  # pressed twice at once


def change(activity_id: str, asked: ActivityInput) -> Activity:
    """Change an activity that has not begun; what was set aside cannot be changed, nor its product.

    Raises `not_found`, `activity_begun`, `invalid`, `conflict`.
    """
    return retry_busy(lambda: _change_once(activity_id, asked), _Again)


def end(activity_id: str) -> Activity:
    """End an activity early: no lobby is opened any more, those that are open live on. Twice is no error.

    Raises `not_found`, `conflict`.
    """
    return retry_busy(lambda: _end_once(activity_id), _Again)


class _Again(Exception):
    """Somebody else changed the activity between the read and the write."""


def _change_once(activity_id: str, asked: ActivityInput) -> Activity:
    known = load(activity_id)
    before = known.activity
    now = clock.now()
    if before.starts_at <= now or before.ended_early:
        raise MallError("activity_begun")
    if asked.product_id != before.product_id:
        raise invalid("product_id", "cannot be changed; make another activity")
    if asked.stock is not None and {line.sku_id: line.pieces for line in asked.stock} != before.stock:
        raise invalid("stock", "cannot be changed; end this activity and make another")
    if (asked.kind == "lottery") != (before.kind == "lottery"):
        raise invalid("kind", "a lottery cannot become something else, nor something else a lottery")
    after = _activity(asked, before.stock, activity_id, before.secret_hash, before.created_at)
    tx = Transaction()
    tx.put(activity_item(after, known.version + 1, known.secret), GroupActivities.version == known.version, _STALE)
    _written(tx, after)
    return _commit(tx, after)


def _end_once(activity_id: str) -> Activity:
    known = load(activity_id)
    before = known.activity
    now = clock.now()
    if before.ended_early or before.ends_at <= now:
        return before
    after = msgspec.structs.replace(before, ends_at=now, ended_early=True)
    tx = Transaction()
    tx.put(activity_item(after, known.version + 1, known.secret), GroupActivities.version == known.version, _STALE)
    retract(tx, after.product_id, activity_id)
    _owe_end(tx, after)
    return _commit(tx, after)


def _activity(
    asked: ActivityInput, stock: dict[str, int], activity_id: str, secret_hash: str, created_at: datetime
) -> Activity:
    """The activity that was asked for. Raises `invalid`."""
    product = read.get(Products, *product_key(asked.product_id)[1])
    if product is None:
        raise invalid("product_id", "no such product")
    if asked.stock is not None and len(stock) != len(asked.stock):
        raise invalid("stock", "each SKU once")
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
        raise invalid("lottery.losers_coupon", "no coupon template that can be granted")


def _utc(field: str, instant: datetime) -> datetime:
    if not _YEARS[0] <= instant.year < _YEARS[1]:
        raise invalid(field, f"a year from {_YEARS[0]} to {_YEARS[1]}")
    return clock.from_stamp(clock.stamp(instant))


def _written(tx: Transaction, activity: Activity) -> None:
    """What goes with an activity that is made or changed."""
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


def _commit(tx: Transaction, activity: Activity) -> Activity:
    try:
        tx.commit()
    except ConditionFailed as fault:
        raise refusal(fault.failed) or _Again from fault
    cache.forget(CACHE)
    cache.forget("catalogue")
    return activity
