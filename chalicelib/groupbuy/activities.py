"""Activities: made, changed until they begin, ended early; found by shoppers and operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib.catalogue import pools
from chalicelib.catalogue.activities import announce, retract
from chalicelib.catalogue.rules import ActivityCard
from chalicelib.catalogue.tables import Products, product_key
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.groupbuy import draw, rules
from chalicelib.groupbuy.rules import Activity, Kind, Lottery, Prices, Sizes, Variant
from chalicelib.groupbuy.settle import END_WAIT, OPENING_WAIT
from chalicelib.groupbuy.tables import ALL, Activities, activity_item, activity_key
from chalicelib.jobs import service as jobs
from chalicelib.orders.groups import CACHE
from chalicelib.store import cache, cursor, read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import ConditionFailed, Transaction
from chalicelib.web.types import Id

_STALE = "the activity has changed"
Pieces = Annotated[int, Meta(ge=1, le=1_000_000)]


class SetAside(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many pieces of a SKU for this activity alone."""

    sku_id: Id
    pieces: Pieces


class ActivityInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group-buy as an operator names it. `sizes` of a ladder are its steps; `limit_per_member` counts pieces;
    with `min_fill` paid seats a lobby succeeds at its expiry; without `stock` it sells from the SKUs' own."""

    product_id: Id
    kind: Kind
    name: Annotated[str, Meta(max_length=64)] = ""
    sizes: Sizes
    prices: Prices
    lobby_minutes: Annotated[int, Meta(ge=1, le=60 * 24 * 30)] = 24 * 60
    starts_at: Annotated[datetime, Meta(tz=True)]
    ends_at: Annotated[datetime, Meta(tz=True)]
    limit_per_member: Annotated[int, Meta(ge=1, le=999)] | None = None
    min_fill: Annotated[int, Meta(ge=1, le=100)] | None = None
    new_customers_only: bool = False
    stock: Annotated[list[SetAside], Meta(max_length=40)] = []
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

    Raises `invalid` naming the field, `stock_short`.
    """
    secret = ids.secret() if asked.lottery is not None else None
    now = clock.now()
    activity = _activity(asked, ids.new("ga"), draw.secret_hash(secret) if secret else "", now)
    tx = Transaction()
    tx.create(activity_item(activity, 1, secret), _STALE)
    for line in asked.stock:
        pools.set_aside(tx, line.sku_id, activity.pool, line.pieces, MallError("stock_short"))
    _written(tx, activity)
    return _commit(tx, activity)


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
    item = read.get(Activities, *activity_key(activity_id)[1])
    if item is None:
        raise MallError("not_found")
    return _known(item)


def remembered(activity_id: str) -> Known:
    """The activity, possibly a second old. Raises `not_found`."""
    return cache.remember((CACHE, "activity", activity_id), lambda: load(activity_id))


def page(limit: int, given: str | None, running: bool) -> tuple[list[Activity], str | None]:
    """Activities: for shoppers (`running`) those that are not over, by their end; for operators all, the last first."""
    listing = f"group-activities:{running}"
    after = cursor.read(listing, given)
    where = Activities.ends > clock.stamp(clock.now()) if running else None
    items, rest = read.query(
        Activities, ALL, index=Activities.by_end, where=where, forward=running, limit=limit, after=after
    )
    return [Activities.from_raw_data(raw).activity for raw in items], cursor.write(listing, rest)


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
    if {line.sku_id: line.pieces for line in asked.stock} != before.stock:
        raise invalid("stock", "cannot be changed; end this activity and make another")
    if (asked.lottery is None) != (before.lottery is None):
        raise invalid("kind", "a lottery cannot become something else, nor something else a lottery")
    after = _activity(asked, activity_id, before.secret_hash, before.created_at)
    tx = Transaction()
    tx.put(activity_item(after, known.version + 1, known.secret), Activities.version == known.version, _STALE)
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
    tx.put(activity_item(after, known.version + 1, known.secret), Activities.version == known.version, _STALE)
    retract(tx, after.product_id, activity_id)
    _owe_end(tx, after)
    return _commit(tx, after)


def _activity(asked: ActivityInput, activity_id: str, secret_hash: str, created_at: datetime) -> Activity:
    """The activity that was asked for. Raises `invalid`."""
    product = read.get(Products, *product_key(asked.product_id)[1])
    if product is None:
        raise invalid("product_id", "no such product")
    stock = {line.sku_id: line.pieces for line in asked.stock}
    if len(stock) != len(asked.stock):
        raise invalid("stock", "each SKU once")
    fields: dict[str, Any] = {
        field: getattr(asked, field) for field in asked.__struct_fields__ if field in Activity.__struct_fields__
    }
    activity = Activity(
        **(fields | {"stock": stock, "starts_at": _utc(asked.starts_at), "ends_at": _utc(asked.ends_at)}),
        activity_id=activity_id, secret_hash=secret_hash, created_at=created_at,
    )  # fmt: skip
    rules.check_activity(activity, [sku.sku_id for sku in product.product.skus], clock.now())
    return activity


def _utc(instant: datetime) -> datetime:
    return clock.from_stamp(clock.stamp(instant))


def _written(tx: Transaction, activity: Activity) -> None:
    """What goes with an activity that is made or changed."""
    lowest = min(price.price_fen for price in activity.prices)
    card = ActivityCard(
        activity_id=activity.activity_id, kind=activity.kind, starts_at=activity.starts_at, ends_at=activity.ends_at,
        sizes=sorted(activity.sizes), price_fen=None if activity.variants else lowest,
    )  # fmt: skip
    announce(tx, activity.product_id, card)
    _owe_end(tx, activity)


def _owe_end(tx: Transaction, activity: Activity) -> None:
    wait = END_WAIT + OPENING_WAIT if activity.ended_early else END_WAIT
    jobs.schedule(tx, "group.end", activity.activity_id, activity.ends_at + wait)


def _commit(tx: Transaction, activity: Activity) -> Activity:
    try:
        tx.commit()
    except ConditionFailed as fault:
        refusal = next((one for one in fault.failed if isinstance(one, MallError)), None)
        raise refusal or _Again from fault
    cache.forget(CACHE)
    cache.forget("catalogue")
    return activity


def _known(item: Activities) -> Known:
    return Known(item.activity, int(item.version or 0), item.secret, item.drawn is not None)
