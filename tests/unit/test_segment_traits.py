"""What is known of a member: orders counted together, instants, coupons; what an order counts; and lists' moves."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.accounting.rules import paid_for
from chalicelib.commerce.orders.refunds.rules import new_refund
from chalicelib.commerce.orders.rules import Event, Order, Pieces
from chalicelib.customers.members.rules import Birthday, LifeCycleRules, Profile, Source
from chalicelib.growth.segments.assessment.rules import is_complete, net_moves
from chalicelib.growth.segments.definitions.rules import book_of
from chalicelib.growth.segments.membership.rules import SEGMENTS_AT_ONCE, portion
from chalicelib.growth.segments.preview.rules import interval
from chalicelib.growth.segments.purchases.rules import bought
from chalicelib.growth.segments.traits.rules import (
    COUPONS_KEPT,
    DAY_MS,
    ORDERS_KEPT,
    ORDERS_MAX,
    WINDOW_DAYS_MAX,
    Bought,
    Came,
    Person,
    Traits,
    folded,
    ms,
    person,
    with_coupon,
    with_instants,
    with_order,
    with_orders,
    within_needs,
    without_over,
)
from tests.support.orders import NOW, ask, grant, line, order, send

NOW_MS = ms(NOW)
BEYOND = NOW_MS - WINDOW_DAYS_MAX * DAY_MS
NOBODY = Traits(member_id="m", person=Person(joined_at=0))


def paid(number: int, paid_at: int, fen: int = 100, completed: bool = False) -> Bought:
    return Bought(f"o{number:04}", paid_at, fen, paid_at + 1 if completed else 0, {"p:p": fen // 2})


def test_orders_within_a_window_stand_singly_and_older_ones_only_up_to_so_many() -> None:
    old = [paid(one, BEYOND - 1 - one) for one in range(ORDERS_KEPT)]
    assert with_orders(NOBODY, old, NOW_MS).older.up_to == 0
    found = with_orders(NOBODY, [*old, paid(900, NOW_MS)], NOW_MS)
    assert (len(found.bought), found.older.sums) == (ORDERS_KEPT, {"": (1, 100), "p:p": (1, 50)})
    edge = with_orders(NOBODY, [paid(one, BEYOND + one) for one in range(ORDERS_KEPT + 9)], NOW_MS)
    assert len(edge.bought) == ORDERS_KEPT + 9, "exactly 400 days old is within a window"
    many = with_orders(NOBODY, [paid(one, NOW_MS - 900 + one) for one in range(ORDERS_MAX + 3)], NOW_MS)
    assert (len(many.bought), many.older.sums[""]) == (ORDERS_MAX, (3, 300))


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 3), st.booleans()), max_size=90), st.integers(0, 9))
def test_counting_orders_together_loses_nothing_of_all_of_them(rows: list[tuple[int, int, bool]], seed: int) -> None:
    entries = [paid(number, NOW_MS - days * DAY_MS, fen * 100, done) for number, (days, fen, done) in enumerate(rows)]
    at_once = with_orders(NOBODY, entries, NOW_MS)
    one_by_one = NOBODY
    for one in sorted(entries, key=lambda each: (each.paid_at, each.order_id)):
        one_by_one = with_order(one_by_one, None, one, NOW_MS)
    assert one_by_one == at_once
    assert folded(at_once, NOW_MS) == at_once
    counts = [one for one in entries if one.net_fen > 0]
    older = at_once.older.sums.get("", (0, 0))
    singly = [one for one in at_once.bought if one.net_fen > 0]
    assert older[0] + len(singly) == len(counts)
    assert older[1] + sum(one.net_fen for one in singly) == sum(one.net_fen for one in counts)
    assert at_once.completed == sum(one.completed_at > 0 for one in entries)
    assert at_once.last_completed_at == max((one.completed_at for one in entries), default=0)


def test_a_change_of_an_order_that_is_counted_with_others_is_looked_up() -> None:
    found = with_orders(NOBODY, [paid(one, BEYOND - 900 + one) for one in range(ORDERS_KEPT + 2)], NOW_MS)
    book = book_of([], 0, 0, LifeCycleRules())
    first, third = paid(0, BEYOND - 900), found.bought[0]
    assert is_complete(book, found, NOW_MS)
    assert not is_complete(book, with_order(found, first, None, NOW_MS), NOW_MS)
    after = with_order(found, third, None, NOW_MS)
    assert is_complete(book, after, NOW_MS) and len(after.bought) == ORDERS_KEPT - 1


@given(st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=9), st.integers(1, 6))
def test_the_latest_instants_stay_in_whatever_order_they_are_heard(batches: list[list[int]], kept: int) -> None:
    traits = NOBODY
    for batch in batches:
        traits = with_instants(traits, "k", batch, kept)
    assert traits.rings.get("k", []) == sorted(at for batch in batches for at in batch)[-kept:]


def test_coupons_come_and_go_by_themselves() -> None:
    traits = with_coupon(with_coupon(NOBODY, "ct", "a", 5), "ct", "b", 7)
    assert traits.coupons == {"ct": {"a": 5, "b": 7}}
    assert with_coupon(traits, "ct", "a", 9).coupons == {"ct": {"a": 9, "b": 7}}
    assert with_coupon(with_coupon(traits, "ct", "a", None), "ct", "b", None) == NOBODY
    assert with_coupon(traits, "other", "a", None) == traits


def test_what_no_rule_looks_at_any_more_is_left_out() -> None:
    traits = with_coupon(with_instants(with_instants(NOBODY, "a", [1, 2, 3], 3), "b", [1], 1), "ct", "c", 5)
    assert within_needs(traits, {"a": 3, "b": 1}, {"ct"}) is traits
    left = within_needs(traits, {"a": 2}, ())
    assert (left.rings, left.coupons) == ({"a": [2, 3]}, {})


@given(
    st.dictionaries(st.sampled_from("ab"), st.dictionaries(st.text("xyz", min_size=1), st.integers(1, 9), min_size=1))
)
def test_a_coupon_that_is_over_is_left_out_from_its_end_on(coupons: dict[str, dict[str, int]]) -> None:
    known = msgspec.structs.replace(NOBODY, coupons=coupons)
    assert without_over(known, 0) is known
    ends = {(template, one): end for template, held in coupons.items() for one, end in held.items()}
    left = without_over(known, 5).coupons
    assert {(template, one): end for template, held in left.items() for one, end in held.items()} == {
        where: end for where, end in ends.items() if end > 5
    }
    assert all(left.values())
    assert without_over(known, 9) == NOBODY


def test_a_profile_is_taken_over_as_rules_ask_for_it() -> None:
    came = Source(channel="qr", scene="1011", at=NOW)
    profile = Profile(
        member_id="m", openid="o", phone="1", joined_at=NOW, first_source=came, last_seen=NOW,
        last_source=msgspec.structs.replace(came, channel=None, live_room="r", at=NOW + timedelta(days=1)),
        birthday=Birthday(month=12, day=30, calendar="lunar"), returned=True, personalised=False,
    )  # fmt: skip
    qr = Came(channel="qr", scene="1011")
    assert person(profile) == Person(
        joined_at=NOW_MS, returned=True, personalised=False, has=["phone", "birthday"], birthday=(12, 30, True),
        last_seen=NOW_MS, came={"first": qr, "joined": qr, "last": Came(scene="1011", live_room="r")},
    )  # fmt: skip
    late = msgspec.structs.replace(profile, first_source=msgspec.structs.replace(came, at=NOW + timedelta(seconds=1)))
    assert set(person(late).came) == {"first", "last"}


FEN = st.integers(0, 20_000)


@given(st.lists(st.tuples(st.integers(1, 4), FEN, st.sampled_from("ab")), min_size=1, max_size=4), FEN, st.data())
def test_an_order_counts_what_its_own_accounting_leaves_of_it(
    rows: list[tuple[int, int, str]], freight: int, data: st.DataObject
) -> None:
    lines = [
        msgspec.structs.replace(line(f"s{at}", pieces, fen), product_id=product, category_id="c", role="")
        for at, (pieces, fen, product) in enumerate(rows)
    ]
    placed = order(*lines, freight_fen=freight)
    assert bought(placed, {"p:a"}) is None, "it is not paid"
    now: Order = msgspec.structs.replace(placed, paid_at=NOW)
    if data.draw(st.booleans(), "sent"):
        now = send(now)
    names = {"p:a", "p:b", "c:c", "r:"}
    for number in range(data.draw(st.integers(0, 3), "refunds")):
        left = [(one.sku_id, one.quantity - one.cancelled - one.returned) for one in now.lines]
        asked = [(sku, data.draw(st.integers(0, most))) for sku, most in left]
        pieces = [(sku, quantity) for sku, quantity in asked if quantity]
        if pieces:
            now = grant(now, ask(now, f"r{number}", *pieces))
        found = bought(now, names)
        net = now.paid_fen - sum(refund.amount_fen for refund in now.refunds)
        if found is None:
            assert net == 0
            continue
        assert found.net_fen == net > 0
        goods = {one.sku_id: paid_for(now, one.sku_id) for one in now.lines}
        for product in "ab":
            wanted = sum(goods[one.sku_id] for one in now.lines if one.product_id == product)
            assert found.net_of(f"p:{product}") == wanted
        assert found.net_of("c:c") == sum(goods.values()) <= net
        assert bought(now, ()) == msgspec.structs.replace(found, parts={})


def test_only_what_is_granted_takes_from_an_order_and_a_completed_one_counts_until_all_is_back() -> None:
    done = NOW + timedelta(days=9)
    history = [Event(NOW, "placed", "member"), Event(done, "completed", "system")]
    now = msgspec.structs.replace(order(line("s", 2, 1_000), freight_fen=10), paid_at=NOW, history=history)
    completed = msgspec.structs.replace(send(now), state="completed")
    completed = msgspec.structs.replace(completed, history=history)
    found = bought(completed, ())
    assert found is not None and (found.net_fen, found.completed_at) == (1_010, ms(done))
    asked = new_refund(completed, "r", None, "why", "digest", NOW, by_mall=True)
    for state in ("requested", "rejected"):
        refund = msgspec.structs.replace(asked, state=state)
        assert bought(msgspec.structs.replace(completed, refunds=[refund]), ()) == found
    one = new_refund(completed, "r", [Pieces("s", 1)], "why", "digest", NOW, by_mall=True)
    half = bought(grant(completed, one), ())
    assert half is not None and (half.net_fen, half.completed_at) == (510, ms(done))
    closed = bought(grant(completed, asked), ())
    assert closed is not None and (closed.net_fen, closed.completed_at) == (10, 0), "the freight stays"


MOVES = st.lists(st.sampled_from("abc"), max_size=12)


@given(MOVES, st.sets(st.sampled_from("abc")))
def test_the_lists_follow_what_moves_come_to_in_the_end(flips: list[str], begins: set[str]) -> None:
    inside, moves = set(begins), []
    for number, one in enumerate(flips):
        inside ^= {one}
        moves.append((number, one, one in inside))
    assert net_moves(moves) == {one: one in inside for one in inside ^ begins}


def test_one_transaction_lists_whole_segments_and_the_rest_is_left_in_order() -> None:
    chance = Random(1)
    moves = [(at, f"sg{chance.randint(0, 60)}", chance.random() < 0.5) for at in range(300)]
    now, rest = portion(moves)
    assert sorted([*now, *rest]) == moves and rest
    first, later = {one for _, one, _ in now}, {one for _, one, _ in rest}
    assert len(first) == SEGMENTS_AT_ONCE and not first & later
    assert portion(now) == (now, [])


#: Newcombe 1998 (Statistics in Medicine 17:857-872), table I: method 3, the score interval without correction.
PUBLISHED = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]


@pytest.mark.parametrize(("hits", "sample", "low", "high"), PUBLISHED)
def test_the_bounds_of_an_estimate_are_the_published_ones(hits: int, sample: int, low: float, high: float) -> None:
    whole = 100_000_000
    assert [round(bound / whole, 4) for bound in interval(hits, sample, whole)] == [low, high]


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 10**6))
def test_the_bounds_are_never_beyond_what_is_known(hits: int, misses: int, others: int) -> None:
    low, high = interval(hits, hits + misses, hits + misses + others)
    assert hits <= low <= high <= hits + others
    assert interval(hits, hits + misses, hits + misses) == ((hits, hits) if hits + misses else (0, 0))


@pytest.mark.parametrize("share", [0.004, 0.05, 0.3, 0.9])
def test_the_whole_is_within_the_bounds_nineteen_times_of_twenty(share: float) -> None:
    chance, whole, sample, runs = Random(7), 10**6, 400, 400
    within = 0
    for _ in range(runs):
        hits = sum(chance.random() < share for _ in range(sample))
        low, high = interval(hits, sample, whole)
        within += low <= share * whole <= high
    assert within / runs > 0.92


def test_of_many_coupons_of_a_template_those_are_kept_that_end_last() -> None:
    traits = NOBODY
    for one in range(1_000):
        traits = with_coupon(traits, "ct", f"c{one}", NOW_MS + one * 7 % 1_000)
    assert sorted(traits.coupons["ct"].values()) == [NOW_MS + one for one in range(1_000 - COUPONS_KEPT, 1_000)]
    assert not traits.incomplete
    last = max(traits.coupons["ct"], key=traits.coupons["ct"].__getitem__)
    gone = with_coupon(traits, "ct", last, None)
    assert (last in gone.coupons["ct"], gone.incomplete) == (False, True), "what was left out may count now"
    assert not with_coupon(with_coupon(NOBODY, "ct", "c1", NOW_MS), "ct", "c1", None).incomplete
