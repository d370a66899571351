"""A refund that WeChat refuses because another has just come in is not failed for that: it is asked for again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Pieces
from chalicelib.core import clock
from chalicelib.gateways.patience import REFUNDS_APART, SIGNATURE_SECONDS
from chalicelib.gateways.wechat import pay as wechat
from chalicelib.gateways.wechat.errors import WechatError
from tests.support.small_mall import SmallMall, opened


@pytest.fixture(scope="module")
def open_mall(dynamodb: str) -> Iterator[SmallMall]:
    with opened("refunds-on-their-way") as mall:
        yield mall


@pytest.fixture
def mall(open_mall: SmallMall, monkeypatch: pytest.MonkeyPatch) -> SmallMall:
    """WeChat takes the first refund as late as its signature is good, when its caller has given up; is not reached with
    it until then; and refuses another one within a minute of it, in a word that nobody knows."""
    open_mall.reopen()
    arrives: dict[str, datetime] = {}

    def refund(request: wechat.RefundRequest) -> wechat.RefundResult:
        now, number = clock.now(), request.out_refund_no
        if not arrives:
            arrives[number] = now + timedelta(seconds=SIGNATURE_SECONDS - 1)
            raise WechatError("read_timeout", retryable=True, outcome_unknown=True)
        if now < arrives.get(number, now):
            raise WechatError("connect_failed", retryable=True)
        if any(at <= now < at + REFUNDS_APART for other, at in arrives.items() if other != number):
            raise WechatError("SOME_NEW_WORD", http=403)
        arrives.setdefault(number, now)
        return open_mall.book.refund(request)

    monkeypatch.setattr(wechat, "refund", refund)
    return open_mall


@pytest.mark.parametrize("apart", [SIGNATURE_SECONDS - 60, SIGNATURE_SECONDS, SIGNATURE_SECONDS + 30])
def test_no_refusal_is_believed_while_another_refund_may_have_come_in_just_before(mall: SmallMall, apart: int) -> None:
    order = mall.buy(mall.customers[0], ("pot", 3))
    for seconds in (apart, 90):
        refunds.refund_by_operator(order.order_id, mall.key(), [Pieces(mall.skus["pot"], 1)], "缺货", False, "op")
        mall.wait(seconds)
    assert "failed" not in {refund.state for refund in mall.order(order).refunds}
    mall.wait(1800)
    assert [refund.state for refund in mall.order(order).refunds] == ["succeeded"] * 2
    assert mall.told() == []
