"""Reads of merges."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.customers.members.merging.rules import Merge, State
from chalicelib.customers.members.merging.tables import Merges
from chalicelib.customers.members.refusals import NO_SUCH_MERGE
from chalicelib.platform.store import cursors, read
from chalicelib.platform.store.versioned import Versioned


def stored(merge_id: str) -> Versioned[Merge] | None:
    """Find the merge with its version; None where there is none."""
    item = read.get(Merges, merge_id)
    return None if item is None or item.merge is None else Versioned(item.merge, int(item.version))


def load(merge_id: str) -> Versioned[Merge]:
    """Find the merge with its version. Raises `not_found`."""
    found = stored(merge_id)
    if found is None:
        raise MallError("not_found", errors=(NO_SUCH_MERGE.at("merge_id"),))
    return found


def merges_of(member_id: str) -> list[Merge]:
    """Find the merges that name the member; from an index: one of the last moment may be missing."""
    keys = [
        (Merges, (raw["merge_id"]["S"],))
        for index in (Merges.by_former, Merges.by_survivor)
        for raw in read.query_all_raw(Merges, member_id, index=index)
    ]
    return [item.merge for item in read.batch_get(keys) if item is not None]


def page(state: State, limit: int, cursor: str | None) -> tuple[list[Merge], str | None]:
    """Read a page of the merges in this state, newest first. Raises `cursor_invalid`."""
    listing = f"merges:{state}"
    found, after = read.query(
        Merges, state, index=Merges.by_state, forward=False, limit=limit, after=cursors.read(listing, cursor)
    )
    return [Merges.from_raw_data(raw).merge for raw in found], cursors.write(listing, after)
