"""What a template may say, where pieces are taken from, and how many wrong codes are looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.inputs import TemplateChangeInput
from chalicelib.commerce.coupons.rules import (
    GUESS_SECONDS,
    GUESSES_MAX,
    GUESSES_UNDER_PRESSURE,
    Audience,
    Coupon,
    Guesses,
    Held,
    Scope,
    Template,
    Terms,
    Validity,
)
from chalicelib.commerce.coupons.templates import rules as template_rules
from chalicelib.core.errors import MallError
from chalicelib.core.shards import first_with_some
from chalicelib.customers.members.rules import Profile
from local.client import coupon_template as body

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
FREES = st.lists(st.integers(0, 20), min_size=1, max_size=32)


def faults(**more: Any) -> list[str]:
    """The fields that are refused."""
    try:
        template_rules.check_template(msgspec.convert(body(**more), TemplateChangeInput))
    except MallError as fault:
        assert fault.code == "invalid"
        return [error.field for error in fault.errors]
    return []


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kind": "percent_off", "amount_fen": None, "percent_off": 1},
        {"kind": "percent_off", "amount_fen": None, "percent_off": 99, "ceiling_fen": 1},
        {"kind": "free_shipping", "amount_fen": None},
        {"kind": "free_shipping", "amount_fen": None, "ceiling_fen": 1000},
        {"kind": "exchange", "amount_fen": 0, "scope": {"products": ["p1"]}},
        {"valid": {"until": "2027-01-01T00:00:00Z"}},
        {"valid": {"from": "2026-12-01T00:00:00Z", "until": "2027-01-01T00:00:00+08:00"}},
        {"how": ["claim", "share"], "share_limit": 1},
        {"stacking": "extra"},
    ],
)
def test_what_goes_together(more: dict[str, Any]) -> None:
    assert faults(**more) == []


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"amount_fen": None}, ["amount_fen"]),
        ({"amount_fen": 0}, ["amount_fen"]),
        ({"percent_off": 10}, ["percent_off"]),
        ({"ceiling_fen": 10}, ["ceiling_fen"]),
        ({"kind": "percent_off", "percent_off": 10}, ["amount_fen"]),
        ({"kind": "percent_off", "amount_fen": None}, ["percent_off"]),
        ({"kind": "percent_off", "amount_fen": None, "percent_off": 0}, ["percent_off"]),
        ({"kind": "percent_off", "amount_fen": None, "percent_off": 100}, ["percent_off"]),
        ({"kind": "percent_off", "amount_fen": None, "percent_off": 9, "ceiling_fen": 0}, ["ceiling_fen"]),
        ({"kind": "free_shipping"}, ["amount_fen"]),
        ({"kind": "free_shipping", "amount_fen": None, "stacking": "extra"}, ["stacking"]),
        ({"kind": "exchange"}, ["scope.products"]),
        ({"kind": "exchange", "amount_fen": None, "scope": {"products": ["p1"]}}, ["amount_fen"]),
        ({"valid": {}}, ["valid"]),
        ({"valid": {"days": 1, "until": "2027-01-01T00:00:00Z"}}, ["valid"]),
        ({"valid": {"from": "2027-01-01T00:00:00Z"}}, ["valid.until"]),
        ({"valid": {"from": "2027-01-01T08:00:00+08:00", "until": "2027-01-01T00:00:00Z"}}, ["valid.until"]),
        ({"valid": {"until": "0001-01-01T00:00:00+08:00"}}, ["valid.until"]),
        ({"valid": {"until": "9999-12-31T23:59:59-08:00"}}, ["valid.until"]),
        ({"how": ["claim", "claim"]}, ["how"]),
        ({"how": ["share"]}, ["share_limit"]),
        ({"share_limit": 1}, ["share_limit"]),
        ({"how": ["share"], "share_limit": 2}, ["share_limit"]),
        ({"amount_fen": None, "valid": {}, "share_limit": 1}, ["amount_fen", "valid", "share_limit"]),
    ],
)
def test_what_does_not_is_named(more: dict[str, Any], fields: list[str]) -> None:
    assert faults(**more) == fields


def test_validity_by_dates_and_by_days() -> None:
    begins, until = NOW + timedelta(days=1), NOW + timedelta(days=2)
    assert Validity(begins=begins, until=until).span(NOW) == (begins, until)
    assert Validity(until=until).span(NOW) == (NOW, until)
    assert Validity(days=3).span(NOW) == (NOW, NOW + timedelta(days=3))


def test_expired_is_by_the_clock_and_only_of_what_is_unused() -> None:
    coupon = Coupon(
        coupon_id="c1", template_id="t1", member_id="m1", name="券", terms=Terms(kind="free_shipping"),
        valid_from=NOW, valid_until=NOW + timedelta(days=1), received_at=NOW, how="claim",
    )  # fmt: skip
    held = Held(coupon=coupon, state="unused")
    before, last, after = NOW - timedelta(seconds=1), NOW + timedelta(hours=23), NOW + timedelta(days=1)
    assert [held.unusable(at) for at in (before, NOW, last, after)] == ["not_yet", None, None, "expired"]
    locked = Held(coupon=coupon, state="locked", order_id="o1")
    assert [locked.state_at(at) for at in (NOW, after)] == ["locked", "locked"]


def test_whom_an_audience_admits() -> None:
    fresh = Profile(member_id="m1", openid="o", joined_at=NOW, tags=["a", "b"])
    old = Profile(member_id="m1", openid="o", joined_at=NOW, orders_completed=9, last_completed_at=NOW)
    for audience, admitted in (
        (Audience(), [True, True]),
        (Audience(segments=["new"]), [True, False]),
        (Audience(segments=["loyal", "repeat"]), [False, True]),
        (Audience(tags=["b", "c"]), [True, False]),
        (Audience(new_customers=True), [True, False]),
        (Audience(segments=["new"], tags=["c"]), [False, False]),
    ):
        assert [audience.admits(profile, NOW) for profile in (fresh, old)] == admitted, audience


def test_shards_grow_with_the_total() -> None:
    assert [rules.shards_for(total) for total in (1, 500, 501, 10_000, 16_000, 10**8)] == [1, 1, 2, 20, 32, 32]


@given(FREES, st.integers(0, 100))
def test_one_is_found_wherever_it_is(frees: list[int], first: int) -> None:
    shard = first_with_some(frees, first)
    if shard is None:
        assert not any(frees)
    else:
        assert frees[shard] > 0
        assert frees[first % len(frees)] == 0 or shard == first % len(frees)


@given(FREES, st.integers(1, 60), st.integers(0, 100))
def test_portions_are_what_there_is_up_to_what_is_wanted(frees: list[int], pieces: int, first: int) -> None:
    taken = rules.portions(frees, pieces, first)
    assert sum(taken.values()) == min(pieces, sum(frees))
    assert all(0 < part <= frees[shard] for shard, part in taken.items())
    if max(frees) >= pieces:
        assert len(taken) == 1


@given(st.lists(st.integers(0, 3 * GUESS_SECONDS), max_size=60), st.booleans())
def test_no_more_wrong_codes_an_hour_than_are_allowed(waits: list[int], under_pressure: bool) -> None:
    allowed = GUESSES_UNDER_PRESSURE if under_pressure else GUESSES_MAX
    guesses, now, looked_at = Guesses(), 0, []
    for wait in waits:
        now += wait // 20
        if not guesses.at(now).is_spent(under_pressure):
            guesses = guesses.one_more(now)
            looked_at.append(now)
            assert guesses.window_ends <= now + GUESS_SECONDS
    windows: dict[int, int] = {}
    begins = None
    for at in looked_at:  # a window begins with its first wrong code
        if begins is None or at >= begins + GUESS_SECONDS:
            begins = at
        windows[begins] = windows.get(begins, 0) + 1
    assert all(count <= allowed for count in windows.values())
    assert guesses.at(guesses.window_ends) == Guesses()


@pytest.mark.parametrize(("under_pressure", "limit"), [(False, GUESSES_MAX), (True, GUESSES_UNDER_PRESSURE)])
def test_guesses_are_spent_at_their_limit_and_not_before(under_pressure: bool, limit: int) -> None:
    assert [Guesses(wrong, 1).is_spent(under_pressure) for wrong in (0, limit - 1, limit, limit + 1)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_a_coupon_is_worth_what_its_template_said() -> None:
    """Every word of it, and nought for what was not said."""
    scope = {"categories": ["tea"], "excluded_products": ["p1"]}
    asked = body(
        kind="percent_off", amount_fen=None, percent_off=15, ceiling_fen=900, threshold_fen=7, scope=scope,
        stacking="extra", returns=False,
    )  # fmt: skip
    assert template_rules.terms_of(msgspec.convert(asked, TemplateChangeInput)) == Terms(
        kind="percent_off", amount_fen=0, percent_off=15, ceiling_fen=900, threshold_fen=7, stacking="extra",
        returns=False, scope=Scope(categories=["tea"], excluded_products=["p1"]),
    )  # fmt: skip
    plain = template_rules.terms_of(msgspec.convert(body(amount_fen=500), TemplateChangeInput))
    assert (plain.kind, plain.amount_fen, plain.percent_off, plain.ceiling_fen) == ("amount_off", 500, 0, None)
    assert (plain.stacking, plain.returns, plain.scope) == ("main", True, Scope())


def test_a_template_is_offered_while_it_is_published_and_not_over() -> None:
    until = NOW + timedelta(days=1)
    made = Template(
        template_id="t1", name="券", state="published", terms=Terms(kind="free_shipping"), total=1, limit_per_member=1,
        valid=Validity(until=until), how=["claim"], shards=1, created_at=NOW,
    )  # fmt: skip
    for at, over in ((NOW, False), (until - timedelta(microseconds=1), False), (until, True)):
        assert made.is_over(at) is over
        assert made.is_offered(at) is not over
    for state in ("draft", "paused"):
        assert not msgspec.structs.replace(made, state=state).is_offered(NOW)
    for_days = msgspec.structs.replace(made, valid=Validity(days=1))
    assert not for_days.is_over(NOW + timedelta(days=999))
    assert for_days.is_offered(NOW + timedelta(days=999))


@pytest.mark.parametrize(
    ("how", "share_limit", "code"),
    [(["claim", "share"], None, "share_limit_needed"), (["claim"], 1, "coupon_not_shared")],
)
def test_it_is_told_what_is_wrong_with_a_share_limit(how: list[str], share_limit: int | None, code: str) -> None:
    with pytest.raises(MallError) as refusal:
        template_rules.check_template(msgspec.convert(body(how=how, share_limit=share_limit), TemplateChangeInput))
    assert [(error.field, error.reason.code) for error in refusal.value.errors] == [("share_limit", code)]


@given(
    st.lists(st.sampled_from("ab"), max_size=2), st.lists(st.sampled_from("pq"), max_size=2),
    st.lists(st.sampled_from("pq"), max_size=1), st.sampled_from("pqr"), st.lists(st.sampled_from("abc"), max_size=2),
)  # fmt: skip
def test_a_scope_covers_what_it_names_or_all_and_never_what_it_excludes(
    categories: list[str], products: list[str], excluded: list[str], product: str, of: list[str]
) -> None:
    scope = Scope(categories=categories, products=products, excluded_products=excluded)
    named = product in products or bool(set(categories) & set(of))
    assert scope.covers(product, of) == (product not in excluded and (named or not (categories or products)))
