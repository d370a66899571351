"""Whom a step of a grant gives a coupon, and where its part is then; and why a member may have no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.bulk_issue.rules import (
    STEP_MEMBERS,
    Following,
    Part,
    Step,
    decide,
    may_have,
    segments_asked,
    state_of,
    with_room,
)
from chalicelib.commerce.coupons.issue.rules import coupon_id, coupon_of, refused
from chalicelib.commerce.coupons.rules import Audience, Coupon, Grant, Template, Terms, Validity
from chalicelib.customers.members.rules import LifeCycleRules, Profile

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
    st.just(0) | st.integers(0, 900),
    st.booleans(),
    st.booleans(),
)
def test_a_step_gives_in_order_until_there_is_nothing_left(
    wants: list[bool], frees: list[int], start: int, last: bool, listed: bool
) -> None:
    members = [f"m{number}" for number in range(len(wants))]
    wanted = [each for each, wants_one in zip(members, wants, strict=True) if wants_one]
    at = str(start or "") if listed else "2026|m0"  # a part that has not begun is nowhere
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


@pytest.mark.parametrize(
    ("wanted", "frees", "at", "listed", "step"),
    [
        ("bd", [9], "7", True, Step(given=["b", "d"], portions={0: 2}, skipped=2, position="11", state="running")),
        ("bd", [1], "7", True, Step(given=["b"], portions={0: 1}, skipped=2, position="10", state="sold_out")),
        ("bd", [0], "7", True, Step(skipped=1, position="8", state="sold_out")),
        ("bd", [0, 1], "", True, Step(given=["b"], portions={1: 1}, skipped=2, position="3", state="sold_out")),
        ("ab", [0], "", True, Step(position="0", state="sold_out")),
        ("bd", [1], "t|m", False, Step(given=["b"], portions={0: 1}, skipped=2, position="11", state="sold_out")),
        ("", [0, 0], "7", True, Step(skipped=4, position="11", state="running")),
        ("abcd", [2, 3], "7", True, Step(given=list("abcd"), portions={0: 2, 1: 2}, position="11", state="running")),
    ],
)  # fmt: skip
def test_a_step_over_four_members_is(wanted: str, frees: list[int], at: str, listed: bool, step: Step) -> None:
    following = Following(list("abcd"), "11", False)
    made = decide(template(len(frees)), grant(1000 if listed else None), part(at), following, list(wanted), frees)
    assert made == step


@pytest.mark.parametrize(
    ("number", "issued", "shard"),
    [(0, 0, 0), (1, 0, 1), (1, 29, 1), (1, 30, 2), (1, 59, 2), (2, 60, 0), (3, 30, 0), (0, 45, 1), (6, 0, 2)],
)
def test_each_part_and_each_step_of_it_begins_at_another_shard(number: int, issued: int, shard: int) -> None:
    at = msgspec.structs.replace(part("7", issued), number=number)
    step = decide(template(4), grant(1000), at, Following(["a", "b"], "9", True), ["a", "b"], [5, 5, 5, 5])
    assert step == Step(given=["a", "b"], portions={shard: 2}, position="9", state="done")


def test_who_has_some_and_may_have_more_is_told_in_the_order_of_the_step() -> None:
    received = {"d": 2, "a": 0, "e": 4, "b": 1, "c": 3, "f": 9}
    assert with_room(template(limit=3), list("fedcba"), received) == ["d", "b"]
    assert with_room(template(limit=1), list("abcdef"), received) == []
    assert with_room(template(limit=5), ["c", "a", "e"], received) == ["c", "e"]


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


NEW = msgspec.structs.replace(MEMBER, orders_completed=0, last_completed_at=None)
VIP = msgspec.structs.replace(MEMBER, tags=["vip"])
VIPS, NEW_ONES, NEW_VIPS = (
    Audience(tags=["vip"]), Audience(new_customers=True), Audience(tags=["vip"], new_customers=True),
)  # fmt: skip
INSIDE, OUTSIDE = Audience(segments=["sga", "silent"]), Audience(segments=["sgb"])


@pytest.mark.parametrize(
    ("made", "member", "received", "why"),
    [
        (template(limit=2), MEMBER, 1, None),
        (template(limit=2), MEMBER, 2, ("claim_limit", "“五元券”每人限领 2 张，您已领满", {"limit": 2})),
        (template(limit=2), MEMBER, 3, ("claim_limit", "“五元券”每人限领 2 张，您已领满", {"limit": 2})),
        (template(audience=NEW_ONES), MEMBER, 0, ("not_for_you", "“五元券”仅限新客领取", {})),
        (template(audience=NEW_ONES), NEW, 0, None),
        (template(audience=VIPS), MEMBER, 9, ("not_for_you", "“五元券”仅限指定会员领取", {})),
        (template(audience=VIPS), VIP, 0, None),
        (template(audience=NEW_VIPS), NEW, 0, ("not_for_you", "“五元券”仅限指定会员领取", {})),
        (template(audience=NEW_VIPS), VIP, 0, ("not_for_you", "“五元券”仅限新客领取", {})),
        (template(audience=VIPS), VIP, 1, ("claim_limit", "“五元券”每人限领 1 张，您已领满", {"limit": 1})),
    ],
)
def test_why_a_member_may_have_no_more(
    made: Template, member: Profile, received: int, why: tuple[str, str, dict[str, int]] | None
) -> None:
    error = refused(made, member, received, NOW, LifeCycleRules(), (), "code")
    if why is None:
        assert error is None
    else:
        assert error is not None
        assert [one.field for one in error.errors] == ["code"]
        assert (error.code, error.text("zh", {}), error.data) == why


@pytest.mark.parametrize(
    ("of", "to", "member", "received", "may"),
    [
        (None, None, MEMBER, 0, True), (None, None, MEMBER, 1, False), (None, None, None, 0, False),
        (None, VIPS, MEMBER, 0, False), (None, VIPS, VIP, 0, True), (None, VIPS, VIP, 1, False),
        (None, VIPS, None, 0, False), (NEW_ONES, VIPS, VIP, 0, False), (NEW_ONES, None, NEW, 0, True),
        (INSIDE, None, VIP, 0, True), (OUTSIDE, None, VIP, 0, False), (None, INSIDE, VIP, 0, True),
        (INSIDE, OUTSIDE, VIP, 0, False),
    ],
)  # fmt: skip
def test_whom_a_grant_is_for(
    of: Audience | None, to: Audience | None, member: Profile | None, received: int, may: bool
) -> None:
    granted = msgspec.structs.replace(grant(1), audience=to)
    assert may_have(template(audience=of), granted, member, received, NOW, LifeCycleRules(), ("sga",)) is may


def test_what_a_grant_asks_of_segments_is_what_it_and_its_template_name() -> None:
    assert segments_asked(template(audience=INSIDE), msgspec.structs.replace(grant(1), audience=OUTSIDE)) == [
        "sga", "silent", "sgb",
    ]  # fmt: skip
    assert segments_asked(template(), grant(1)) == []


def test_a_coupon_is_its_cause_s_and_as_its_template_says() -> None:
    made, cause = template(), ("cg1", "7")
    again = NOW + timedelta(hours=1)
    coupon = coupon_of(made, "m1", "grant", cause, again)
    assert coupon == Coupon(
        coupon_id=coupon_id(made, "m1", "grant", cause), template_id="t1", member_id="m1", name="五元券",
        terms=made.terms, valid_from=again, valid_until=again + timedelta(days=7), received_at=again, how="grant",
    )  # fmt: skip
    dated = msgspec.structs.replace(made, valid=Validity(begins=NOW, until=NOW + timedelta(days=2)))
    later = coupon_of(dated, "m1", "grant", cause, again)
    assert (later.coupon_id, later.received_at) == (coupon.coupon_id, again)  # the same whenever it is got
    assert (later.valid_from, later.valid_until) == (NOW, NOW + timedelta(days=2))


def test_every_cause_gives_a_coupon_of_its_own() -> None:
    made = template()
    ids = [
        coupon_id(made, "m1", "grant", ("cg1", "7")), coupon_id(made, "m2", "grant", ("cg1", "7")),
        coupon_id(made, "m1", "share", ("cg1", "7")), coupon_id(made, "m1", "grant", ("cg1", "8")),
        coupon_id(made, "m1", "grant", ("cg2", "7")), coupon_id(made, "m1", "grant", ("cg1",)),
        coupon_id(msgspec.structs.replace(made, template_id="t2"), "m1", "grant", ("cg1", "7")),
    ]  # fmt: skip
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("c") for each in ids)
