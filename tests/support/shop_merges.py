"""Two members of a small mall become one person, as far as the shop goes: its steps, and what its books say."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

from chalicelib.commerce.cart import personal_data as cart
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.inputs import SkuInput
from chalicelib.commerce.coupons import personal_data as coupons
from chalicelib.commerce.coupons.checks import audit as audit_templates
from chalicelib.commerce.orders import personal_data as orders
from chalicelib.commerce.orders.checks import audit, audit_coupons, coupon_uses
from chalicelib.commerce.orders.holding.queries import standing_now
from chalicelib.commerce.orders.rules import Order
from chalicelib.customers.members.ports import DataOwner
from tests.support import merging
from tests.support.own_tables import Snapshot
from tests.support.small_mall import SmallMall

#: How many pieces of "few" a member may have.
LIMIT = 9
#: The shop's keepers, in the order of their wings.
OWNERS: tuple[DataOwner, ...] = (*coupons.DATA_OWNERS, *cart.DATA_OWNERS, *orders.DATA_OWNERS)


steps = functools.partial(merging.steps, OWNERS)
absorb = functools.partial(merging.absorb, OWNERS)
merge = functools.partial(merging.merge, OWNERS)


def shop_differences(mall: SmallMall) -> list[str]:
    """What the books of the shop say: orders, money, stock, what is counted of members, and coupons."""
    books = mall.books()
    uses = coupon_uses(books.orders, books.coupons)
    found = [
        *audit(
            books.orders, books.entries, books.stocks, books.payments, books.refunds, books.unpaid, books.terms,
            books.at,
        ),
        *audit_coupons(books.orders, books.coupons),
        *audit_templates(books.templates, books.shards, books.received, books.coupons, uses),
    ]  # fmt: skip
    return [f"{one.about}: {one.what}" for one in found]


def kept(member_id: str) -> dict[str, list[Any]]:
    """All that the shop shows of what it keeps of a member."""
    shown: dict[str, list[Any]] = {}
    for owner in OWNERS:
        position: str | None = None
        while True:
            page, position = owner.pages(member_id, position)
            shown.setdefault(owner.name, []).extend(page)
            if position is None:
                break
    return shown


def with_limited(mall: SmallMall) -> None:
    """Open the mall with "few", of which a member has a number of pieces at most."""
    limited = products.create(
        {
            "product_code": "few", "name": "few", "publish": True, "limit_per_member": LIMIT,
            "skus": [SkuInput(sku_code="a", price_fen=1_000, stock=1000)],
        }
    ).product  # fmt: skip
    assert limited is not None
    mall.skus["few"], mall.products["few"] = limited.skus[0].sku_id, limited.product_id


def shops(mall: SmallMall, member_id: str) -> dict[str, Order]:
    """The member has an order of each kind, and coupons in each state."""
    mall.coupon(member_id)
    found = {
        "new": mall.buy(member_id, ("sample", 1)),
        "paid": mall.buy(member_id, ("few", 2), ("cup", 1), coupons=(mall.coupon(member_id, "tenth"),)),
        "back": mall.buy(member_id, ("pot", 1), coupons=(mall.coupon(member_id),)),
        "done": mall.deliver(mall.buy(member_id, ("pot", 1))),
        "let go": mall.place(member_id, ("few", 1)),
        "unpaid": mall.place(member_id, ("few", 3), ("pot", 1), coupons=(mall.coupon(member_id),)),
    }
    mall.refund(found["back"])
    mall.cancel(found["let go"])
    return {name: mall.order(order) for name, order in found.items()}


def changed(before: Snapshot, after: Snapshot) -> dict[Any, Any]:
    """Every item that is another one after it."""
    return {
        (table.__name__, *key): (items.get(key), after[table].get(key))
        for table, items in before.items()
        for key in items.keys() | after[table].keys()
        if items.get(key) != after[table].get(key)
    }


def sums(*member_ids: str) -> Counter[str]:
    """How much of everything these have together, by what it is."""
    found: Counter[str] = Counter()
    for each in member_ids:
        shown = kept(each)
        for order in shown["orders"]:
            found[f"orders {order.state}"] += 1
            found["paid fen"] += order.paid_fen
        for one in shown["coupons"]:
            found[f"coupons {one.state}"] += 1
        for one in shown["limited_products"]:
            found[f"pieces of {one['product_id']}"] += one["pieces"]
        for one in shown["orders_of_late"]:
            found[one["what"]] += 1
        found["unpaid"] += standing_now(each).orders
    return found
