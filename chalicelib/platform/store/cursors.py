"""Cursors: where a list goes on, signed, and good for the one list that gave it out."""

from __future__ import annotations

from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from chalicelib.core.errors import MallError
from chalicelib.core.refusals import BAD_CURSOR
from chalicelib.core.settings import signing_keys

_LENGTH_MAX = 2048


def _serializer(listing: str) -> URLSafeSerializer:
    return URLSafeSerializer(signing_keys(), salt=f"cursor:{listing}")


def write(listing: str, position: Any) -> str | None:
    """Sign the cursor of `position` (anything JSON can say) in `listing`; None when there is no next page.

    `listing` names the list with everything that chooses its items, also the member whose list it is.
    """
    return None if position is None else _serializer(listing).dumps(position)


def read(listing: str, cursor: str | None) -> Any:
    """Read the position that `write` put into the cursor. Raises `cursor_invalid` for a forged or foreign one."""
    if cursor is None:
        return None
    if len(cursor) <= _LENGTH_MAX:
        try:
            return _serializer(listing).loads(cursor)
        except BadData:
            pass
    raise MallError("cursor_invalid", errors=(BAD_CURSOR.at("cursor"),))
