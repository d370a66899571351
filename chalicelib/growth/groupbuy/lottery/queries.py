"""Reads of a lottery: its secret, the orders that take part, how its draw ended, and the proof of that."""

from __future__ import annotations

import msgspec

from chalicelib.core.errors import MallError
from chalicelib.growth.groupbuy.activities import queries as activity_queries
from chalicelib.growth.groupbuy.lobbies import queries as lobbies_queries
from chalicelib.growth.groupbuy.lobbies.queries import paid_seats
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.rules import Lottery
from chalicelib.growth.groupbuy.tables import ENTRY, Draw, GroupActivities, activity_key, proof_key
from chalicelib.growth.groupbuy.views import DrawProof
from chalicelib.platform.store import cursors, read


def secret_of(activity_id: str) -> str:
    """Read the secret of a lottery; nothing that shoppers or operators see may hold it before the draw."""
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    assert item is not None
    assert item.secret is not None
    return item.secret


def read_draw(activity_id: str) -> Draw | None:
    """Read how the draw of an activity ended; None before it."""
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    return None if item is None else item.drawn


def is_closed(activity_id: str) -> bool:
    """Tell whether no order takes part in the draw of an activity any more."""
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    return item is not None and bool(item.closed)


def entries_of(activity_id: str) -> list[str]:
    """List the ids of the orders that take part in the draw of an activity, in their sequence."""
    where = GroupActivities.part.startswith(ENTRY)
    found = read.query_all(GroupActivities, activity_id, where=where, consistent=True)
    return [item.part.removeprefix(ENTRY) for item in found]


def proof_of_lobby(lobby_id: str) -> DrawProof:
    """Give the proof of the draw in a lobby. Raises `not_found` where none is drawn."""
    lobby = lobbies_queries.load(lobby_id)
    terms = lobby.terms
    if terms.lottery is None or terms.lottery.per != "lobby" or lobby.expires_at is None:
        raise MallError("not_found")
    proof = DrawProof(
        activity_id=terms.activity_id, lobby_id=lobby_id, secret_hash=terms.secret_hash,
        winners_count=terms.lottery.winners, state="failed" if lobby.state == "failed" else "open",
    )  # fmt: skip
    if lobby.state != "succeeded":
        return proof
    secret = draw.lobby_secret(str(activity_queries.find(terms.activity_id).value.secret), lobby_id)
    order_ids = [seat.order_id for seat in paid_seats(lobby_id)]
    won = draw.winners(secret, order_ids, proof.winners_count)
    return msgspec.structs.replace(proof, state="drawn", secret=secret, orders=order_ids, winners=won)


def proof_of_activity(activity_id: str, cursor: str | None) -> DrawProof:
    """Give a page of the proof of the draw over an activity; of one that is drawn by lobby, the secret theirs are made
    from. Before the draw possibly a second old.

    Raises `not_found` where nothing is drawn, `cursor_invalid`.
    """
    listing = f"draw:{activity_id}"
    page = cursors.read(listing, cursor) or 0
    item = read.get(GroupActivities, *activity_key(activity_id)[1], consistent=False)
    if item is None or item.activity.lottery is None:
        raise MallError("not_found")
    lottery: Lottery = item.activity.lottery
    over_all = lottery.per == "activity"
    proof = DrawProof(
        activity_id=activity_id, secret_hash=item.activity.secret_hash,
        winners_count=lottery.winners if over_all else 0, state="open",
    )  # fmt: skip
    drawn: Draw | None = item.drawn
    if drawn is None:
        return proof
    if not over_all:
        order_ids: list[str] = []
    elif drawn.pages:
        order_ids = page_of(activity_id, page)
    else:  # nobody took part, or it is a draw of a version that wrote no pages
        order_ids = entries_of(activity_id)
    return msgspec.structs.replace(
        proof, state="drawn", secret=str(item.secret), orders=order_ids, winners=drawn.winners,
        next_cursor=cursors.write(listing, page + 1 if page + 1 < drawn.pages else None),
    )  # fmt: skip


def page_of(activity_id: str, page: int) -> list[str]:
    """List the orders on a page of the proof of an activity's draw, which was written before that was made."""
    key = proof_key(activity_id, page)[1]
    # Anybody may ask, so for half the price; a copy that has not heard of the page yet must not pass for an empty one.
    item = read.get(GroupActivities, *key, consistent=False) or read.get(GroupActivities, *key)
    assert item is not None
    orders: list[str] = item.proof.orders
    return orders
