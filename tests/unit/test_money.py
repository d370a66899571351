"""Money: splits and refunds add up to the fen."""

from __future__ import annotations

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


def test_a_split_over_nobody_is_an_error_unless_there_is_nothing_to_share() -> None:
    assert split_fen(0, []) == []
    with pytest.raises(ValueError, match="nobody"):
        split_fen(1, [])
    with pytest.raises(ValueError, match="zero or more"):
        split_fen(-1, [1])


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


def test_more_pieces_than_are_left_cannot_be_refunded() -> None:
    with pytest.raises(ValueError, match="left"):
        refund_fen(100, 3, 2, 66, 2)


def test_yuan_reads_as_people_write_it() -> None:
    assert (yuan(1234), yuan(5), yuan(-250)) == ("12.34", "0.05", "-2.50")
