"""What segments keep of a person: what is known of them, what they came into and left, and where they are listed.

Nothing is handed on to who returns: they are known anew, from what they do from then on.
"""

from __future__ import annotations

from typing import Any

from chalicelib.customers.members.ports import DataOwner
from chalicelib.growth.segments.absorbing.service import absorb, absorb_history
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.erasing.service import erase
from chalicelib.growth.segments.exporting.views import known_view, move_of_mine
from chalicelib.growth.segments.traits.queries import as_of_now, book_for, history, stored

_PAGE = 100


def _traits(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    found = stored(member_id)
    if found is None:
        return [], None
    return [known_view(as_of_now(found), book_for(found.traits))], None


def _history(member_id: str, position: Any) -> tuple[list[Any], Any]:
    found, position = history(member_id, _PAGE, position)
    book = definitions.book()
    return [move_of_mine(move, book) for item in found for move in reversed(item.moved.moves)], position


DATA_OWNERS = (
    DataOwner("segment_history", _history, absorb_history),
    DataOwner("traits", _traits, absorb, erase=erase),
)
