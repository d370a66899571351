"""The cart: one update per change, of the one line it is about, so that two devices never undo each other."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.expressions.condition import size
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from chalicelib.commerce.cart.refusals import CART_FULL, NOT_FOR_THE_CART
from chalicelib.commerce.cart.rules import LINES_MAX, CartLine, united
from chalicelib.commerce.cart.tables import Carts, cart_key, lines_of, map_of
from chalicelib.commerce.cart.views import CartView, cart_view
from chalicelib.commerce.catalogue.offers import queries as offers
from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.refusals import NO_SUCH
from chalicelib.customers.members.queries import admit
from chalicelib.customers.members.rules import check_admitted
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.customers.members.tables import profile_key
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, save, write
from chalicelib.platform.store.versioned import Conflict, commit, retry
from chalicelib.platform.web.tokens import Token


def put(member_id: str, sku_id: str, quantity: int, selected: bool | None, token: Token | None = None) -> CartView:
    """Put so many of a SKU into the cart, or change its line; `selected` None leaves that as it is (new: selected).

    A line that is there is deselected whatever became of its SKU: taking a mark away needs no goods. The member is
    admitted by what is read for it, where they called with a `token`. Raises `unauthenticated`, `not_found`,
    `product_unavailable`, `cart_full`, `member_blocked`.
    """
    known, unknown = offers.recalled([sku_id])
    member, *found = read.batch_get([profile_key(member_id), *offers.keys(unknown)], consistent=False)
    sessions.admit_by(token, member)
    if member is not None:
        check_admitted(member.profile)
    offer = (known | offers.learned(unknown, found)).get(sku_id)
    path = Carts.lines[sku_id]
    if refusal := _not_for_the_cart(sku_id, offer):
        if selected is not False:
            raise refusal
        return cart_view(lines_of(_change(member_id, path, quantity, selected, refusal)))
    line = {
        "quantity": quantity,
        "selected": True if selected is None else selected,
        "added": int(clock.now().timestamp() * 1000),
    }
    try:
        room = path.does_not_exist() & (size(Carts.lines) < LINES_MAX)
        cart = _write(member_id, [path.set(line)], Carts.member_id.does_not_exist() | room)
    except ConditionFailed:
        full = MallError("cart_full", limit=LINES_MAX, errors=(CART_FULL.at("sku_id", limit=LINES_MAX),))
        cart = _change(member_id, path, quantity, selected, full)
    return cart_view(lines_of(cart))


def _not_for_the_cart(sku_id: str, offer: Offer | None) -> MallError | None:
    """Why the SKU cannot be put into a cart; None where it can."""
    if offer is None:
        return MallError("not_found", errors=(NO_SUCH.at("sku_id"),))
    if not offer.product.published:
        error = NOT_FOR_THE_CART.at("sku_id", name=offer.name)
        return MallError("product_unavailable", skus=[sku_id], errors=(error,))
    return None


def _change(member_id: str, path: Path, quantity: int, selected: bool | None, refusal: MallError) -> Carts:
    """Change the line; where there is none, that is the refusal."""
    actions: list[Action] = [path["quantity"].set(quantity)]
    if selected is not None:
        actions.append(path["selected"].set(selected))
    try:
        return _write(member_id, actions, path.exists())
    except ConditionFailed:
        raise refusal from None


def remove(member_id: str, sku_id: str) -> CartView:
    """Take a line out; taking it out twice is no error. Raises `member_blocked`."""
    admit(member_id)
    return cart_view(lines_of(_write(member_id, [Carts.lines[sku_id].remove()], None)))


def take_out(tx: Transaction, member_id: str, taken: list[CartLine]) -> None:
    """Take these lines out as part of `tx`, which fails with Conflict when one is no longer as it was read."""
    condition = None
    for line in taken:
        as_read = Carts.lines[line.sku_id]["quantity"] == line.quantity
        condition = as_read if condition is None else condition & as_read
    tx.update(Carts, (member_id,), [Carts.lines[line.sku_id].remove() for line in taken], condition, Conflict)


def absorb(former: str, member_id: str, _position: str | None) -> None:
    """Put what lies in the former member's cart into the member's, who is the same person. What there is no room for
    stays where it is, and is shown with what is kept of the member; a later call finds room for it, if there is some.
    Raises `conflict`, `unavailable`."""
    retry(lambda: _absorb_once(former, member_id))


def _absorb_once(former: str, member_id: str) -> None:
    theirs, own = read.batch_get([cart_key(former), cart_key(member_id)])
    if theirs is None:
        return
    before = lines_of(own)
    after, left = united(before, lines_of(theirs))
    tx = Transaction()
    as_read = Carts.lines == theirs.lines
    if left:
        tx.update(Carts, (former,), [Carts.lines.set(map_of(left))], as_read, Conflict)
    else:
        tx.delete(Carts, (former,), as_read, Conflict)
    if {line.sku_id: line for line in after} != {line.sku_id: line for line in before}:
        unchanged = Carts.member_id.does_not_exist() if own is None else Carts.lines == own.lines
        tx.put(Carts(member_id, lines=map_of(after)), unchanged, Conflict)
    commit(tx)


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
