"""When an order that is not paid can never be paid any more: by WeChat's word for its payment, and its own deadline."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.payment.rules import is_payable
from chalicelib.commerce.orders.rules import PAY_MARGIN
from tests.support.orders import NOW, line, order

UNPAID = msgspec.structs.replace(order(line("a", 1, 100), state="awaiting_payment"), pay_by=NOW)
MINUTE = timedelta(minutes=1)


def test_wechat_takes_a_payment_for_a_minute_after_the_order_s_deadline() -> None:
    assert UNPAID.time_expire == NOW + MINUTE
    assert UNPAID.unpayable_from == NOW + MINUTE + PAY_MARGIN


@pytest.mark.parametrize("word", [None, "CLOSED"])
def test_what_wechat_never_heard_of_or_has_closed_is_not_payable(word: str | None) -> None:
    assert not is_payable(UNPAID, word, NOW - MINUTE)


def test_what_waits_there_is_payable_until_wechat_s_own_deadline_is_over() -> None:
    assert is_payable(UNPAID, "NOTPAY", UNPAID.unpayable_from - timedelta(microseconds=1))
    assert not is_payable(UNPAID, "NOTPAY", UNPAID.unpayable_from)


@given(st.text(min_size=1), st.integers(-86_400, 86_400))
def test_a_word_that_nobody_knows_ends_nothing(word: str, seconds: int) -> None:
    if word not in ("CLOSED", "NOTPAY"):
        assert is_payable(UNPAID, word, NOW + timedelta(seconds=seconds))
