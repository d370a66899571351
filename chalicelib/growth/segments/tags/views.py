"""What members are shown of their tags."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.growth.segments.traits.rules import Tag, instant


class OwnTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that the mall has given to a member, since when, and whether a person did or a rule."""

    name: str
    set_at: datetime
    by: Literal["operator", "rule"]


class OwnTags(msgspec.Struct):
    """All tags of a member."""

    items: list[OwnTag]
    next_cursor: str | None = None


def own_tag(name: str, tag: Tag) -> OwnTag:
    """Show a tag to its member."""
    return OwnTag(name=name, set_at=instant(tag.at), by="rule" if tag.by_rule else "operator")
