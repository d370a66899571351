"""The bills of a day: what the client promises, against the sandbox."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import wechatpayv3.utils

from chalicelib.core import clock
from chalicelib.gateways.wechat import api, bills
from chalicelib.gateways.wechat import pay as wechat_pay
from tests.support.library import client_of
from tests.wechat_fixtures import Wechat, refund_of, refused

HOUR = 3600


@pytest.fixture(autouse=True)
def at_noon(wechat: Wechat) -> None:
    """Each test on a day of its own, at 12:00 in Shanghai."""
    to(wechat, today() + timedelta(days=1), 12)


def today() -> date:
    return clock.day(clock.now())


def to(wechat: Wechat, day: date, hour: int, minute: int = 0, second: int = 0) -> None:
    """Move the clock to that time of that day in Shanghai."""
    target = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=clock.SHANGHAI)
    wechat.clock.advance(target.timestamp() - wechat.clock())


def spoil(wechat: Wechat, day: date, kind: str, **more: Any) -> None:
    wechat.control(f"bills/{day}", {"kind": kind, **more})


def trade_bill(day: date) -> list[bills.TradeRow]:
    return list(bills.trade_bill(day))


def fund_flow_bill(day: date) -> list[bills.FlowRow]:
    return list(bills.fund_flow_bill(day))


def test_a_day_s_payments_and_refunds(wechat: Wechat) -> None:
    day = today()
    first, second = wechat.paid(description='茶,`"250g"'), wechat.paid(total_fen=2550)
    refund = wechat_pay.refund(refund_of(first, 333))
    to(wechat, day + timedelta(days=1), 10)
    rows = trade_bill(day)
    assert [(row.out_refund_no or row.out_trade_no, row.amount_fen, row.state) for row in rows] == [
        (first.out_trade_no, 1000, "SUCCESS"),
        (second.out_trade_no, 2550, "SUCCESS"),
        (refund.out_refund_no, 333, "SUCCESS"),
    ]
    assert rows[2].out_trade_no == first.out_trade_no


def test_a_day_s_money(wechat: Wechat) -> None:
    day = today()
    paid = wechat.paid()
    wechat_pay.refund(refund_of(paid, 333))
    transfer = wechat.transferred()
    wechat.end(transfer, "confirm")
    late = wechat.transferred()
    wechat.end(late, "fail")
    to(wechat, day + timedelta(days=1), 10)
    assert [(row.number, row.kind, row.amount_fen) for row in fund_flow_bill(day)] == [
        (paid.out_trade_no, "交易", 1000),
        (paid.out_trade_no, "扣除交易手续费", -6),
        (f"R{paid.out_trade_no}", "退款", -333),
        (transfer.out_bill_no, "转账", -300),
    ]


def test_a_day_ends_at_midnight_in_shanghai(wechat: Wechat) -> None:
    day = today()
    to(wechat, day, 23, 59, 50)
    last = wechat.paid()
    wechat_pay.refund(refund_of(last, 333))  # which takes five seconds
    to(wechat, day, 23, 59, 57)
    late = wechat.paid()
    wechat_pay.refund(refund_of(late, 333))
    to(wechat, day + timedelta(days=1), 0, 0, 1)
    first = wechat.paid()
    to(wechat, day + timedelta(days=2), 10)
    assert [(row.out_trade_no, row.state) for row in trade_bill(day)] == [
        (last.out_trade_no, "SUCCESS"),
        (last.out_trade_no, "SUCCESS"),
        (late.out_trade_no, "SUCCESS"),
        (late.out_trade_no, "PROCESSING"),
    ]
    assert [row.out_trade_no for row in trade_bill(day + timedelta(days=1))] == [first.out_trade_no]


def test_a_day_without_anything_is_empty(wechat: Wechat) -> None:
    assert trade_bill(today() - timedelta(days=3)) == []
    assert fund_flow_bill(today() - timedelta(days=3)) == []


def test_a_bill_is_ready_at_nine(wechat: Wechat) -> None:
    day = today()
    wechat.paid()
    for hour, minute in ((12, 30), (23, 59)):
        to(wechat, day, hour, minute)
        assert refused(lambda: trade_bill(day)).code == "STATEMENT_CREATING"
    to(wechat, day + timedelta(days=1), 8, 59)
    error = refused(lambda: fund_flow_bill(day))
    assert (error.code, error.passing) == ("STATEMENT_CREATING", True)
    to(wechat, day + timedelta(days=1), 9, 1)
    assert len(trade_bill(day)) == 1


def test_bills_are_kept_for_three_months(wechat: Wechat) -> None:
    error = refused(lambda: trade_bill(today() - timedelta(days=93)))
    assert (error.code, error.passing) == ("PARAM_ERROR", False)


@pytest.fixture
def yesterday(wechat: Wechat) -> Iterator[date]:
    """A day with a payment, whose bill is ready."""
    day = today()
    wechat.paid()
    to(wechat, day + timedelta(days=1), 10)
    yield day


@pytest.mark.parametrize(
    ("kind", "code", "passing"),
    [
        ("hash", "bill_hash", True),
        ("truncate", "bill_truncated", True),
        ("summary", "bill_summary", False),
        ("creating", "STATEMENT_CREATING", True),
    ],
)
@pytest.mark.parametrize("bill", ["trade", "fund_flow"])
def test_a_spoilt_bill_is_not_believed(
    wechat: Wechat, yesterday: date, kind: str, code: str, passing: bool, bill: str
) -> None:
    read = trade_bill if bill == "trade" else fund_flow_bill
    spoil(wechat, yesterday, kind, bill=bill)
    error = refused(lambda: read(yesterday))
    assert (error.code, error.passing) == (code, passing)
    spoil(wechat, yesterday, "nothing", bill=bill)
    assert read(yesterday)


def test_a_bill_of_more_lines_than_are_read_is_refused(yesterday: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills, "TRADES_MAX", 3)
    monkeypatch.setattr(bills, "FLOW_MAX", 3)
    for read in (trade_bill, fund_flow_bill):
        error = refused(lambda read=read: read(yesterday))
        assert (error.code, error.passing) == ("bill_too_large", False)


def test_what_was_spoilt_on_the_way_comes_again_though_it_cannot_be_read_either(
    yesterday: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded(monkeypatch, lambda packed: gzip.compress(gzip.decompress(packed).replace(b"JSAPI", b"JS,`PI")))
    error = refused(lambda: trade_bill(yesterday))
    assert (error.code, error.passing) == ("bill_hash", True)


def test_a_bill_that_was_unpacked_on_the_way_is_read(yesterday: date, monkeypatch: pytest.MonkeyPatch) -> None:
    downloaded(monkeypatch, gzip.decompress)
    assert len(trade_bill(yesterday)) == 1


def downloaded(monkeypatch: pytest.MonkeyPatch, changed: Callable[[bytes], bytes]) -> None:
    """Downloads come otherwise than WeChat sends them, and byte by byte."""
    download = api.download

    @contextlib.contextmanager
    def otherwise(path: str) -> Iterator[Iterator[bytes]]:
        with download(path) as pieces:
            yield (bytes([byte]) for byte in changed(b"".join(pieces)))

    monkeypatch.setattr(api, "download", otherwise)


def test_the_place_of_a_download_is_good_for_five_minutes(
    wechat: Wechat, yesterday: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = api.download

    def dawdle(path: str) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        wechat.clock.advance(301)
        return download(path)

    monkeypatch.setattr(api, "download", dawdle)
    assert refused(lambda: trade_bill(yesterday)).code == "INVALID_REQUEST"


def test_where_a_bill_is_must_be_said_by_wechat(wechat: Wechat, yesterday: date) -> None:
    """The download itself is not signed; the answer that names it and its hash is."""
    wechat.fault("/v3/bill/tradebill", "bad_signature")
    assert refused(lambda: trade_bill(yesterday)).code == "reply_unverifiable"


@pytest.mark.parametrize("bill", ["trade", "fund_flow"])
def test_a_library_that_others_wrote_downloads_the_same_bill(
    wechat: Wechat, yesterday: date, monkeypatch: pytest.MonkeyPatch, bill: str
) -> None:
    """It signs with the machine's time, which here is the mall's."""
    monkeypatch.setattr(wechatpayv3.utils, "time", SimpleNamespace(time=wechat.clock))
    library = client_of(wechat)
    ask = library.trade_bill if bill == "trade" else library.fundflow_bill
    status, answer = ask(str(yesterday))
    told = json.loads(answer)
    assert status == 200
    status, packed = library.download_bill(told["download_url"])
    content = gzip.decompress(packed)
    assert (status, told["hash_type"], hashlib.sha1(content).hexdigest()) == (200, "SHA1", told["hash_value"])
    if bill == "trade":
        assert list(bills.read_trade_bill([content])) == trade_bill(yesterday) != []
    else:
        assert list(bills.read_fund_flow_bill([content])) == fund_flow_bill(yesterday) != []
    assert json.loads(ask(str(yesterday - timedelta(days=5)))[1])["code"] == "NO_STATEMENT_EXIST"
    assert json.loads(ask(str(today()))[1])["code"] == "STATEMENT_CREATING"
    assert library.download_bill(told["download_url"] + "x")[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "lose"},
        {"kind": "drop"},
        {"kind": "amount", "number": "T1"},
        {"kind": "hash", "number": "T1"},
        {"kind": "state", "number": "T1", "state": "FAIL", "bill": "fund_flow"},
    ],
)
def test_the_control_refuses_what_it_cannot_do_to_a_bill(wechat: Wechat, body: dict[str, Any]) -> None:
    wechat.control("bills/2026-11-21", body, status=400)
    wechat.control("bills/yesterday", {"kind": "hash"}, status=400)
