"""What a group-buy lets in, what its seats cost, and how its lobbies end: sums to the fen, whatever the case."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.commerce.orders.refunds.rules import apply_refund, freight_left, new_refund, reduction
from chalicelib.commerce.orders.rules import Order, step
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import masked
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.activities.rules import check_activity
from chalicelib.growth.groupbuy.lobbies import rules as fates
from chalicelib.growth.groupbuy.refusals import SIZE_NOT_OFFERED
from chalicelib.growth.groupbuy.report.rules import wilson_bp
from chalicelib.growth.groupbuy.rules import CONTROL, Activity, Lobby, Lottery, Price, Terms, Variant
from tests.support.orders import line, order

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def price(size: int, fen: int, leader_fen: int | None = None, sku_id: str = "a") -> Price:
    return Price(sku_id=sku_id, size=size, price_fen=fen, leader_price_fen=leader_fen)


def activity(**changes: Any) -> Activity:
    fields: dict[str, Any] = {
        "activity_id": "ga1", "product_id": "p1", "kind": "fixed", "sizes": [3], "prices": [price(3, 5900)],
        "lobby_minutes": 60, "starts_at": NOW - HOUR, "ends_at": NOW + HOUR, "created_at": NOW - 2 * HOUR,
    }  # fmt: skip
    return Activity(**(fields | changes))


def terms(size: int | None = None, **changes: Any) -> Terms:
    return rules.terms_of(activity(**changes), CONTROL, size, "g1", "leader", NOW)


def refused(work: Any) -> MallError:
    with pytest.raises(MallError) as refusal:
        work()
    return refusal.value


# Seats and sizes


def test_a_lobby_has_the_size_asked_for_or_the_only_one_there_is() -> None:
    assert terms().size == 3
    two = {"sizes": [2, 3], "prices": [price(2, 6900), price(3, 5900)]}
    assert (terms(2, **two).size, terms(2, **two).prices) == (2, [price(2, 6900)])
    for wrong in (None, 4):
        refusal = refused(lambda wrong=wrong: terms(wrong, **two))
        assert (refusal.code, refusal.errors[0].field) == ("invalid", "group.size")


def test_the_leader_may_pay_less_and_nothing_at_all() -> None:
    free = terms(prices=[price(3, 5900, 0)]).price_of("a")
    assert free is not None
    assert (free.leader_fen, free.price_fen) == (0, 5900)
    assert price(3, 5900).leader_fen == 5900
    assert terms().price_of("a") == price(3, 5900)
    assert terms().price_of("b") is None


@given(st.integers(2, 9), st.integers(1, 9), st.integers(0, 12))
def test_a_lobby_succeeds_at_its_expiry_exactly_with_enough_paid_seats(size: int, least: int, taken: int) -> None:
    assume(taken <= size)
    plain = terms(sizes=[size], prices=[price(size, 100)])
    lenient = terms(sizes=[size], prices=[price(size, 100)], min_fill=least)
    assert (plain.ending(taken)[0] == "succeeded") == (taken == size)
    assert (lenient.ending(taken)[0] == "succeeded") == (taken >= min(max(least, 2), size))


def lobby(**changes: Any) -> Lobby:
    fields: dict[str, Any] = {"terms": terms(), "state": "open", "free": 1, "held": 1, "taken": 1}
    return Lobby(**(fields | {"expires_at": NOW + HOUR} | changes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"free": 0, "held": 2}, "lobby_full"),
        ({"state": "opening"}, "not_found"),
        ({"state": "failed"}, "lobby_over"),
        ({"state": "succeeded", "free": 0, "held": 0, "taken": 3}, "lobby_full"),
        ({"state": "succeeded"}, "lobby_over"),  # with free seats: the merchant let it succeed
        ({"expires_at": NOW}, "lobby_over"),
        ({"expires_at": NOW + rules.MARGIN}, "lobby_over"),
    ],
)
def test_who_comes_is_told_before_paying_why_there_is_no_seat(changes: dict[str, Any], code: str | None) -> None:
    if code is None:
        rules.check_joinable(lobby(**changes), NOW)
    else:
        assert refused(lambda: rules.check_joinable(lobby(**changes), NOW)).code == code


@pytest.mark.parametrize(
    ("kind", "asked", "size", "sold"),
    [
        ("fixed", 2, 2, [price(2, 6900), price(2, 6800, sku_id="b")]),
        ("fixed", 5, 5, [price(5, 5900)]),
        ("lottery", 3, 3, [price(3, 6400, 10)]),
        ("ladder", None, 5, "all"),
        ("ladder", 2, 5, "all"),
    ],
)
def test_a_lobby_keeps_what_its_activity_said_when_it_was_opened(
    kind: Any, asked: int | None, size: int, sold: Any
) -> None:
    """A ladder's lobby is as large as its largest step, whichever was asked for, and has the prices of all of them."""
    prices = [price(3, 6400, 10), price(2, 6900), price(5, 5900), price(2, 6800, sku_id="b")]
    made = activity(
        kind=kind, sizes=[3, 5, 2], prices=prices, limit_per_member=4, min_fill=2, new_customers_only=True,
        lottery=Lottery(winners=2), stock={"a": 7, "b": 9}, ends_at=NOW + 9 * HOUR,
    )  # fmt: skip
    assert rules.terms_of(made, CONTROL, asked, "g1", "m1", NOW) == Terms(
        lobby_id="g1", activity_id="ga1", product_id="p1", kind=kind, variant=CONTROL, size=size,
        prices=prices if sold == "all" else sold, lobby_minutes=60, opened_at=NOW, latest_end_at=NOW + 9 * HOUR,
        leader_id="m1", limit_per_member=4, min_fill=2, new_customers_only=True, pool="ga1", lottery=Lottery(winners=2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "asked"), [("fixed", None), ("lottery", None), ("fixed", 4), ("lottery", 4), ("ladder", 4)]
)
def test_a_size_that_is_not_offered_is_refused_and_told_which_are(kind: Any, asked: int | None) -> None:
    prices = [price(3, 6400), price(2, 6900), price(5, 5900)]
    refusal = refused(lambda: terms(asked, kind=kind, sizes=[3, 5, 2], prices=prices))
    assert (refusal.code, refusal.errors) == ("invalid", (SIZE_NOT_OFFERED.at("group.size", sizes=[2, 3, 5]),))


