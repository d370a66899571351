"""`make audit` on a running mall, and on tables alone: a purchase adds up, and whatever is tampered with is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.client import Operator, Shopper
from local.mall import Mall
from local.processes import ROOT
from tests.support.outside import boundary

Audit = Callable[[], tuple[int, str]]


def _run(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """The status and the output of an audit in a terminal whose environment is this and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.audit", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def audit(mall: Mall) -> Audit:
    """An audit of that mall, told where it is, who may read the engine, and nothing of its settings."""
    ports = {"PORT": mall.ports.api, "SANDBOX_PORT": mall.ports.sandbox, "CONTROL_PORT": mall.ports.control}
    environment = {name: str(port) for name, port in ports.items()} | _access(mall)
    environment |= {"YUTANG_LOCAL": str(mall.data)}
    return lambda: _run(environment, "--prefix", mall.environment["YUTANG_TABLE_PREFIX"])


@pytest.fixture
def audit_tables(mall: Mall) -> Audit:
    """An audit of the same tables as those of a deployed mall: told what they are called and who may read them."""
    named = ("--tables", mall.environment["YUTANG_TABLE_PREFIX"], "--region", mall.environment["AWS_REGION"])
    return lambda: _run(_access(mall), *named)


def _access(mall: Mall) -> dict[str, str]:
    variables = ("DYNAMODB_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {name: mall.environment[name] for name in variables}


@pytest.fixture
def order(shopper: Shopper, operator: Operator) -> Any:
    """An order that is paid, with one of its three pieces refunded."""
    sku_id = operator.product()["skus"][0]["sku_id"]
    order_id = shopper.buy([(sku_id, 3)])
    shopper.refund(order_id, [(sku_id, 1)])
    return shopper.order(order_id)


def _items(mall: Mall, table: str, **key: str) -> dict[str, Any]:
    name = mall.environment["YUTANG_TABLE_PREFIX"] + table
    return {"TableName": name, "Key": {part: {"S": value} for part, value in key.items()}}


@contextmanager
def _tampered(mall: Mall, table: str, spoil: Callable[[dict[str, Any]], Any], **key: str) -> Iterator[None]:
    """One item as `spoil` makes it (None: deleted), and as it was again afterwards: others use this mall too."""
    from chalicelib.platform.store.base import call

    where = _items(mall, table, **key)
    item = call("GetItem", where)["Item"]
    spoilt = spoil(dict(item))
    if spoilt is None:
        call("DeleteItem", where)
    else:
        call("PutItem", {"TableName": where["TableName"], "Item": spoilt})
    try:
        yield
    finally:
        call("PutItem", {"TableName": where["TableName"], "Item": item})


def test_a_purchase_adds_up(audit: Audit, order: Any) -> None:
    status, said = audit()
    assert order["order_id"] not in said and order["lines"][0]["sku_id"] not in said, said
    assert " stocks, " in said and "in WeChat's books" in said
    assert (status, "no difference" in said) in ((0, True), (1, False))  # others use this mall too


def test_stock_that_somebody_touched_is_named(audit: Audit, order: Any, mall: Mall) -> None:
    sku_id = order["lines"][0]["sku_id"]
    where = {"product_id": order["lines"][0]["product_id"], "part": f"stock#{sku_id}"}
    with _tampered(mall, "products", lambda item: item | {"free": {"N": "99"}}, **where):
        status, said = audit()
    assert status == 1
    assert f"{sku_id}: 99 free + 2 taken is not 100 supplied" in said
    assert order["order_id"] not in said


def test_a_journal_entry_that_is_gone_is_named(audit: Audit, order: Any, mall: Mall) -> None:
    order_id, paid_fen = order["order_id"], order["paid_fen"]
    with _tampered(mall, "ledger_entries", lambda _: None, about=order_id, cause="paid"):
        status, said = audit()
    assert status == 1
    assert f"{order_id}: paid: the order says {paid_fen} fen, entries say 0" in said
    assert order["lines"][0]["sku_id"] not in said


def test_a_coupon_that_nobody_has_is_named(audit: Audit, operator: Operator, shopper: Shopper, mall: Mall) -> None:
    body = {
        "name": "五元券", "kind": "amount_off", "amount_fen": 500, "total": 10, "limit_per_member": 1,
        "valid": {"days": 7}, "how": ["claim"],
    }  # fmt: skip
    template_id = operator.post("/v1/admin/coupon-templates", body).ok(201)["template_id"]
    shopper.post(f"/v1/coupon-templates/{template_id}/claim").ok(201)
    assert template_id not in audit()[1]
    counters = {"free": {"N": "8"}, "issued": {"N": "2"}}
    with _tampered(mall, "coupon_counters", lambda item: item | counters, counter=f"stock#{template_id}#0"):
        status, said = audit()
    assert status == 1
    assert f"{template_id}: 2 issued, members have 1" in said


def test_a_mall_that_is_not_there() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.audit"], cwd=ROOT, env={"PORT": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no mall answers at http://127.0.0.1:1" in done.stderr and "Traceback" not in done.stderr


def test_tables_alone_are_audited_without_a_mall_around_them(audit_tables: Audit, order: Any, mall: Mall) -> None:
    order_id = order["order_id"]
    status, said = audit_tables()
    assert order_id not in said and order["lines"][0]["sku_id"] not in said, said
    assert " stocks, " in said and "WeChat" not in said
    assert (status, "no difference" in said) in ((0, True), (1, False))
    with _tampered(mall, "ledger_entries", lambda _: None, about=order_id, cause="paid"):
        status, said = audit_tables()
    assert status == 1
    assert f"{order_id}: paid: the order says {order['paid_fen']} fen, entries say 0" in said


def test_tables_that_are_not_there(mall: Mall) -> None:
    status, said = _run(_access(mall), "--tables", "nowhere-", "--region", "cn-north-1")
    assert status == 1
    assert "the tables nowhere-* cannot be read" in said and "ResourceNotFound" in said and "Traceback" not in said
    assert _run({}, "--tables", "nowhere-")[0] == 2


def test_an_audit_only_reads(dynamodb: str) -> None:
    from tools.audit import read

    with boundary() as outside:
        read(None)
    assert "Scan" in outside.calls
    assert set(outside.calls) <= {"Scan", "GetItem"}
