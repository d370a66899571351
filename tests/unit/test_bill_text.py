"""A bill is read to the fen, whatever people wrote in it, and not at all when it does not add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.gateways.wechat import bills
from chalicelib.gateways.wechat.errors import WechatError

TRADE_COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_TOTALS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
FLOW_COLUMNS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,"
    "备注,业务凭证号"
)
FLOW_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
#: Names as people write them, and as they break readers of CSV.
NAMES = st.lists(st.sampled_from([*"茶,`\"' ab1|", ",`", '","'])).map(lambda parts: "".join(parts).strip())
FEN = st.integers(0, 10_000_000_000)


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def payment(number: str, fen: int, name: str = "龙井茶", state: str = "SUCCESS") -> str:
    return (
        f"`2026-11-21 23:59:59,`wx1,`1900000001,`0,`,`4200{number},`{number},`o1,`JSAPI,`{state},`OTHERS,`CNY,"
        f"`{yuan(fen)},`0.00,`0,`0,`0.00,`0.00,`,`,`{name},`,`0.00600,`0.60%,`{yuan(fen)},`0.00,`"
    )


def refund(number: str, fen: int, name: str = "龙井茶", state: str = "SUCCESS") -> str:
    return (
        f"`2026-11-21 12:00:00,`wx1,`1900000001,`0,`,`4200,`of-{number},`o1,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,"
        f"`0.00,`5030,`{number},`{yuan(fen)},`0.00,`ORIGINAL,`{state},`{name},`,`-0.00600,`0.60%,`0.00,`{yuan(fen)},`"
    )


def trade_bill(lines: list[str], paid: int, back: int, *, count: int | None = None, end: str = "\r\n") -> bytes:
    sums = f"`{yuan(paid)},`{yuan(back)},`0.00,`0.00000,`{yuan(paid)},`{yuan(back)}"
    totals = f"`{len(lines) if count is None else count},{sums}"
    return ("\ufeff" + end.join([TRADE_COLUMNS, *lines, TRADE_TOTALS, totals, ""])).encode()


def trades(content: bytes, size: int = 1000) -> list[bills.TradeRow]:
    """The rows of a trade bill that comes in pieces of so many bytes."""
    return list(bills.read_trade_bill(pieces(content, size)))


def flows(content: bytes, size: int = 1000) -> list[bills.FlowRow]:
    return list(bills.read_fund_flow_bill(pieces(content, size)))


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


def refused(read: Any, content: bytes) -> str:
    with pytest.raises(WechatError) as caught:
        read(content)
    assert not caught.value.passing
    return caught.value.code


@given(
    st.lists(st.tuples(st.booleans(), FEN, NAMES), max_size=8), st.sampled_from(["\n", "\r\n"]), st.integers(1, 2000)
)
def test_every_line_is_read_to_the_fen_whatever_its_name(
    given_lines: list[tuple[bool, int, str]], end: str, size: int
) -> None:
    lines = [(refund if back else payment)(f"N{i}", fen, name) for i, (back, fen, name) in enumerate(given_lines)]
    sums = [sum(fen for back, fen, _ in given_lines if back is which) for which in (False, True)]
    rows = trades(trade_bill(lines, *sums, end=end), size)
    assert [(bool(row.out_refund_no), row.amount_fen) for row in rows] == [(back, fen) for back, fen, _ in given_lines]
    assert [row.out_refund_no or row.out_trade_no for row in rows] == [f"N{i}" for i in range(len(lines))]


def test_a_payment_and_a_refund() -> None:
    paid, back = trades(trade_bill([payment("P1", 1990), refund("R1", 5, state="PROCESSING")], 1990, 5))
    assert paid == bills.TradeRow(out_trade_no="P1", amount_fen=1990, state="SUCCESS")
    assert (back.out_trade_no, back.out_refund_no, back.amount_fen, back.state) == ("of-R1", "R1", 5, "PROCESSING")


def test_columns_that_wechat_adds_are_passed_over() -> None:
    text = trade_bill([payment("P1", 1)], 1, 0).decode()
    more = text.replace("费率备注", "费率备注,新的").replace("`0.01,`0.00,`\r\n", "`0.01,`0.00,`,`x\r\n", 1)
    assert more != text
    assert [row.amount_fen for row in trades(more.encode())] == [1]


@given(FEN)
def test_yuan_are_fen_exactly(fen: int) -> None:
    assert bills.fen_of(yuan(fen)) == fen
    assert bills.fen_of(f"-{yuan(fen)}") == -fen
    assert bills.fen_of(yuan(fen) + "000") == fen


@pytest.mark.parametrize(("text", "fen"), [("0", 0), ("0.0", 0), ("0.1", 10), ("1", 100), ("0.29", 29), ("1.10", 110)])
def test_yuan_with_fewer_decimals(text: str, fen: int) -> None:
    assert bills.fen_of(text) == fen


@pytest.mark.parametrize("text", ["", ".5", "1.", "0.001", "1e2", "1,000.00", "+1.00", " 1", "１", "--1", "NaN"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        bills.fen_of(text)


@pytest.mark.parametrize(
    "content",
    [
        trade_bill([payment("P1", 100)], 100, 0, count=2),
        trade_bill([payment("P1", 100)], 99, 0),
        trade_bill([payment("P1", 100), refund("R1", 7)], 100, 8),
        trade_bill([payment("P1", 100), payment("P2", 1)], 100, 0),
    ],
)
def test_a_trade_bill_that_does_not_add_up_is_not_believed(content: bytes) -> None:
    assert refused(trades, content) == "bill_summary"


GOOD = trade_bill([payment("P1", 100)], 100, 0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        GOOD.partition(TRADE_TOTALS.encode())[0],
        GOOD.partition(b"\n`1,")[0],
        GOOD + b"`more",
        GOOD.replace("商户订单号".encode(), "订单号".encode()),
        GOOD.replace("总交易单数".encode(), "单数".encode()),
        GOOD.replace("龙井茶".encode(), b"a" * 100_000),
        GOOD.replace(b",`JSAPI", b""),
        GOOD.replace(b"`1.00", b"`1.001"),
        b"<html>busy</html>",
    ],
)
def test_what_is_no_bill_is_not_believed(content: bytes) -> None:
    assert refused(trades, content) == "bill_malformed"


def flow(kind: str, way: str, fen: int, number: str = "W1", note: str = "") -> str:
    return f"`2026-11-21 08:00:00,`4200,`4200,`{kind},`{kind},`{way},`{yuan(fen)},`9.00,`1900API,`{note},`{number}"


def flow_bill(lines: list[str], *totals: str) -> bytes:
    return "\n".join([FLOW_COLUMNS, *lines, FLOW_TOTALS, ",".join(f"`{total}" for total in totals)]).encode()


@given(NAMES)
def test_a_fund_flow_bill(note: str) -> None:
    lines = [flow("交易", "收入", 1000, "P1"), flow("商家转账", "支出", 300, "W1", note)]
    rows = flows(flow_bill(lines, "2", "1", "10.00", "1", "3.00"))
    assert [(row.number, row.kind, row.amount_fen) for row in rows] == [("P1", "交易", 1000), ("W1", "商家转账", -300)]


@pytest.mark.parametrize(
    "totals", [("2", "1", "10.00", "0", "0.00"), ("1", "0", "10.00", "0", "0.00"), ("1", "1", "9.99", "0", "0.00")]
)
def test_a_fund_flow_bill_that_does_not_add_up_is_not_believed(totals: tuple[str, ...]) -> None:
    assert refused(flows, flow_bill([flow("交易", "收入", 1000)], *totals)) == "bill_summary"


def test_a_movement_of_no_known_direction_is_not_believed() -> None:
    content = flow_bill([flow("交易", "不明", 1000)], "1", "0", "0.00", "0", "0.00")
    assert refused(flows, content) == "bill_malformed"
