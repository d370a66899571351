"""Which tie stays, and which distributor two members are, who turn out to be one person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.growth.distribution.absorbing.rules import moved_on, one_distributor
from chalicelib.growth.distribution.rules import Binding, Distributor, DistributorRecord, SalesTotals, Tier
from chalicelib.growth.distribution.ties.rules import Tie, united
from chalicelib.growth.payouts.limits.rules import Allowance, MonthSum, joined

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
TIERS = [Tier(tier_id=name, name=name, sales_fen=fen) for name, fen in (("silver", 100), ("gold", 1000))]
days = st.integers(-40, 40).map(lambda count: NOW + timedelta(days=count))
past = st.integers(-40, 0).map(lambda count: NOW + timedelta(days=count))


def ties(member_id: str) -> st.SearchStrategy[Tie | None]:
    bindings = st.builds(
        Binding, member_id=st.just(member_id), inviter=st.sampled_from(["a", "b", "c", "L", "S"]), token=st.just("t"),
        bound_at=past, until=st.none() | days,
    )  # fmt: skip
    return st.none() | st.builds(Tie, bindings, st.integers(0, 9), st.integers(0, 999))


def distributors(member_id: str) -> st.SearchStrategy[DistributorRecord]:
    made = st.builds(
        Distributor, member_id=st.just(member_id), state=st.sampled_from(["pending", "active", "suspended"]),
        invite_code=st.just(member_id * 3), applied_at=past, active_since=st.none() | past,
        tier=st.sampled_from(["standard", "silver", "gold", "gone"]),
        rewarded=st.lists(st.sampled_from(["silver", "gold"]), unique=True),
    )  # fmt: skip
    return st.builds(DistributorRecord, made, st.builds(SalesTotals, st.integers(0, 2000)))


@given(ties("S"), ties("L"), st.sets(st.sampled_from(["a", "b"])))
def test_the_earlier_tie_that_protects_stays_and_none_to_oneself_or_in_a_ring(
    ours: Tie | None, theirs: Tie | None, below: set[str]
) -> None:
    barred = {"L", "S", *below}
    kept, over = united(ours, theirs, barred, NOW)
    assert (kept is None) == (ours is None and theirs is None)
    assert (over is None) == (ours is None or theirs is None)
    may = [one for one in (ours, theirs) if one is not None and one.binding.live(NOW)]
    may = [one for one in may if one.binding.inviter not in barred]
    for one in (kept, over):
        if one is not None and one.binding.live(NOW):
            assert one is kept
            assert one.binding.inviter not in barred
    if may:
        assert kept is not None
        assert kept.binding in [one.binding for one in may]
        assert kept.binding.bound_at == min(one.binding.bound_at for one in may)
    if over is not None and over.binding.ended:
        assert over.binding.until == NOW
    if kept is not None and kept.binding.live(NOW) and over is not None:
        both = over.binding.inviter == kept.binding.inviter
        assert ours is not None
        assert theirs is not None
        assert kept.orders == (ours.orders + theirs.orders if both else (ours if kept == ours else theirs).orders)


@given(ties("S"), ties("L"))
def test_one_that_is_over_says_so_only_where_it_protected(ours: Tie | None, theirs: Tie | None) -> None:
    kept, over = united(ours, theirs, {"L", "S"}, NOW)
    before = {one.binding.inviter: one for one in (ours, theirs) if one is not None}
    for one in (kept, over):
        if one is not None and one.binding.ended:
            assert before[one.binding.inviter].binding.live(NOW) or ours is not None
            assert not one.binding.live(NOW)


@given(st.none() | distributors("S"), distributors("L"))
def test_two_distributors_are_one_in_the_higher_tier_whom_no_operator_has_stopped(
    ours: DistributorRecord | None, theirs: DistributorRecord
) -> None:
    one = one_distributor("S", ours, theirs, TIERS)
    assert one.member_id == "S"
    if ours is None:
        assert msgspec.structs.replace(one, member_id="L") == theirs.distributor
        return
    states = {ours.distributor.state, theirs.distributor.state}
    assert one.state == next(state for state in ("suspended", "active", "pending") if state in states)
    assert one.invite_code == ours.distributor.invite_code
    order = ["standard", "silver", "gold"]
    known = [each.distributor.tier for each in (ours, theirs) if each.distributor.tier in order]
    if len(known) == 2:
        assert one.tier == max(known, key=order.index)
    assert sorted(one.rewarded) == sorted([*ours.distributor.rewarded, *theirs.distributor.rewarded])
    assert one.applied_at == min(ours.distributor.applied_at, theirs.distributor.applied_at)


@given(distributors("L"))
def test_what_stays_of_a_distributor_works_no_more_and_says_whose_they_are(theirs: DistributorRecord) -> None:
    stays = moved_on(theirs.distributor, "S")
    assert (stays.state, stays.merged_into, stays.member_id) == ("suspended", "S", "L")


amounts = st.integers(0, 10**6)
allowances = st.builds(
    Allowance, day=days.map(lambda at: at.date()), count=st.integers(0, 9), fen=amounts, month_fen=amounts,
    month_tax_fen=amounts, year_fen=amounts, year_tax_fen=amounts, first_month=st.integers(0, 10),
    earlier=st.dictionaries(
        st.sampled_from(["2026-08", "2026-09"]), st.builds(MonthSum, amounts, amounts), max_size=2
    ),
    taxed_by=st.sampled_from(["none", "labour"]),
)  # fmt: skip


@given(allowances, allowances, st.none() | allowances)
def test_limits_count_what_both_have_withdrawn_whoever_comes_first(
    first: Allowance, second: Allowance, carried: Allowance | None
) -> None:
    first = msgspec.structs.replace(first, carried=carried)
    one, other = joined(first, second), joined(second, first)
    assert msgspec.structs.replace(one, taxed_by="none") == msgspec.structs.replace(other, taxed_by="none")
    today = max(first.day, second.day)
    for field in ("count", "fen", "month_fen", "month_tax_fen", "year_fen", "year_tax_fen"):
        assert getattr(one, field) == getattr(first.on(today), field) + getattr(second.on(today), field)
    assert one.carried == carried
    assert ("labour" in (first.taxed_by, second.taxed_by)) == (one.taxed_by == "labour")