def test_an_activity_sells_from_its_own_pool_if_pieces_were_set_aside() -> None:
    assert activity(stock={"a": 1}).pool == "ga1"
    assert activity().pool == terms().pool == ""


# Ladder

STEPS = [2, 3, 5]


@st.composite
def ladders(draw: st.DrawFn) -> Terms:
    """Prices that never rise with the step, for the leader nor for the others."""
    size = st.integers(2, 12)
    steps = sorted(draw(st.sets(size, min_size=1, max_size=5)))
    falling = st.lists(st.integers(0, 99999), min_size=len(steps), max_size=len(steps))
    others = sorted(draw(falling), reverse=True)
    leaders = sorted((min(fen, mine) for fen, mine in zip(others, draw(falling), strict=True)), reverse=True)
    prices = [price(at, fen, mine) for at, fen, mine in zip(steps, others, leaders, strict=True)]
    made = activity(kind="ladder", sizes=steps, prices=prices)
    check_activity(made, ["a"], NOW)
    return rules.terms_of(made, CONTROL, None, "g1", "leader", NOW)


@given(ladders(), st.integers(0, 13))
def test_a_ladder_is_at_the_largest_step_that_so_many_have_paid_for(ladder: Terms, taken: int) -> None:
    steps = sorted(one.size for one in ladder.prices)
    reached = [0, *(at for at in steps if at <= taken)][-1]
    assert ladder.step(taken) == reached
    assert ladder.least == steps[0]
    assert ladder.price_of("a") == next(one for one in ladder.prices if one.size == steps[0])
    assert ladder.ending(taken) == (("succeeded", reached) if reached else ("failed", 0))


def test_only_a_ladder_has_steps() -> None:
    fixed = terms(min_fill=2)
    assert [fixed.ending(taken) for taken in range(4)] == [("failed", 0)] * 2 + [("succeeded", 0)] * 2


def back(now: Order) -> int:
    return sum(refund.amount_fen for refund in now.refunds)


# Lottery


