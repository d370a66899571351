"""Whether what a branch asks of a member holds, read where it is asked, once."""

from __future__ import annotations

from chalicelib.growth.journeys.steps.rules import If
from chalicelib.growth.segments.standing.queries import Standing, holds, standing, standing_key
from chalicelib.platform.store import read


class Conditions:
    """What holds for a member now."""

    def __init__(self, member_id: str, stands: Standing | None = None) -> None:
        self._member_id, self._standing = member_id, stands

    def __call__(self, condition: If) -> bool:
        """Say whether it holds; `negated` is for who asks."""
        if condition.rule is not None:
            return holds(condition.rule, self._member_id)
        if self._standing is None:
            table, key = standing_key(self._member_id)
            self._standing = standing(self._member_id, read.get(table, *key))
        if condition.segment is not None:
            return condition.segment in self._standing.segments
        return condition.tag in self._standing.tags
