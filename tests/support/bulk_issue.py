"""Grants of coupons, for tests in this process."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.bulk_issue import queries as bulk_issue_queries
from chalicelib.commerce.coupons.bulk_issue import rules as bulk_issue_rules
from chalicelib.commerce.coupons.bulk_issue import service as bulk_issue
from chalicelib.commerce.coupons.bulk_issue.inputs import GrantInput, GrantMoreInput
from chalicelib.commerce.coupons.bulk_issue.views import GrantMoreView, GrantView, grant_view
from chalicelib.commerce.coupons.rules import Template
from chalicelib.commerce.coupons.tables import Coupons
from chalicelib.platform.jobs import worker
from chalicelib.platform.store import tools
from tests.support.coupons import coupons_of

#: How long a worker may take for what a grant owes, in seconds, on a machine that has much else to do.
PATIENCE = 600.0


def shorten_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three members a step, seven an item of the list."""
    monkeypatch.setattr(bulk_issue_rules, "STEP_MEMBERS", 3)
    monkeypatch.setattr(bulk_issue, "ITEM_MEMBERS", 7)


def granted(made: Template, **asked: Any) -> GrantView:
    return bulk_issue.create(made.template_id, "tester", secrets.token_hex(8), msgspec.convert(asked, GrantInput))


def added(made: Template, grant: GrantView, people: Sequence[str], key: str = "") -> GrantMoreView:
    asked = GrantMoreInput(members=list(people))
    return bulk_issue.add(made.template_id, grant.grant_id, "tester", key or secrets.token_hex(8), asked)


def progress(grant: GrantView) -> GrantView:
    """How far it is now."""
    found = bulk_issue_queries.load(grant.grant_id, grant.template_id)
    return grant_view(found, bulk_issue_queries.parts(grant.grant_id))


def ended(made: Template, grant: GrantView) -> GrantView:
    """The grant when no job of it is due any more."""
    worker.run_due(PATIENCE)
    return progress(grant)


def counts(view: GrantView) -> tuple[str, int, int, int]:
    return view.state, view.done, view.given, view.skipped


def all_given_by(made: Template) -> Counter[str]:
    """How many of the template each member has, whoever they are."""
    items = (item for item in tools.scan(Coupons) if item.part.startswith("coupon#"))
    return Counter(item.member_id for item in items if item.coupon.template_id == made.template_id)


def given_by(made: Template, people: Sequence[str]) -> list[str]:
    """Who of them has one of the template; nobody has two."""
    held = {each: [one for one in coupons_of(each) if one.coupon.template_id == made.template_id] for each in people}
    assert max(len(coupons) for coupons in held.values()) <= 1
    return [each for each in people if held[each]]
