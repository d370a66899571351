"""Money: splits and refunds add up to the fen."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.money import refund_fen, split_fen, yuan


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**8), min_size=1, max_size=50))
def test_the_parts_of_a_split_add_up_and_each_is_within_a_fen_of_its_share(total: int, weights: list[int]) -> None:
    parts = split_fen(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    if whole:
        for part, weight in zip(parts, weights, strict=True):
            assert total * weight // whole <= part <= -(-total * weight // whole)


@given(st.integers(0, 10**6), st.lists(st.integers(1, 100), min_size=2, max_size=20), st.randoms())
def test_equal_weights_never_differ_by_more_than_a_fen(total: int, weights: list[int], random: object) -> None:
    parts = split_fen(total, [1] * len(weights))
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (0, [3, 1], [0, 0]), (1, [1, 1, 1], [1, 0, 0]), (2, [1, 1, 1], [1, 1, 0]), (5, [0, 0], [3, 2]),
        (3, [0, 0, 1], [0, 0, 3]), (10, [1, 1, 4], [2, 2, 6]), (10, [4, 1, 1], [7, 2, 1]), (7, [1, 2, 3], [1, 2, 4]),
        (8, [3, 3, 1], [4, 3, 1]), (100, [1, 2, 4], [14, 29, 57]), (9, [9], [9]), (4, [5, 3, 2], [2, 1, 1]),
    ],
)  # fmt: skip
def test_the_fen_that_are_left_go_to_the_largest_remainders_and_of_those_to_the_first(
    total: int, weights: list[int], parts: list[int]
) -> None:
    assert split_fen(total, weights) == parts


@given(st.integers(0, 10**5), st.lists(st.integers(0, 300), min_size=1, max_size=12))
def test_who_gets_a_fen_more_has_no_smaller_remainder_than_who_gets_none(total: int, weights: list[int]) -> None:
    parts, whole = split_fen(total, weights), sum(weights)
    if not whole:
        assert parts == sorted(parts, reverse=True)
        return
    over = [part * whole - total * weight for part, weight in zip(parts, weights, strict=True)]
    raised = [(whole - fen, -place) for place, fen in enumerate(over) if fen > 0]
    left = [(-fen, -place) for place, fen in enumerate(over) if fen <= 0]
    assert not raised or not left or min(raised) > max(left)


def test_a_split_over_nobody_is_an_error_unless_there_is_nothing_to_share() -> None:
    assert split_fen(0, []) == []
    with pytest.raises(ValueError, match="nobody"):
        split_fen(1, [])
    for total, weights in ((-1, [1]), (1, [3, -1]), (0, [-1]), (-1, [])):
        with pytest.raises(ValueError, match="zero or more"):
            split_fen(total, weights)


@given(st.integers(0, 10**8), st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_refunding_a_line_in_any_parts_gives_back_exactly_what_was_paid(paid: int, parts: list[int]) -> None:
    pieces = sum(parts)
    done, given_back = 0, 0
    for part in parts:
        amount = refund_fen(paid, pieces, done, given_back, part)
        assert amount >= 0
        done, given_back = done + part, given_back + amount
        assert given_back <= paid
    assert given_back == paid


@given(st.integers(0, 10**6), st.integers(1, 30), st.data())
def test_refunds_that_are_asked_and_refused_in_between_never_give_back_more_than_was_paid(
    paid: int, pieces: int, data: st.DataObject
) -> None:
    standing: list[tuple[int, int]] = []
    for _ in range(12):
        done, fen = sum(q for q, _ in standing), sum(f for _, f in standing)
        if standing and data.draw(st.booleans()):
            standing.pop(data.draw(st.integers(0, len(standing) - 1)))
        elif done < pieces:
            asked = data.draw(st.integers(1, pieces - done))
            standing.append((asked, refund_fen(paid, pieces, done, fen, asked)))
        assert sum(f for _, f in standing) <= paid
    done, fen = sum(q for q, _ in standing), sum(f for _, f in standing)
    if done < pieces:
        assert fen + refund_fen(paid, pieces, done, fen, pieces - done) == paid


@given(st.integers(0, 30), st.integers(1, 9), st.data())
def test_a_refund_is_never_below_zero_however_few_fen_a_piece_costs(
    paid: int, pieces: int, data: st.DataObject
) -> None:
    done, asked = data.draw(st.integers(0, pieces - 1)), data.draw(st.integers(1, pieces))
    asked = min(asked, pieces - done)
    given_back = data.draw(st.integers(0, paid))
    amount = refund_fen(paid, pieces, done, given_back, asked)
    assert amount == max(0, paid * (done + asked) // pieces - given_back) >= 0


@pytest.mark.parametrize(
    ("paid", "pieces", "refunded", "refunded_fen", "asked", "back"),
    [
        (100, 3, 0, 0, 1, 33), (100, 3, 1, 33, 1, 33), (100, 3, 2, 66, 1, 34), (100, 3, 0, 0, 3, 100),
        (100, 3, 0, 0, 2, 66), (100, 3, 1, 50, 2, 50), (100, 3, 1, 34, 1, 32), (100, 3, 1, 66, 1, 0),
        (100, 3, 1, 67, 1, 0), (0, 1, 0, 0, 1, 0), (1, 2, 0, 0, 1, 0), (1, 2, 1, 0, 1, 1),
    ],
)  # fmt: skip
def test_pieces_give_back_their_part_of_the_whole_less_what_is_back_already(
    paid: int, pieces: int, refunded: int, refunded_fen: int, asked: int, back: int
) -> None:
    assert refund_fen(paid, pieces, refunded, refunded_fen, asked) == back


@pytest.mark.parametrize("asked", [-1, 0, 2])
def test_neither_no_pieces_nor_more_than_are_left_can_be_refunded(asked: int) -> None:
    with pytest.raises(ValueError, match="left"):
        refund_fen(100, 3, 2, 66, asked)
    assert refund_fen(100, 3, 2, 66, 1) == 34


@given(st.integers(-(10**7), 10**7))
def test_yuan_reads_as_people_write_it(fen: int) -> None:
    told = yuan(fen)
    assert told.startswith("-") is (fen < 0) and re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]{2}", told)
    assert int(told.replace(".", "")) == fen


def test_yuan_of_some_amounts() -> None:
    assert (yuan(1234), yuan(5), yuan(-250), yuan(0), yuan(-1)) == ("12.34", "0.05", "-2.50", "0.00", "-0.01")
    assert (yuan(99), yuan(100), yuan(101), yuan(9_999), yuan(10_100)) == ("0.99", "1.00", "1.01", "99.99", "101.00")
