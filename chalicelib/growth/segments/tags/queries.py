"""Reads of the tags of one member."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.customers.members.refusals import NO_SUCH_MEMBER
from chalicelib.growth.segments.restoring.queries import known
from chalicelib.growth.segments.traits.queries import as_of_now
from chalicelib.growth.segments.traits.rules import Tag


def tags_of(member_id: str) -> list[tuple[str, Tag]]:
    """List the tags of the member, as of now, by their names. Raises `not_found`."""
    found = known(member_id)
    if found is None:
        raise MallError("not_found", errors=(NO_SUCH_MEMBER.at("member_id"),))
    return sorted(as_of_now(found).tags.items())
