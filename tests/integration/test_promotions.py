"""Promotions and the floor as operators keep them: made, read, replaced, deleted, refused."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing import service
from chalicelib.commerce.pricing import settings as pricing_settings
from chalicelib.commerce.pricing.promotions.rules import ThresholdOff
from chalicelib.commerce.pricing.settings import PricingRules
from chalicelib.commerce.pricing.tables import ALL, PROMOTION, Pricing
from chalicelib.core import clock
from chalicelib.mall.settings.tables import SettingsSections
from chalicelib.platform.store import cache
from chalicelib.platform.store.transaction import remove
from local.client import Client, Operator, in_process
from tests.support.operators import owner_token

RUNS = {"name": "满减", "starts_at": "2026-11-01T00:00:00+08:00", "ends_at": "2026-12-01T00:00:00.000Z"}
KINDS = ("new_customer_price", "bundle", "add_on", "pieces_percent", "threshold_off")
TIERS = {"tiers": [{"threshold_fen": 10000, "off_fen": 1000}], "every": True}
YEARS = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z"}
Put = Callable[..., Any]


@pytest.fixture
def merchant(dynamodb: str) -> Client:
    return Client(in_process(), owner_token())


@pytest.fixture(scope="module")
def goods(dynamodb: str) -> list[Any]:
    """Three products on sale."""
    return [Operator(in_process(), owner_token()).product() for _ in range(3)]


@pytest.fixture
def kinds(goods: list[Any]) -> dict[str, Any]:
    """What each kind says beside what all say: of the first two products."""
    first, second, _ = (product["skus"][0]["sku_id"] for product in goods)
    return {
        "new_customer_price": {"prices": [{"sku_id": first, "price_fen": 1}]},
        "bundle": {"pieces": [{"sku_id": first, "quantity": 2}, {"sku_id": second, "quantity": 1}], "price_fen": 9900},
        "add_on": {"prices": [{"sku_id": first, "price_fen": 100}], "limit": 2, "threshold_fen": 9900},
        "pieces_percent": {"tiers": [{"pieces": 2, "percent_off": 10}, {"pieces": 3, "percent_off": 20}]},
        "threshold_off": TIERS,
    }


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
    remove(SettingsSections, ("pricing",))
    cache.forget("settings")


def listed(merchant: Client) -> dict[str, Any]:
    items = merchant.get("/v1/admin/promotions").ok()["items"]
    return {each["promotion_id"]: each["promotion"] for each in items}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_kept_as_it_was_said(
    merchant: Client, put: Put, kinds: dict[str, Any], goods: list[Any], kind: str
) -> None:
    category = merchant.post("/v1/admin/categories", {"name": "茶"}).ok(201)["category_id"]
    scope = {"categories": [category], "excluded_products": [goods[2]["product_id"]]}
    body = {"kind": kind, **RUNS, **kinds[kind], "scope": scope, "priority": 7}
    made = put(body).ok()
    kept = {**body, "starts_at": "2026-10-31T16:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}
    assert made["promotion"] == kept
    assert listed(merchant)[made["promotion_id"]] == kept
    assert pricing_queries.promotions()[made["promotion_id"]].name == "满减"


def test_another_takes_its_place_and_deleted_it_is_gone(merchant: Client, put: Put, kinds: dict[str, Any]) -> None:
    promotion_id = put({"kind": "bundle", **RUNS, **kinds["bundle"]}).ok()["promotion_id"]
    put({"kind": "threshold_off", **RUNS, **TIERS}, promotion_id).ok()
    assert isinstance(pricing_queries.promotions()[promotion_id], ThresholdOff)
    merchant.delete(f"/v1/admin/promotions/{promotion_id}").ok(204)
    assert promotion_id not in pricing_queries.promotions()
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
    body = {"kind": "threshold_off", **RUNS, **TIERS, **change}
    refusal = put(body).refused(status, "malformed" if status == 400 else "invalid")
    assert [each["field"] for each in refusal["errors"]] == [field]


def test_what_there_is_not_cannot_be_named(merchant: Client, put: Put, kinds: dict[str, Any], goods: list[Any]) -> None:
    there, product_id = goods[0]["skus"][0]["sku_id"], goods[0]["product_id"]
    scope = {"categories": ["c404"], "products": [product_id, "p404"], "excluded_products": ["p405"]}
    strangers = [{"sku_id": sku_id, "price_fen": 1} for sku_id in (there, "p404-a", f"{product_id}-404", "-", "404")]
    before = listed(merchant)
    refusal = put({"kind": "add_on", **RUNS, "scope": scope, "prices": strangers, "threshold_fen": 0}).refused(
        422, "invalid"
    )
    assert [each["field"] for each in refusal["errors"]] == [
        "scope.categories[0]", "scope.products[1]", "scope.excluded_products[0]", "prices[1].sku_id",
        "prices[2].sku_id", "prices[3].sku_id", "prices[4].sku_id",
    ]  # fmt: skip
    pieces = [*kinds["bundle"]["pieces"], {"sku_id": "p404-a", "quantity": 1}]
    refusal = put({"kind": "bundle", **RUNS, "pieces": pieces, "price_fen": 1}).refused(422, "invalid")
    assert [each["field"] for each in refusal["errors"]] == ["pieces[2].sku_id"]
    assert listed(merchant) == before


def test_a_product_that_is_not_on_sale_can_be_named(merchant: Client, put: Put) -> None:
    product = Operator(merchant.send, merchant.token).product(publish=False)
    put({"kind": "threshold_off", **RUNS, **TIERS, "scope": {"products": [product["product_id"]]}}).ok()


def test_shoppers_see_what_runs_and_on_a_products_page_what_concerns_it(
    merchant: Client, put: Put, kinds: dict[str, Any], goods: list[Any]
) -> None:
    anybody = Client(in_process())
    root = merchant.post("/v1/admin/categories", {"name": "茶具"}).ok(201)["category_id"]
    leaf = merchant.post("/v1/admin/categories", {"name": "壶", "parent_id": root}).ok(201)["category_id"]
    merchant.call("PATCH", f"/v1/admin/products/{goods[2]['product_id']}", {"category_id": leaf}).ok()
    nothing = {"scope": {"products": [goods[2]["product_id"]], "excluded_products": [goods[2]["product_id"]]}}

    def made(kind: str, **more: Any) -> str:
        return str(put({"kind": kind, **RUNS, **YEARS, **kinds[kind], **more}).ok()["promotion_id"])

    off = made("threshold_off", scope={"categories": [root]}, priority=1)
    percent = made("pieces_percent", scope={"products": [goods[0]["product_id"]]})
    added = made("add_on", scope={"products": [goods[2]["product_id"]]})
    nowhere = made("add_on", **nothing)
    bundle = made("bundle")
    outside = made("bundle", scope={"categories": [root]})
    first = made("new_customer_price", priority=3)
    put({"kind": "threshold_off", **RUNS, **TIERS, "ends_at": "2021-01-01T00:00:00Z", "starts_at": YEARS["starts_at"]})
    put(
        {
            "kind": "threshold_off",
            **RUNS,
            **TIERS,
            "ends_at": "2099-01-01T00:00:00Z",
            "starts_at": "2098-01-01T00:00:00Z",
        }
    )

    def shown(query: str = "") -> list[str]:
        page = anybody.get(f"/v1/promotions{query}").ok()
        assert page["next_cursor"] is None
        return [each["promotion_id"] for each in page["items"]]

    of = [f"?product_id={product['product_id']}" for product in goods]
    adds, bundles = sorted([added, nowhere]), sorted([bundle, outside])
    assert shown() == [first, *bundles, *adds, percent, off]
    assert shown(of[0]) == [first, bundle, *adds, percent]
    assert shown(of[1]) == [bundle]
    assert shown(of[2]) == [added, off]
    told = anybody.get(f"/v1/promotions{of[0]}").ok()["items"][-1]["promotion"]
    assert told == {"kind": "pieces_percent", **RUNS, **YEARS, **kinds["pieces_percent"],
                    "scope": {"products": [goods[0]["product_id"]]}}  # fmt: skip


def test_who_has_seen_the_promotions_is_told_that_nothing_has_changed(
    put: Put, goods: list[Any], merchant: Client
) -> None:
    anybody = Client(in_process())
    path = f"/v1/promotions?product_id={goods[0]['product_id']}"
    before = anybody.get(path)
    assert before.headers["cache-control"] == "public, max-age=5"
    assert anybody.get(path, If_None_Match=before.headers["etag"]).status == 304
    put({"kind": "threshold_off", **RUNS, **YEARS, **TIERS}).ok()
    after = anybody.get(path, If_None_Match=before.headers["etag"])
    assert len(after.ok()["items"]) == len(before.ok()["items"]) + 1


def test_of_what_is_not_on_sale_no_promotions_are_told(merchant: Client) -> None:
    hidden = Operator(merchant.send, merchant.token).product(publish=False)["product_id"]
    for product_id in (hidden, "p404"):
        Client(in_process()).get(f"/v1/promotions?product_id={product_id}").refused(404, "not_found")


def test_there_are_only_so_many(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"kind": "threshold_off", **RUNS, **TIERS}
    first = put(body).ok()["promotion_id"]
    monkeypatch.setattr(service, "PROMOTIONS_MAX", len(pricing_queries.promotions()))
    put(body).refused(422, "invalid")
    put(body, first).ok()


def test_elsewhere_one_holds_a_moment_later(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    at = [2_000_000_000.0]
    before = clock.use(lambda: at[0])
    try:
        known = pricing_queries.promotions()
        with monkeypatch.context() as elsewhere:  # where this process is told nothing
            elsewhere.setattr(cache, "forget", lambda group: None)
            promotion_id = put({"kind": "threshold_off", **RUNS, **TIERS}).ok()["promotion_id"]
        assert pricing_queries.promotions() == known
        at[0] += 1.001
        assert pricing_queries.promotions().keys() == {*known, promotion_id}
    finally:
        clock.use(before)


def test_the_floor_is_a_setting(merchant: Client, no_floor: None) -> None:
    assert merchant.get("/v1/admin/settings/pricing").ok() == {"floor_bp": 0}
    assert merchant.put("/v1/admin/settings/pricing", {"floor_bp": 3000}).ok() == {"floor_bp": 3000}
    assert pricing_settings.PRICING.current() == PricingRules(floor_bp=3000)
    merchant.put("/v1/admin/settings/pricing", {"floor_bp": 10_001}).refused(400, "malformed")
    merchant.put("/v1/admin/settings/pricing", {}).ok()
    assert pricing_settings.PRICING.current() == PricingRules()
