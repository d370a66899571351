"""What segments keep of a person: what is known of them, what they came into and left, and where they are listed.

Nothing is handed on to who returns: they are known anew, from what they do from then on.
"""

from __future__ import annotations

from typing import Any

from chalicelib.customers.members.ports import DataOwner
from chalicelib.growth.segments.erasing.service import erase
from chalicelib.growth.segments.traits.queries import as_of_now, history, stored


def _traits(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    found = stored(member_id)
    return [] if found is None else [as_of_now(found)], None


def _history(member_id: str, position: Any) -> tuple[list[Any], Any]:
    found, position = history(member_id, 100, position)
    return [move for item in found for move in reversed(item.moved.moves)], position


DATA_OWNERS = (
    DataOwner("traits", _traits, erase=erase),
    DataOwner("segment_history", _history),
)