@given(st.integers(1, 9), st.integers(0, 99999), st.integers(0, 5000), st.sampled_from(["goods", "free"]))
def test_a_lottery_keeps_or_gives_back_whole_sums(quantity: int, unit: int, freight: int, prize: Any) -> None:
    lottery = Lottery(winners=1, prize=prize)
    for won in (True, False):
        fate = fates.lottery_fate(lottery, won)
        assert fate.seat == ("won" if won else "lost")
        assert fate.ships == (won or prize == "free")
        assert fate.free == (won and prize == "free")
        before = order(line("a", quantity, unit * quantity), freight_fen=freight, state="awaiting_group")
        if not fate.ships:
            after = apply_refund(before, new_refund(before, "r", None, fate.why, "", NOW), False, "system", NOW)[0]
            assert (back(after), after.state) == (before.payable_fen, "closed")
        elif fate.free:
            gift = reduction("r", {"a": unit * quantity}, freight_left(before), fate.why, NOW)
            after = apply_refund(step(before, "proceed", "draw_won", "system", NOW), gift, False, "system", NOW)[0]
            assert (back(after), after.state) == (before.payable_fen, "awaiting_shipment")
            rest = new_refund(after, "r2", None, "does not want it", "", NOW)
            assert rest.amount_fen == 0  # all of it went back before


# Experiments


def variants(*shares: int) -> list[Variant]:
    return [
        Variant(name=f"v{number}", share_bp=share, sizes=[2], prices=[price(2, 100 + number)])
        for number, share in enumerate(shares)
    ]


def test_a_member_is_always_offered_the_same_variant_and_shares_are_kept() -> None:
    tried = activity(variants=variants(2500, 2500))
    offered = {f"m{number}": tried.variant_of(f"m{number}") for number in range(8000)}
    assert all(tried.variant_of(member) == variant for member, variant in offered.items())
    counts = Counter(offered.values())
    for variant, expected in ((CONTROL, 4000), ("v0", 2000), ("v1", 2000)):
        assert abs(counts[variant] - expected) < 250, counts  # more than five standard deviations
    other = activity(activity_id="ga2", variants=variants(2500, 2500))
    assert sum(other.variant_of(member) != variant for member, variant in offered.items()) > 4000


def test_of_ten_thousand_tickets_each_variant_has_its_share_and_the_control_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ids, "shard", lambda key, shards: int(key.removeprefix("ga1|")) % shards)
    tried = activity(variants=variants(2500, 1, 30))
    offered = [tried.variant_of(str(number)) for number in range(10_000)]
    assert offered == ["v0"] * 2500 + ["v1"] + ["v2"] * 30 + [CONTROL] * 7469


def test_who_is_not_known_is_in_no_variant() -> None:
    assert activity(variants=variants(10_000)).variant_of("") == CONTROL


def test_a_variant_has_its_own_sizes_and_prices() -> None:
    tried = activity(variants=variants(10000))
    assert tried.variant_of("anybody") == "v0"
    assert tried.offer("v0") == ([2], [price(2, 100)])
    assert tried.offer(CONTROL) == ([3], [price(3, 5900)])


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    [(81, 263, 2553, 3662), (15, 148, 624, 1605), (0, 20, 0, 1611), (1, 29, 61, 1718)],
)
def test_the_interval_is_the_one_of_the_literature(successes: int, trials: int, low: int, high: int) -> None:
    share, lower, upper = wilson_bp(successes, trials)
    assert share == round(10_000 * successes / trials)
    assert abs(lower - low) <= 1
    assert abs(upper - high) <= 1


@given(st.integers(1, 5000), st.data())
def test_an_interval_holds_its_share_and_narrows_with_more(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    share, low, high = wilson_bp(successes, trials)
    assert 0 <= low <= share <= high <= 10_000
    _, lower, higher = wilson_bp(successes * 4, trials * 4)
    assert math.isclose(share, wilson_bp(successes * 4, trials * 4)[0])
    assert higher - lower <= high - low


# Who is let in


def test_a_lobby_is_opened_only_while_the_activity_runs() -> None:
    rules.check_running(activity(), NOW)
    for changes in ({"starts_at": NOW + HOUR}, {"ends_at": NOW}, {"ended_early": True}):
        assert refused(lambda changes=changes: rules.check_running(activity(**changes), NOW)).code == "activity_over"


@pytest.mark.parametrize(("nickname", "shown"), [("林小鱼", "林**"), ("🐟", "🐟**"), ("", "微信用户")])
def test_others_see_the_first_character_of_a_name(nickname: str, shown: str) -> None:
    assert masked(nickname) == shown
