"""How far issuing coupons to many members has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from chalicelib.commerce.coupons.bulk_issue.rules import Part, State, state_of
from chalicelib.commerce.coupons.rules import Grant


class GrantMoreView(msgspec.Struct, kw_only=True):
    """How many members this request added to the list; a member whom it names twice counts once."""

    grant_id: str
    template_id: str
    added: int


class GrantView(msgspec.Struct, kw_only=True):
    """How far a grant is: `done` members of `total` were `given` one or `skipped`, because they are not in the
    audience, have all they may, have one of this grant already, or are gone. Of a list `total` is how many were listed
    by now, of everybody (who matches `audience`) null until all of them have been looked at. `done` means that all of
    them were reached; `sold_out` and `over` ended before that."""

    grant_id: str
    template_id: str
    state: State
    total: int | None
    done: int
    given: int
    skipped: int
    created_at: datetime


def begun_view(grant: Grant) -> GrantView:
    """Show a grant as it was begun."""
    return _view(grant, "running", grant.total, 0, 0)


def grant_view(grant: Grant, parts: Sequence[Part]) -> GrantView:
    """Show how far the grant is, by its parts."""
    state = state_of(parts)
    issued, skipped = sum(part.issued for part in parts), sum(part.skipped for part in parts)
    total = issued + skipped if state == "done" else grant.total
    if grant.has_own_list:
        total = parts[0].listed_count
    return _view(grant, state, total, issued, skipped)


def _view(grant: Grant, state: State, total: int | None, issued: int, skipped: int) -> GrantView:
    return GrantView(
        grant_id=grant.grant_id, template_id=grant.template_id, state=state, total=total, done=issued + skipped,
        given=issued, skipped=skipped, created_at=grant.at,
    )  # fmt: skip
