"""Reads of a lottery: its secret, the orders that take part, how its draw ended, and the proof of that."""

from __future__ import annotations

import msgspec

from chalicelib.core.errors import MallError
from chalicelib.growth.groupbuy.activities import queries as activity_queries
from chalicelib.growth.groupbuy.lobbies import queries as lobbies_queries
from chalicelib.growth.groupbuy.lobbies.queries import paid_seats
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.tables import ENTRY, Draw, GroupActivities, activity_key
from chalicelib.growth.groupbuy.views import DrawProof
from chalicelib.platform.store import read


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
    return _drawn(proof, secret, [seat.order_id for seat in paid_seats(lobby_id)])


def proof_of_activity(activity_id: str) -> DrawProof:
    """Give the proof of the draw over an activity; of one that is drawn by lobby, the secret theirs are made from.

    Raises `not_found` where nothing is drawn.
    """
    known = activity_queries.find(activity_id).value
    lottery = known.activity.lottery
    if lottery is None:
        raise MallError("not_found")
    over_all = lottery.per == "activity"
    proof = DrawProof(
        activity_id=activity_id, secret_hash=known.activity.secret_hash,
        winners_count=lottery.winners if over_all else 0, state="open",
    )  # fmt: skip
    if not known.drawn:
        return proof
    return _drawn(proof, str(known.secret), entries_of(activity_id) if over_all else [])


def _drawn(proof: DrawProof, secret: str, order_ids: list[str]) -> DrawProof:
    won = draw.winners(secret, order_ids, proof.winners_count)
    return msgspec.structs.replace(proof, state="drawn", secret=secret, orders=order_ids, winners=won)
