"""The cart: one update per change, of the one line it is about, so that two devices never undo each other."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from pynamodb.expressions.condition import size
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from chalicelib.cart.tables import CartLine, Carts, lines_of
from chalicelib.catalogue import offers
from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError
from chalicelib.store import read
from chalicelib.store.transaction import ConditionFailed, Transaction, save, write

LINES_MAX = 50

#: What a transaction is told when the cart is no longer as it was read.
CHANGED = "the cart has changed"


class Line(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A line as the shopper sees it. `available` pieces could be bought now; `problem` says why it cannot."""

    sku_id: str
    product_id: str
    name: str
    specs: dict[str, str]
    picture_url: str
    quantity: int
    selected: bool
    price_fen: int
    available: int
    problem: str | None = None


class Cart(msgspec.Struct):
    """The cart, latest line first. The total is of selected lines that can be bought."""

    lines: list[Line]
    selected_total_fen: int


def get(member_id: str) -> Cart:
    """The member's cart."""
    return _view(lines(member_id))


def lines(member_id: str) -> list[CartLine]:
    """What lies in the cart, as it is now."""
    return lines_of(read.get(Carts, member_id))


def put(member_id: str, sku_id: str, quantity: int, selected: bool | None) -> Cart:
    """Put so many of a SKU into the cart, or change its line; `selected` None leaves that as it is (new: selected).

    Raises `not_found`, `product_unavailable`, `cart_full`.
    """
    offer = offers.remembered([sku_id]).get(sku_id)
    if offer is None:
        raise MallError("not_found", errors=(FieldError("sku_id", "no such SKU"),))
    if not offer.product.published:
        raise MallError("product_unavailable", skus=[sku_id])
    path = Carts.lines[sku_id]
    line = {
        "quantity": quantity,
        "selected": True if selected is None else selected,
        "added": int(clock.now().timestamp() * 1000),
    }
    try:
        room = path.does_not_exist() & (size(Carts.lines) < LINES_MAX)
        cart = _write(member_id, [path.set(line)], Carts.member_id.does_not_exist() | room)
    except ConditionFailed:
        cart = _change(member_id, path, quantity, selected)
    return _view(lines_of(cart))


def _change(member_id: str, path: Path, quantity: int, selected: bool | None) -> Carts:
    actions: list[Action] = [path["quantity"].set(quantity)]
    if selected is not None:
        actions.append(path["selected"].set(selected))
    try:
        return _write(member_id, actions, path.exists())
    except ConditionFailed:
        raise MallError("cart_full", limit=LINES_MAX) from None


def remove(member_id: str, sku_id: str) -> Cart:
    """Take a line out; taking it out twice is no error."""
    return _view(lines_of(_write(member_id, [Carts.lines[sku_id].remove()], None)))


def take_out(tx: Transaction, member_id: str, taken: list[CartLine]) -> None:
    """Take these lines out as part of `tx`, which fails with CHANGED when one is no longer as it was read."""
    condition = None
    for line in taken:
        as_read = Carts.lines[line.sku_id]["quantity"] == line.quantity
        condition = as_read if condition is None else condition & as_read
    tx.update(Carts, (member_id,), [Carts.lines[line.sku_id].remove() for line in taken], condition, CHANGED)


def _write(member_id: str, actions: Sequence[Action], condition: Any) -> Carts:
    """Change the cart. A member's first line finds no cart yet: it is made, once, and the change repeated."""
    try:
        return Carts.from_raw_data(write(Carts, (member_id,), actions, condition))
    except ClientError as fault:
        if fault.response["Error"]["Code"] != "ValidationException":
            raise
    with contextlib.suppress(ConditionFailed):  # another of the member's devices made it
        save(Carts(member_id), Carts.member_id.does_not_exist())
    return Carts.from_raw_data(write(Carts, (member_id,), actions, condition))


def _view(cart_lines: list[CartLine]) -> Cart:
    offered = offers.remembered(line.sku_id for line in cart_lines)
    view = [_line(line, offered.get(line.sku_id)) for line in cart_lines]
    total = sum(line.price_fen * line.quantity for line in view if line.selected and line.problem is None)
    return Cart(view, total)


def _line(line: CartLine, offer: offers.Offer | None) -> Line:
    if offer is None:  # the SKU was removed from its product
        return Line(
            sku_id=line.sku_id, product_id="", name="", specs={}, picture_url="", quantity=line.quantity,
            selected=line.selected, price_fen=0, available=0, problem="gone",
        )  # fmt: skip
    problem = None
    if not offer.product.published:
        problem = "not_on_sale"
    elif offer.free < line.quantity:
        problem = "out_of_stock" if offer.free == 0 else "not_enough_stock"
    return Line(
        sku_id=line.sku_id,
        product_id=offer.product.product_id,
        name=offer.product.name,
        specs=offer.sku.specs,
        picture_url=offer.picture_url,
        quantity=line.quantity,
        selected=line.selected,
        price_fen=offer.sku.price_fen,
        available=offer.free if offer.product.published else 0,
        problem=problem,
    )
