"""Reads of how a member stands: which segments they are in and which tags they have, as of now; also by what clients
alone report, so that nothing of worth may follow from it alone."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.core import log
from chalicelib.core.errors import MallError
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.preview.queries import trial_of
from chalicelib.growth.segments.restoring.queries import known_of
from chalicelib.growth.segments.tables import traits_key
from chalicelib.growth.segments.traits.queries import as_of_now
from chalicelib.platform.store.read import Key


class Standing(msgspec.Struct, frozen=True):
    """The ids of the segments that a member is in, and the names of their tags."""

    segments: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


def standing_key(member_id: str) -> Key:
    """Name what is read for it."""
    return traits_key(member_id)


def standing(member_id: str, item: Any) -> Standing:
    """Say how a member stands, from what was found at `standing_key`; who is not there is in nothing."""
    found = known_of(member_id, item)
    if found is None:
        return Standing()
    traits = as_of_now(found)
    return Standing(frozenset(traits.inside), frozenset(traits.tags))


def holds(rule: Any, member_id: str) -> bool:
    """Say whether a rule holds for a member now; one that cannot be read any more does not."""
    try:
        return trial_of(rule).holds_for([member_id])[0]
    except MallError as fault:
        if fault.code == "unavailable":
            raise
        log.error("rules_failed", fault)
        return False


def is_behavioural(segment_id: str) -> bool:
    """Say whether what a member does or buys leads into the segment, or did, where it is gone by now."""
    entry = definitions.book().entries.get(segment_id)
    return entry is None or entry.behavioural
