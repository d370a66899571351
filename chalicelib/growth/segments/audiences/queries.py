"""Reads of frozen lists."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.growth.segments.audiences.rules import LISTED_PER_ITEM, Audience
from chalicelib.growth.segments.refusals import NO_SUCH_AUDIENCE
from chalicelib.growth.segments.tables import HEAD, Audiences, listed_part
from chalicelib.platform.store import read
from chalicelib.platform.store.versioned import Versioned


def find(audience_id: str) -> Versioned[Audience] | None:
    """Find the audience as it is now, with its version; None where there is none."""
    item = read.get(Audiences, audience_id, HEAD)
    return None if item is None else Versioned(item.audience, int(item.version))


def load(audience_id: str) -> Audience:
    """Find the audience as it is now. Raises `not_found`."""
    found = find(audience_id)
    if found is None:
        raise MallError("not_found", errors=(NO_SUCH_AUDIENCE.at("audience_id"),))
    return found.value


def listed(audience_id: str, position: str, limit: int) -> tuple[list[str], str | None]:
    """List up to `limit` members of the list behind so many others (`position`, "" at first), and where the next page
    starts (None: no more)."""
    before = int(position or 0)
    start = before // LISTED_PER_ITEM * LISTED_PER_ITEM
    item = read.get(Audiences, audience_id, listed_part(start))
    if item is None:
        return [], None
    found = item.listed.members[before - start :][:limit]
    after = before + len(found)
    is_last = after < start + LISTED_PER_ITEM and after == start + len(item.listed.members)
    return found, None if is_last or not found else str(after)
