"""What a member holds unpaid and has bought, and how much they may: pure, by what holds of every order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.catalogue.rules import Product, Sku, product_of, sku_id
from chalicelib.commerce.orders.holding import rules
from chalicelib.commerce.orders.holding.rules import Allowed, Standing
from chalicelib.commerce.orders.rules import Event, Order, Pieces, Seat, closed
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from tests.support.orders import NOW, ask, grant, line, order, send

SKUS = [sku_id(f"p{number}", code) for number in range(2) for code in "ab"]
SEAT = Seat(lobby_id="g", activity_id="ga", size=2)
QUANTITIES = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 9), min_size=1)


def offers(**limits: int | None) -> dict[str, Offer]:
    found: dict[str, Offer] = {}
    for sku in SKUS:
        own = Sku(sku_id=sku, sku_code=sku, specs={}, price_fen=1)
        product = Product(
            product_id=product_of(sku), product_code="c", name="抱枕", skus=[own], created_at=NOW, updated_at=NOW,
            **limits,  # type: ignore[arg-type]
        )  # fmt: skip
        found[sku] = Offer(product, own, 9)
    return found


def lines_of(wanted: dict[str, int]) -> list[Pieces]:
    return [Pieces(*one) for one in wanted.items()]


def unpaid(order_id: str, wanted: dict[str, int], group: Seat | None = None) -> Order:
    made = order(*(line(sku, quantity, quantity) for sku, quantity in wanted.items()), state="awaiting_payment")
    lines = [msgspec.structs.replace(one, product_id=product_of(one.sku_id), limited=True) for one in made.lines]
    return msgspec.structs.replace(made, order_id=order_id, lines=lines, group=group)


def holding(*orders: Order, **more: Any) -> Standing:
    held = {text for text in map(rules.hold_of, orders) if text}
    return Standing(orders=len(held), held=frozenset(held), **more)


def refused(work: Any, *arguments: Any) -> MallError:
    with pytest.raises(MallError) as fault:
        work(*arguments)
    return fault.value


@given(st.lists(QUANTITIES, max_size=4), QUANTITIES, st.integers(1, 30), st.one_of(st.none(), st.integers(1, 30)))
def test_never_more_pieces_of_a_sku_are_held_than_may_be_and_what_is_left_can_be_had(
    before: list[dict[str, int]], wanted: dict[str, int], pieces: int, limit: int | None
) -> None:
    offered, bound = offers(limit_per_order=limit), limit or pieces
    standing = holding(*(unpaid(f"o{number}", lines) for number, lines in enumerate(before)))
    held = sum((Counter(lines) for lines in before), Counter[str]())
    left = {sku: max(0, bound - held[sku]) for sku in wanted}
    over = [sku for sku, quantity in wanted.items() if quantity > left[sku]]
    check = (standing, lines_of(wanted), offered, Allowed(50, pieces))
    if not over:
        rules.check_room(*check)
        return
    fault = refused(rules.check_room, *check)
    assert (fault.code, fault.data) == ("purchase_limit", {"sku_id": over[0], "limit": bound, "left": left[over[0]]})
    assert [error.field for error in fault.errors] == [
        f"lines[{index}].quantity" for index, sku in enumerate(wanted) if sku in over
    ]
    fitting = {sku: min(quantity, left[sku]) for sku, quantity in wanted.items()}
    rules.check_room(standing, lines_of({sku: n for sku, n in fitting.items() if n}), offered, Allowed(50, pieces))


@given(QUANTITIES, st.integers(1, 20), st.sampled_from(["limit_per_order", "limit_per_member"]))
def test_a_limit_of_a_product_is_of_all_its_skus_together(wanted: dict[str, int], limit: int, kind: str) -> None:
    offered = offers(**{kind: limit})
    by_product: Counter[str] = Counter()
    for sku, quantity in wanted.items():
        by_product[product_of(sku)] += quantity
    over = [sku for sku in wanted if by_product[product_of(sku)] > limit]
    if not over:
        rules.check_limits(lines_of(wanted), offered)
        return
    fault = refused(rules.check_limits, lines_of(wanted), offered)
    assert (fault.code, fault.data) == ("purchase_limit", {"sku_id": over[0], "limit": limit, "left": limit})
    assert len(fault.errors) == len(over)


@pytest.mark.parametrize(("limited", "plain", "fits"), [(40, 0, True), (41, 0, False), (30, 20, True), (31, 19, False)])
def test_an_order_has_room_for_its_lines_and_their_limits_in_every_transaction(
    limited: int, plain: int, fits: bool
) -> None:
    offered = {
        f"p{number}-s": Offer(
            Product(
                product_id=f"p{number}", product_code="c", name="抱枕", created_at=NOW, updated_at=NOW,
                skus=[Sku(sku_id=f"p{number}-s", sku_code="s", specs={}, price_fen=1)],
                limit_per_member=9 if number < limited else None,
            ),
            Sku(sku_id=f"p{number}-s", sku_code="s", specs={}, price_fen=1), 9,
        )
        for number in range(limited + plain)
    }  # fmt: skip
    lines = lines_of(dict.fromkeys(offered, 1))
    if fits:
        rules.check_limits(lines, offered)
        return
    assert [error.reason.code for error in refused(rules.check_limits, lines, offered).errors] == ["limited_together"]


def test_what_is_left_of_a_members_limit_is_told_of_that_products_lines_alone() -> None:
    lines = lines_of({SKUS[0]: 1, SKUS[2]: 2, SKUS[3]: 1})
    fault = rules.over_limit("p1", 4, lines, offers(limit_per_member=5))
    assert fault.data == {"sku_id": SKUS[2], "limit": 5, "left": 1}
    assert [error.field for error in fault.errors] == ["lines[1].quantity", "lines[2].quantity"]
    assert [(error.params["limit"], error.params["left"]) for error in fault.errors] == [(5, 1), (5, 1)]
    for bought, left in ((5, 0), (9, 0), (0, 5)):
        assert rules.over_limit("p1", bought, lines, offers(limit_per_member=5)).data["left"] == left


@pytest.mark.parametrize(("let_go", "limit"), [(0, 50), (2, 50), (3, 5), (9, 5), (10, 1), (99, 1)])
def test_who_lets_orders_go_may_have_fewer_of_them(let_go: int, limit: int) -> None:
    assert rules.unpaid_max(let_go, 50) == limit
    assert rules.unpaid_max(let_go, 2) == min(2, limit)


@pytest.mark.parametrize("lowered", [False, True])
def test_too_many_unpaid_orders_are_refused_and_why(lowered: bool) -> None:
    standing = Standing(orders=5)
    rules.check_room(standing, lines_of({SKUS[0]: 1}), offers(), Allowed(6, 10, lowered))
    fault = refused(rules.check_room, standing, lines_of({SKUS[0]: 1}), offers(), Allowed(5, 10, lowered))
    assert (fault.code, fault.data) == ("too_many_unpaid", {"limit": 5})
    assert [error.reason.code for error in fault.errors] == (["let_go"] if lowered else [])


def test_a_members_item_stays_within_its_size() -> None:
    wide = {f"s{number}": 1 for number in range(50)}
    orders = [unpaid(f"o{number}", wide) for number in range(50)]
    standing = holding(*orders)
    assert sum(map(len, standing.held)) < 60_000
    fault = refused(rules.check_room, standing, lines_of({SKUS[0]: 1}), offers(), Allowed(1000, 10))
    assert (fault.code, fault.data) == ("too_many_unpaid", {"limit": 50})
    four = lines_of(dict.fromkeys(SKUS, 1))
    for more, fits in ((46, True), (47, False)):  # 2,500 lines, and one more
        held = holding(*orders[1:], unpaid("o", dict(list(wide.items())[:more])))
        if fits:
            rules.check_room(held, four, offers(), Allowed(1000, 10))
        else:
            assert refused(rules.check_room, held, four, offers(), Allowed(1000, 10)).code == "too_many_unpaid"


@given(QUANTITIES, st.booleans())
def test_what_an_order_holds_is_written_alike_at_every_time(wanted: dict[str, int], seat: bool) -> None:
    """It is taken out of a set by its text: a change of the order must not change that."""
    made = unpaid("o", wanted, SEAT if seat else None)
    text = rules.hold_of(made)
    assert text is not None
    later = msgspec.structs.replace(made, remark="x", history=[*made.history, Event(NOW, "x", "y")])
    assert rules.hold_of(later) == text
    (hold,) = holding(made).holds
    assert (hold.order_id, hold.seat, sum(pieces for _, pieces in hold.pieces)) == ("o", seat, sum(wanted.values()))
    assert len({known for known, _ in hold.pieces}) == len(wanted)
    assert (holding(made).seats, rules.hold_of(msgspec.structs.replace(made, state="shipped"))) == (int(seat), None)


def test_the_texts_are_those_that_are_stored() -> None:
    assert rules.mark("p-x") == "6fujtkyx"
    made = unpaid("o1", {"p-x": 2})
    assert rules.hold_of(made) == '["o1",false,[["6fujtkyx",2]]]'
    assert rules.let_go_of(closed(made, "cancelled", "member", NOW)) == "2026-11-21T08:00:00.000Z|o1"
    paid = msgspec.structs.replace(made, state="awaiting_shipment", paid_at=NOW)
    assert rules.bought_of(paid) == "2026-11-21T08:00:00.000Z|o1"


@pytest.mark.parametrize("what", ["cancelled", "closed_unpaid"])
def test_an_order_is_let_go_unless_it_was_paid_or_its_lobby_had_ended(what: str) -> None:
    made = unpaid("o", {SKUS[0]: 1}, SEAT)
    gone = closed(made, what, "member", NOW)
    assert rules.let_go_of(made) is None
    assert rules.let_go_of(gone) is not None
    assert rules.let_go_of(msgspec.structs.replace(gone, group=msgspec.structs.replace(SEAT, over=True))) is None
    assert rules.let_go_of(msgspec.structs.replace(gone, paid_at=NOW)) is None
    refunded = msgspec.structs.replace(grant_all(paid_order()), history=[Event(NOW, "closed_refunded", "system")])
    assert rules.let_go_of(msgspec.structs.replace(refunded, paid_at=None)) is None
    paid_too_late = msgspec.structs.replace(gone, paid_at=NOW)
    assert [rules.bought_of(one) for one in (made, gone, paid_too_late)] == [None, None, None]


def paid_order(order_id: str = "o", at: datetime = NOW, fen: int = 100) -> Order:
    made = order(line(SKUS[0], 2, fen))
    lines = [msgspec.structs.replace(one, product_id="p0", limited=True) for one in made.lines]
    return msgspec.structs.replace(made, order_id=order_id, paid_at=at, lines=lines)


def grant_all(before: Order) -> Order:
    return grant(before, ask(before, "r"))


@given(st.lists(st.tuples(st.integers(0, 48), st.integers(0, 999)), max_size=20, unique=True))
def test_what_counts_is_of_the_last_day_after_the_last_payment(ages: list[tuple[int, int]]) -> None:
    now = datetime(2026, 11, 29, tzinfo=UTC)
    at = [now - timedelta(hours=hours, milliseconds=ms) for hours, ms in ages]
    standing = Standing(let_go=frozenset(f"{clock.stamp(one)}|o{n}" for n, one in enumerate(at)))
    late = [one for one in at if one > now - timedelta(hours=24)]
    assert rules.let_go_since(standing, now) == len(late)
    for forgiven in at:
        assert rules.let_go_since(standing, now, forgiven) == sum(one > forgiven for one in late)
    kept = standing.let_go - rules.outdated(standing, now)
    assert len(kept) == min(len(late), rules.LET_GO_KEPT)
    begins = rules.UNPAID_AFTER[0][0]
    assert min(begins, rules.let_go_since(Standing(let_go=kept), now)) == min(begins, len(late))
    assert all(one in kept for one in sorted(standing.let_go, reverse=True)[: len(kept)])


@pytest.mark.parametrize("late", range(8, 14))
def test_of_more_orders_let_go_than_are_kept_the_latest_are(late: int) -> None:
    """Beside those of yesterday, which need not be kept: of exactly a day ago is yesterday."""
    gone = [f"{clock.stamp(NOW - timedelta(hours=hours))}|o{hours}" for hours in range(late)]
    old = [f"{clock.stamp(NOW - timedelta(hours=24, milliseconds=ms))}|old{ms}" for ms in range(3)]
    standing = Standing(let_go=frozenset([*gone, *old]))
    assert rules.outdated(standing, NOW) == {*gone[rules.LET_GO_KEPT :], *old}
    assert rules.let_go_since(standing, NOW) == late


def test_a_payment_of_money_forgives_until_its_order_is_refunded_whole_unsent() -> None:
    later = NOW + timedelta(hours=1)
    free = msgspec.structs.replace(paid_order(at=later), paid_fen=0)
    sent = grant_all_sent(paid_order(at=later))
    assert rules.forgiven_at([]) is None
    assert rules.forgiven_at([free]) is None
    assert rules.forgiven_at([paid_order(), free]) == NOW
    assert rules.forgiven_at([paid_order(), paid_order(at=later)]) == later
    assert rules.forgiven_at([paid_order(), grant_all(paid_order(at=later))]) == NOW
    assert rules.forgiven_at([sent]) == later
    assert rules.forgiven_at([unpaid("o", {SKUS[0]: 1})]) is None


def grant_all_sent(before: Order) -> Order:
    after = send(before)
    after = grant(msgspec.structs.replace(after, refunds=[asked := ask(after, "r")]), asked)
    assert after.state == "closed"
    return after


@given(st.lists(st.integers(0, 9), max_size=12, unique=True))
def test_the_latest_paid_orders_are_kept(hours: list[int]) -> None:
    texts = {hour: f"{clock.stamp(NOW + timedelta(hours=hour))}|o{hour}" for hour in hours}
    standing = Standing(bought=frozenset(texts.values()))
    latest = sorted(hours, reverse=True)
    assert standing.bought_ids == [f"o{hour}" for hour in latest]
    assert rules.surplus(standing) == {texts[hour] for hour in latest[rules.BOUGHT_KEPT :]}


def test_an_order_that_waits_no_longer_counts_for_nothing_though_it_was_left_standing() -> None:
    orders = [unpaid(f"o{number}", {SKUS[0]: number + 1}) for number in range(3)]
    texts = [text for text in map(rules.hold_of, orders) if text]
    standing = Standing(orders=2, held=frozenset(texts), bought=frozenset({"2026-11-29T08:00:00Z|o9"}))
    assert (sorted(standing.order_ids[:3]), standing.order_ids[3:]) == (["o0", "o1", "o2"], ["o9"])
    after = rules.still_held(standing, {"o0", "o2", "o7"})
    assert (after.held, after.stale) == (frozenset({texts[0], texts[2]}), frozenset({texts[1]}))
    assert sorted(after.order_ids) == ["o0", "o2", "o9"]


def test_pieces_count_until_they_are_refunded_or_the_order_closes() -> None:
    placed = unpaid("o", {SKUS[0]: 2, SKUS[1]: 3, SKUS[2]: 4})
    assert rules.counted(placed) == {"p0": 5, "p1": 4}
    assert rules.counted(closed(placed, "cancelled", "member", NOW)) == {}
    unlimited = [msgspec.structs.replace(one, limited=one.product_id == "p1") for one in placed.lines]
    assert rules.counted(msgspec.structs.replace(placed, lines=unlimited)) == {"p1": 4}
    paid = paid_order()
    assert rules.counted(paid) == {"p0": 2}
    assert rules.counted(grant(paid, ask(paid, "r", (SKUS[0], 1)))) == {"p0": 1}
    sent = send(paid)
    asked = ask(sent, "r", (SKUS[0], 1))
    assert rules.counted(grant(msgspec.structs.replace(sent, refunds=[asked]), asked)) == {"p0": 1}
    assert rules.counted(grant_all(paid)) == {}
