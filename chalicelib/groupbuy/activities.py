"""Activities: made, changed until they begin, ended early; found by shoppers and operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib.catalogue import pools, shards
from chalicelib.catalogue.activities import announce, retract
from chalicelib.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.catalogue.rules import ActivityCard
from chalicelib.catalogue.tables import Products, pool_key, product_key, stock_key
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.coupons import templates
from chalicelib.groupbuy import draw, rules
from chalicelib.groupbuy.checks import check_activity
from chalicelib.groupbuy.jobs import END_ACTIVITY
from chalicelib.groupbuy.rules import Activity, Kind, Lottery, Prices, SetAside, Sizes, Variant
from chalicelib.groupbuy.tables import ALL, GroupActivities, activity_item, activity_key
from chalicelib.jobs.queue import schedule
from chalicelib.orders.groups import CACHE, refusal
from chalicelib.store import cache, cursor, read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import ConditionFailed, Transaction
from chalicelib.web.types import Id

#: Beyond these a slip of the finger would leave the calendar.
_YEARS = (1970, 9999)
_STALE = "the activity has changed"
Title = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]


class ActivityInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group-buy as an operator names it. `sizes` of a ladder are its steps; `limit_per_member` counts pieces;
    with `min_fill` paid seats a lobby succeeds at its expiry; without `stock` it sells from the SKUs' own; a lottery
    of which nothing is said draws one winner in each lobby, who gets the goods."""

    product_id: Id
    kind: Kind
    name: Title = ""
    sizes: Sizes
    prices: Prices
    lobby_minutes: Annotated[int, Meta(ge=1, le=60 * 24 * 30)] = 24 * 60
    starts_at: Annotated[datetime, Meta(tz=True)]
    ends_at: Annotated[datetime, Meta(tz=True)]
    limit_per_member: Annotated[int, Meta(ge=1, le=999)] | None = None
    min_fill: Annotated[int, Meta(ge=1, le=100)] | None = None
    new_customers_only: bool = False
    stock: Annotated[list[SetAside], Meta(max_length=40)] | None = None
    variants: Annotated[list[Variant], Meta(max_length=5)] = []
    lottery: Lottery | None = None


class Known(msgspec.Struct, frozen=True):
    """An activity as it was read."""

    activity: Activity
    version: int
    secret: str | None
    drawn: bool


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
    shards.gather_all(stock)
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


def load(activity_id: str) -> Known:
    """The activity as it is now. Raises `not_found`."""
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    if item is None:
        raise MallError("not_found")
    return _known(item)


def remembered(activity_id: str) -> Known:
    """The activity, possibly a second old. Raises `not_found`."""
    return cache.remember((CACHE, "activity", activity_id), lambda: load(activity_id))


def running(limit: int, given: str | None) -> tuple[list[Activity], str | None]:
    """A page of the activities that are not over, whose product is on sale, by their end: for shoppers."""
    found, next_cursor = _page(limit, given, GroupActivities.ends > clock.stamp(clock.now()))
    products = read.batch_get([product_key(one.product_id) for one in found], consistent=False) if found else []
    on_sale = {item.product_id for item in products if item is not None and item.product.published}
    return [one for one in found if one.product_id in on_sale], next_cursor


def every(limit: int, given: str | None) -> tuple[list[Activity], str | None]:
    """A page of all activities, those that end last first: for operators."""
    return _page(limit, given, None)


def _page(limit: int, given: str | None, where: Any) -> tuple[list[Activity], str | None]:
    listing = f"group-activities:{where is None}"
    after = cursor.read(listing, given)
    forward = where is not None
    items, rest = read.query(
        GroupActivities, ALL, index=GroupActivities.by_end, where=where, forward=forward, limit=limit, after=after
    )
    return [GroupActivities.from_raw_data(raw).activity for raw in items], cursor.write(listing, rest)


def offered(activity_id: str) -> tuple[Activity, dict[str, int]]:
    """An activity whose product is on sale, and what can be bought of each of its SKUs now: in its pool, where it has
    one. Possibly a second old. Raises `not_found`."""
    activity = remembered(activity_id).activity
    return activity, cache.remember((CACHE, "stock", activity_id), lambda: _stock(activity))


def _stock(activity: Activity) -> dict[str, int]:
    skus = sorted({price.sku_id for _, prices in map(activity.offer, activity.variant_names) for price in prices})
    keys = [pool_key(sku_id, activity.pool) if activity.pool else stock_key(sku_id) for sku_id in skus]
    product, *stocks = read.batch_get([product_key(activity.product_id), *keys], consistent=False)
    if product is None or not product.product.published:
        raise MallError("not_found")
    if not activity.pool:
        whole = shards.stocks(stocks, consistent=False)
        return {sku_id: whole[sku_id].free if sku_id in whole else 0 for sku_id in skus}
    return {
        sku_id: 0 if item is None or item.closed else int(item.free) for sku_id, item in zip(skus, stocks, strict=True)
    }


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
        offered_how = templates.load(template_id).template.how
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


def _known(item: GroupActivities) -> Known:
    return Known(item.activity, int(item.version or 0), item.secret, item.drawn is not None)
