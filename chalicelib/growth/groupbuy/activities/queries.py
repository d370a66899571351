"""Reads of activities: one, those that run, a page of all, and what can be bought in one."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.tables import pool_key, product_key, stock_key
from chalicelib.commerce.orders.ports import CACHE
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.growth.groupbuy.rules import Activity
from chalicelib.growth.groupbuy.tables import ALL, GroupActivities, activity_key
from chalicelib.platform.store import cache, cursors, read
from chalicelib.platform.store.versioned import Versioned


class ActivityRecord(msgspec.Struct, frozen=True):
    """An activity with what stands beside it: the secret of its lottery, and whether that was drawn (so that the secret
    may be told)."""

    activity: Activity
    secret: str | None
    drawn: bool = False


def find(activity_id: str) -> Versioned[ActivityRecord]:
    """Read the activity with what stands beside it, and its version. Raises `not_found`."""
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    if item is None:
        raise MallError("not_found")
    return Versioned(ActivityRecord(item.activity, item.secret, item.drawn is not None), int(item.version))


def load(activity_id: str) -> Activity:
    """Read the activity. Raises `not_found`."""
    return find(activity_id).value.activity


def remembered(activity_id: str) -> Activity:
    """Give the activity, possibly a second old. Raises `not_found`."""
    return cache.remember((CACHE, "activity", activity_id), lambda: load(activity_id))


def running(limit: int, cursor: str | None) -> tuple[list[Activity], str | None]:
    """List a page of the activities that are not over, whose product is on sale, by their end: for shoppers."""
    found, next_cursor = _page(limit, cursor, GroupActivities.ends > clock.stamp(clock.now()))
    products = read.batch_get([product_key(one.product_id) for one in found], consistent=False) if found else []
    on_sale = {item.product_id for item in products if item is not None and item.product.published}
    return [one for one in found if one.product_id in on_sale], next_cursor


def running_ids() -> list[str]:
    """List the ids of all activities that are not over: dozens, made by hand."""
    where = GroupActivities.ends > clock.stamp(clock.now())
    return [
        item.activity_id for item in read.query_all(GroupActivities, ALL, index=GroupActivities.by_end, where=where)
    ]


def page_of_ids(limit: int, after: str | None) -> tuple[list[str], str | None]:
    """List the ids of a page of all activities, those that end first at the top, behind that position; and the position
    of the next page (None: no more)."""
    where = None if after is None else GroupActivities.ends > after
    page, rest = read.query(GroupActivities, ALL, index=GroupActivities.by_end, where=where, limit=limit)
    return [raw["activity_id"]["S"] for raw in page], page[-1]["ends"]["S"] if rest is not None else None


def every(limit: int, cursor: str | None) -> tuple[list[Activity], str | None]:
    """List a page of all activities, those that end last first: for operators."""
    return _page(limit, cursor, None)


def _page(limit: int, cursor: str | None, where: Any) -> tuple[list[Activity], str | None]:
    listing = f"group-activities:{where is None}"
    after = cursors.read(listing, cursor)
    forward = where is not None
    items, rest = read.query(
        GroupActivities, ALL, index=GroupActivities.by_end, where=where, forward=forward, limit=limit, after=after
    )
    return [GroupActivities.from_raw_data(raw).activity for raw in items], cursors.write(listing, rest)


def offered(activity_id: str) -> tuple[Activity, dict[str, int]]:
    """Give an activity whose product is on sale, and how many pieces of each of its SKUs can be bought now: in its
    pool, where it has one. Possibly a second old. Raises `not_found`."""
    activity = remembered(activity_id)
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
