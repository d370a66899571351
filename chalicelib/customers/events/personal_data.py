"""What events keep of a member: what they did, and how much they sent on the last days."""

from __future__ import annotations

from typing import Any

from chalicelib.customers.events import queries
from chalicelib.customers.events.tables import BATCH, MemberEvents, moved
from chalicelib.customers.events.views import event_view
from chalicelib.customers.members.ports import DataOwner
from chalicelib.platform.store.transaction import remove, save_new

#: A batch has 50 events and 64 KB at most, and all of an answer has to fit into 6 MB.
_BATCHES = 10


def _events(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    told, rest = queries.page(member_id, position, _BATCHES)
    return [event_view(one) for one in told], rest


def _erase(member_id: str) -> None:
    for part in queries.parts_of(member_id):
        remove(MemberEvents, (member_id, part))


def _absorb(former: str, member_id: str, _position: str | None) -> str | None:
    """Move some batches; what is moved is not found again, so that each step begins at the start. Each is written, and
    then removed, by itself: in a transaction it would cost twice as much, and one that is there twice counts once."""
    items = queries.batches_of(former, _BATCHES)
    for item in items:
        save_new(moved(item, member_id))
        remove(MemberEvents, (former, item.part))
    return BATCH if items else None


# Nothing is handed on to who returns: what somebody did is forgotten with them, and no offer is limited by it.
DATA_OWNERS = (DataOwner("events", _events, _absorb, erase=_erase),)
