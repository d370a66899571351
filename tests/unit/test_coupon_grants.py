"""Whom a step of a grant gives a coupon, and where its part is then; and why a member may have no more."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.bulk_issue.rules import STEP_MEMBERS, Following, Part, decide, may_have, state_of
from chalicelib.commerce.coupons.issue.rules import refused
from chalicelib.commerce.coupons.rules import Audience, Grant, Template, Terms, Validity
from chalicelib.customers.members.rules import Profile

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
MEMBER = Profile(member_id="m1", openid="o", joined_at=NOW, orders_completed=1, last_completed_at=NOW)


def template(shards: int = 1, audience: Audience | None = None, limit: int = 1) -> Template:
    return Template(
        template_id="t1", name="五元券", state="published", terms=Terms(kind="amount_off", amount_fen=500), total=1000,
        limit_per_member=limit, valid=Validity(days=7), how=["grant"], audience=audience or Audience(), shards=shards,
        created_at=NOW,
    )  # fmt: skip


def grant(total: int | None) -> Grant:
    return Grant(grant_id="cg1", template_id="t1", digest="d", at=NOW, total=total)


def part(position: str, issued: int = 0) -> Part:
    return Part(number=0, position=position, state="running", issued=issued, skipped=0, listed_count=1000)


@given(
    st.lists(st.booleans(), min_size=1, max_size=STEP_MEMBERS),
    st.lists(st.integers(0, 20), min_size=1, max_size=32),
    st.integers(0, 900),
    st.booleans(),
    st.booleans(),
)
def test_a_step_gives_in_order_until_there_is_nothing_left(
    wants: list[bool], frees: list[int], start: int, last: bool, listed: bool
) -> None:
    members = [f"m{number}" for number in range(len(wants))]
    wanted = [each for each, wants_one in zip(members, wants, strict=True) if wants_one]
    at = str(start) if listed else "2026|m0"
    after = str(start + len(members)) if listed else "2026|m9"
    step = decide(
        template(len(frees)), grant(1000 if listed else None), part(at), Following(members, after, last), wanted, frees
    )
    assert step.given == wanted[: sum(frees)]
    assert sum(step.portions.values()) == len(step.given)
    if len(step.given) == len(wanted):
        assert (step.state, step.position) == ("done" if last else "running", after)
        assert len(step.given) + step.skipped == len(members)
    else:
        assert step.state == "sold_out"
        reached = members.index(wanted[len(step.given)])
        assert len(step.given) + step.skipped == reached
        assert step.position == (str(start + reached) if listed else after)


def test_a_grant_is_as_its_parts_are() -> None:
    def state(*states: str) -> str:
        return state_of([
            Part(number=0, position="", state=each, issued=0, skipped=0, listed_count=0)  # type: ignore[arg-type]
            for each in states
        ])  # fmt: skip

    assert state("done", "running", "sold_out") == "running"
    assert state("done", "over", "sold_out") == "sold_out"
    assert state("done", "over") == "over"
    assert state("done", "done") == "done"


def test_why_a_member_may_have_no_more() -> None:
    def why(made: Template, received: int) -> tuple[str, str, str] | None:
        error = refused(made, MEMBER, received, NOW, "code")
        return None if error is None else (error.code, error.errors[0].field, error.text("zh", {}))

    assert why(template(limit=2), 1) is None
    assert why(template(limit=2), 2) == ("claim_limit", "code", "“五元券”每人限领 2 张，您已领满")
    assert why(template(audience=Audience(new_customers=True)), 0) == ("not_for_you", "code", "“五元券”仅限新客领取")
    assert why(template(audience=Audience(tags=["vip"])), 9) == ("not_for_you", "code", "“五元券”仅限指定会员领取")


def test_whom_a_grant_is_for() -> None:
    to_vips = Grant(grant_id="cg1", template_id="t1", digest="d", at=NOW, audience=Audience(tags=["vip"]))
    assert may_have(template(), grant(1), MEMBER, 0, NOW)
    assert not may_have(template(), grant(1), MEMBER, 1, NOW)
    assert not may_have(template(), grant(1), None, 0, NOW)
    assert not may_have(template(), to_vips, MEMBER, 0, NOW)
