"""Promotions and the floor as operators keep them: made, read, replaced, deleted, refused."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.pricing import service
from chalicelib.pricing.promotions import ThresholdOff
from chalicelib.pricing.rules import PricingRules
from chalicelib.pricing.tables import ALL, PROMOTION, Pricing
from chalicelib.shop.tables import ShopSettings
from chalicelib.store import cache
from chalicelib.store.transaction import remove
from tests.support.client import Client, in_process
from tests.support.operators import owner_token

RUNS = {"name": "满减", "starts_at": "2026-11-01T00:00:00+08:00", "ends_at": "2026-12-01T00:00:00.000Z"}
KINDS: dict[str, dict[str, Any]] = {
    "new_customer_price": {"prices": [{"sku_id": "p1-a", "price_fen": 1}]},
    "bundle": {"pieces": [{"sku_id": "p1-a", "quantity": 2}, {"sku_id": "p2-a", "quantity": 1}], "price_fen": 9900},
    "add_on": {"prices": [{"sku_id": "p1-a", "price_fen": 100}], "limit": 2, "threshold_fen": 9900},
    "pieces_percent": {"tiers": [{"pieces": 2, "percent_off": 10}, {"pieces": 3, "percent_off": 20}]},
    "threshold_off": {"tiers": [{"threshold_fen": 10000, "off_fen": 1000}], "every": True},
}
Put = Callable[..., Any]


@pytest.fixture
def merchant(dynamodb: str) -> Client:
    return Client(in_process(), owner_token())


@pytest.fixture
def put(merchant: Client) -> Iterator[Put]:
    """Puts promotions, which are gone after the test."""
    made: set[str] = set()

    def send(body: Any, promotion_id: str | None = None) -> Any:
        promotion_id = promotion_id or f"p-{secrets.token_hex(6)}"
        made.add(promotion_id)
        return merchant.put(f"/v1/admin/promotions/{promotion_id}", body)

    yield send
    for promotion_id in made:
        remove(Pricing, (ALL, PROMOTION + promotion_id))
    cache.forget("pricing")


@pytest.fixture
def no_floor(dynamodb: str) -> Iterator[None]:
    yield
    remove(ShopSettings, ("pricing",))
    cache.forget("settings")


def listed(merchant: Client) -> dict[str, Any]:
    items = merchant.get("/v1/admin/promotions").ok()["items"]
    return {each["promotion_id"]: each["promotion"] for each in items}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_kept_as_it_was_said(merchant: Client, put: Put, kind: str) -> None:
    scope = {"categories": ["c1"], "excluded_products": ["p9"]}
    body = {"kind": kind, **RUNS, **KINDS[kind], "scope": scope, "priority": 7}
    made = put(body).ok()
    kept = {**body, "starts_at": "2026-10-31T16:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}
    assert made["promotion"] == kept
    assert listed(merchant)[made["promotion_id"]] == kept
    assert service.promotions()[made["promotion_id"]].name == "满减"


def test_another_takes_its_place_and_deleted_it_is_gone(merchant: Client, put: Put) -> None:
    promotion_id = put({"kind": "bundle", **RUNS, **KINDS["bundle"]}).ok()["promotion_id"]
    put({"kind": "threshold_off", **RUNS, **KINDS["threshold_off"]}, promotion_id).ok()
    assert isinstance(service.promotions()[promotion_id], ThresholdOff)
    merchant.delete(f"/v1/admin/promotions/{promotion_id}").ok(204)
    assert promotion_id not in service.promotions()
    merchant.delete(f"/v1/admin/promotions/{promotion_id}").refused(404, "not_found")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"kind": "half_price"}, 400, "kind"),
        ({"strange": 1}, 400, "strange"),
        ({"tiers": []}, 400, "tiers"),
        ({"tiers": [{"threshold_fen": 0, "off_fen": 1}]}, 400, "tiers[0].threshold_fen"),
        ({"priority": -1}, 400, "priority"),
        ({"name": ""}, 400, "name"),
        ({"starts_at": "2026-11-01T00:00:00"}, 400, "starts_at"),
        ({"ends_at": "2026-10-31T16:00:00Z"}, 422, "ends_at"),
        ({"ends_at": "9999-12-31T23:59:59-08:00"}, 422, "ends_at"),
        ({"starts_at": "0001-01-01T00:00:00+08:00"}, 422, "starts_at"),
    ],
)
def test_what_is_wrong_with_one_is_named(put: Put, change: dict[str, Any], status: int, field: str) -> None:
    body = {"kind": "threshold_off", **RUNS, **KINDS["threshold_off"], **change}
    refusal = put(body).refused(status, "malformed" if status == 400 else "invalid")
    assert [each["field"] for each in refusal["errors"]] == [field]


def test_there_are_only_so_many(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"kind": "bundle", **RUNS, **KINDS["bundle"]}
    first = put(body).ok()["promotion_id"]
    monkeypatch.setattr(service, "PROMOTIONS_MAX", len(service.promotions()))
    put(body).refused(422, "invalid")
    put(body, first).ok()


def test_elsewhere_one_holds_a_moment_later(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    at = [2_000_000_000.0]
    before = clock.use(lambda: at[0])
    try:
        known = service.promotions()
        with monkeypatch.context() as elsewhere:  # where this process is told nothing
            elsewhere.setattr(cache, "forget", lambda group: None)
            promotion_id = put({"kind": "bundle", **RUNS, **KINDS["bundle"]}).ok()["promotion_id"]
        assert service.promotions() == known
        at[0] += 1.001
        assert service.promotions().keys() == {*known, promotion_id}
    finally:
        clock.use(before)


def test_the_floor_is_a_setting(merchant: Client, no_floor: None) -> None:
    assert merchant.get("/v1/admin/settings/pricing").ok() == {"floor_bp": 0}
    assert merchant.put("/v1/admin/settings/pricing", {"floor_bp": 3000}).ok() == {"floor_bp": 3000}
    assert service.PRICING.current() == PricingRules(floor_bp=3000)
    merchant.put("/v1/admin/settings/pricing", {"floor_bp": 10_001}).refused(400, "malformed")
    merchant.put("/v1/admin/settings/pricing", {}).ok()
    assert service.PRICING.current() == PricingRules()
