"""What channels keep of a member: by which ways they came, and which live rooms they entered.

Nothing is handed on to who returns. What was counted of a room stays when somebody is forgotten: it is nobody's.
"""

from __future__ import annotations

from typing import Any

from chalicelib.customers.channels import queries
from chalicelib.customers.channels.rooms.service import absorb as absorb_entries
from chalicelib.customers.channels.tables import MemberTouches
from chalicelib.customers.channels.touches.service import absorb as absorb_touches
from chalicelib.customers.members.ports import DataOwner
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import remove


def _touches(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return list(queries.stored_touches(member_id).value.items), None


def _entries(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    found, rest = queries.page_of_entries(member_id, position)
    return list(found), rest


def _erase(member_id: str) -> None:
    for item in read.query_all(MemberTouches, member_id, consistent=True):
        remove(MemberTouches, (member_id, item.part))


DATA_OWNERS = (
    DataOwner("touches", _touches, absorb_touches, erase=_erase),
    DataOwner("live_rooms", _entries, absorb_entries),
)
