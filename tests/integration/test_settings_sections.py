"""The merchant's settings: defaults, bounds, changes that hold, and documents of other versions."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from chalicelib.commerce.orders import settings as orders_settings
from chalicelib.commerce.orders.settings import OrderRules
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.mall.operators import service as operators
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.settings import service
from chalicelib.mall.settings.tables import SettingsSections
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import remove, save
from chalicelib.platform.web import tokens
from local.client import Client, in_process

DEFAULTS = {
    "pay_minutes": 15, "receive_days": 10, "refund_days": 7, "unpaid_max": 50, "conditions_lost": "review",
    "hold_pieces": 10, "second_operator_above_fen": None, "more_carriers": {},
}  # fmt: skip


@pytest.fixture(autouse=True)
def untouched(dynamodb: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(passwords, "_COST", 16)
    remove(SettingsSections, ("orders",))
    cache.forget("settings")
    yield
    remove(SettingsSections, ("orders",))
    cache.forget("settings")


@pytest.fixture
def merchant() -> Client:
    return operator("owner")


def operator(role: str) -> Client:
    name = f"shop-{secrets.token_hex(4)}"
    if role != "owner" or not operators.bootstrap(name, "long enough for anyone"):
        operators.create(name, "long enough for anyone", [role])
    return Client(in_process(), tokens.issue("operator", name, clock.from_ms(int((time.time() + 3600) * 1000))))


def test_defaults_hold_until_a_merchant_says_otherwise(merchant: Client) -> None:
    assert orders_settings.order_rules() == OrderRules(pay_minutes=15, receive_days=10, refund_days=7)
    assert merchant.get("/v1/admin/settings/orders").ok() == DEFAULTS
    assert merchant.get("/v1/admin/settings").ok()["sections"]["orders"] == DEFAULTS


def test_a_change_holds_at_once_where_it_was_made(merchant: Client) -> None:
    orders_settings.order_rules()
    assert merchant.put("/v1/admin/settings/orders", {"pay_minutes": 30}).ok() == {**DEFAULTS, "pay_minutes": 30}
    assert orders_settings.order_rules().pay_minutes == 30
    assert merchant.get("/v1/admin/settings").ok()["sections"]["orders"]["pay_minutes"] == 30
    merchant.put("/v1/admin/settings/orders", {"receive_days": 3, "refund_days": 0}).ok()
    assert orders_settings.order_rules() == OrderRules(pay_minutes=15, receive_days=3, refund_days=0)


def test_elsewhere_it_holds_a_moment_later() -> None:
    at = [2_000_000_000.0]
    before = clock.use(lambda: at[0])
    try:
        assert orders_settings.order_rules().pay_minutes == 15
        document = msgspec.json.encode(OrderRules(pay_minutes=20)).decode()
        save(SettingsSections("orders", document=document, version=1))  # as another process would
        assert orders_settings.order_rules().pay_minutes == 15
        at[0] += 1.001
        assert orders_settings.order_rules().pay_minutes == 20
    finally:
        clock.use(before)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"pay_minutes": 0}, "pay_minutes"),
        ({"pay_minutes": 121}, "pay_minutes"),
        ({"pay_minutes": "15"}, "pay_minutes"),
        ({"receive_days": 0}, "receive_days"),
        ({"receive_days": 61}, "receive_days"),
        ({"refund_days": -1}, "refund_days"),
        ({"refund_days": 91}, "refund_days"),
        ({"strange": 1}, "strange"),
    ],
)
def test_bounds(merchant: Client, body: dict[str, object], field: str) -> None:
    refusal = merchant.put("/v1/admin/settings/orders", body).refused(400, "malformed")
    assert [each["field"] for each in refusal["errors"]] == [field]
    assert read.get(SettingsSections, "orders") is None


def test_who_may_only_read(dynamodb: str) -> None:
    auditor = operator("auditor")
    auditor.get("/v1/admin/settings/orders").ok()
    auditor.put("/v1/admin/settings/orders", {}).refused(403, "forbidden")


def test_what_held_at_a_version_can_be_read_for_ever(merchant: Client) -> None:
    for days in (3, 4):
        merchant.put("/v1/admin/settings/orders", {"receive_days": days}).ok()
    kept = [orders_settings.ORDERS.at(version) for version in range(3)]
    assert kept == [OrderRules(), OrderRules(receive_days=3), OrderRules(receive_days=4)]
    assert merchant.get("/v1/admin/settings/orders?version=1").ok()["receive_days"] == 3
    merchant.get("/v1/admin/settings/orders?version=1000").refused(404, "not_found")
    merchant.get("/v1/admin/settings/orders?version=-1").refused(400, "malformed")


def test_one_field_is_changed_whoever_changes_others_at_the_same_time() -> None:
    def more(rules: OrderRules) -> OrderRules:
        return msgspec.structs.replace(rules, unpaid_max=rules.unpaid_max + 1)

    def change(_: int) -> str:
        try:
            orders_settings.ORDERS.edit(more)
        except MallError as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(change, range(8)))
    assert set(told) <= {"done", "conflict"}
    assert orders_settings.ORDERS.fresh().unpaid_max == 50 + told.count("done")


def test_documents_of_older_and_newer_versions() -> None:
    save(SettingsSections("orders", document='{"receive_days": 4, "from_the_future": true}', version=7))
    assert orders_settings.ORDERS.fresh() == OrderRules(receive_days=4)
    orders_settings.ORDERS.change(OrderRules(receive_days=5))
    assert read.get(SettingsSections, "orders").version == 8


def test_changes_at_the_same_time_all_end_well() -> None:
    def change(minutes: int) -> str:
        try:
            orders_settings.ORDERS.change(OrderRules(pay_minutes=minutes))
        except MallError as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(change, range(1, 17)))
    assert set(told) <= {"done", "conflict"}
    assert read.get(SettingsSections, "orders").version == told.count("done")


def test_a_section_is_declared_once_and_has_defaults() -> None:
    class Needs(msgspec.Struct):
        field: int

    with pytest.raises(ValueError, match="twice"):
        service.declare("orders", OrderRules)
    with pytest.raises(TypeError):
        service.declare("needs", Needs)
    assert "needs" not in service.SECTIONS
