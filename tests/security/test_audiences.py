"""Who may call what. A route that is not in this table fails, and so does one that answers anybody else."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest

from chalicelib.core import clock, settings
from chalicelib.mall.operators import service
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.audit import queries as audit_queries
from chalicelib.mall.operators.rules import OWNER, PERMISSIONS, ROLES, SELF
from chalicelib.platform.web import tokens
from chalicelib.platform.web.endpoint import CALLBACK, ENDPOINTS, MEMBER, OPERATOR, PUBLIC, VISITOR
from tests.support.distribution import bare_member
from tests.support.spied_mall import SpiedMall, in_an_hour

#: Method and path -> "public", "visitor", "member", "callback", or the permission that an operator needs.
AUDIENCES = {
    "GET /openapi.json": "public",
    "GET /docs": "public",
    # members
    "POST /v1/auth/login": "public",
    "POST /v1/auth/logout": "member",
    "GET /v1/me": "member",
    "PATCH /v1/me": "member",
    "PUT /v1/me": "member",
    "POST /v1/me/visits": "member",
    "GET /v1/me/preferences": "member",
    "PUT /v1/me/preferences": "member",
    "DELETE /v1/me/phone": "member",
    "GET /v1/callbacks/wechat/messages": "callback",
    "POST /v1/callbacks/wechat/messages": "callback",
    "GET /v1/me/export": "member",
    "DELETE /v1/me": "member",
    "POST /v1/me/phone": "member",
    "POST /v1/uploads": "member",
    "POST /v1/admin/uploads": "catalogue.write",
    "GET /v1/admin/settings/member_pictures": "settings.read",
    "PUT /v1/admin/settings/member_pictures": "settings.write",
    "GET /v1/me/addresses": "member",
    "POST /v1/me/addresses": "member",
    "PUT /v1/me/addresses/{address_id}": "member",
    "DELETE /v1/me/addresses/{address_id}": "member",
    "GET /v1/admin/settings/life_cycle": "settings.read",
    "PUT /v1/admin/settings/life_cycle": "settings.write",
    "POST /v1/me/events": "member",
    "GET /v1/admin/members/{member_id}/events": "members.read",
    "GET /v1/admin/settings/members": "settings.read",
    "PUT /v1/admin/settings/members": "settings.write",
    "GET /v1/me/tags": "member",
    "DELETE /v1/me/tags": "member",
    "GET /v1/admin/segments": "segments.read",
    "POST /v1/admin/segments": "segments.write",
    "GET /v1/admin/segments/{segment_id}": "segments.read",
    "PUT /v1/admin/segments/{segment_id}": "segments.write",
    "DELETE /v1/admin/segments/{segment_id}": "segments.write",
    "GET /v1/admin/segments/{segment_id}/members": "members.read",
    "GET /v1/admin/segments/{segment_id}/members/{member_id}": "members.read",
    "GET /v1/admin/segments/{segment_id}/history": "segments.read",
    "POST /v1/admin/segments/preview": "segments.read",
    "GET /v1/admin/members": "members.read",
    "GET /v1/admin/members/{member_id}": "members.read",
    "GET /v1/admin/members/{member_id}/tags": "members.read",
    "POST /v1/admin/members/{member_id}/tags": "members.tag",
    "GET /v1/admin/members/{member_id}/segment-history": "members.read",
    "GET /v1/admin/tags": "segments.read",
    "POST /v1/admin/tags": "segments.write",
    "GET /v1/admin/tags/{tag_id}": "segments.read",
    "PUT /v1/admin/tags/{tag_id}": "segments.write",
    "DELETE /v1/admin/tags/{tag_id}": "segments.write",
    "POST /v1/admin/audiences": "segments.write",
    "GET /v1/admin/audiences/{audience_id}": "segments.read",
    "POST /v1/admin/members/{member_id}/block": "members.block",
    "POST /v1/admin/members/{member_id}/unblock": "members.block",
    "POST /v1/admin/members/{member_id}/log-out": "members.block",
    "POST /v1/admin/members/{member_id}/detach": "members.merge",
    "GET /v1/admin/merges": "members.merge",
    "POST /v1/admin/merges": "members.merge",
    "POST /v1/admin/merges/{merge_id}/decide": "members.merge",
    "GET /v1/admin/settings/merge": "settings.read",
    "PUT /v1/admin/settings/merge": "settings.write",
    "POST /v1/me/merge-codes": "member",
    "POST /v1/me/merges": "member",
    # catalogue
    "GET /v1/categories": "public",
    "GET /v1/products": "public",
    "GET /v1/products/{product_id}": "public",
    "POST /v1/admin/categories": "catalogue.write",
    "PATCH /v1/admin/categories/{category_id}": "catalogue.write",
    "DELETE /v1/admin/categories/{category_id}": "catalogue.write",
    "GET /v1/admin/products": "catalogue.read",
    "POST /v1/admin/products": "catalogue.write",
    "GET /v1/admin/products/{product_id}": "catalogue.read",
    "PATCH /v1/admin/products/{product_id}": "catalogue.write",
    "POST /v1/admin/products/{product_id}/publish": "catalogue.write",
    "POST /v1/admin/products/{product_id}/unpublish": "catalogue.write",
    "GET /v1/admin/skus/{sku_id}/shards": "catalogue.read",
    "PUT /v1/admin/skus/{sku_id}/shards": "stock.write",
    "GET /v1/admin/skus/{sku_id}/stock": "catalogue.read",
    "POST /v1/admin/skus/{sku_id}/stock": "stock.write",
    "POST /v1/admin/catalogue/import": "catalogue.write",
    "POST /v1/admin/categories/import": "catalogue.write",
    "GET /v1/admin/catalogue/export": "catalogue.read",
    "GET /v1/admin/categories/export": "catalogue.read",
    # cart, quote, order
    "GET /v1/cart": "member",
    "PUT /v1/cart/lines/{sku_id}": "member",
    "DELETE /v1/cart/lines/{sku_id}": "member",
    "POST /v1/quotes": "member",
    "POST /v1/orders": "member",
    "GET /v1/orders": "member",
    "GET /v1/orders/{order_id}": "member",
    "POST /v1/orders/{order_id}/payment": "member",
    "POST /v1/orders/{order_id}/payment/check": "member",
    "PUT /v1/orders/{order_id}/address": "member",
    "GET /v1/carriers": "public",
    "POST /v1/orders/{order_id}/cancel": "member",
    "POST /v1/orders/{order_id}/receive": "member",
    "POST /v1/orders/{order_id}/refunds": "member",
    "GET /v1/admin/orders": "orders.read",
    "GET /v1/admin/orders/{order_id}": "orders.read",
    "GET /v1/admin/orders/{order_id}/ledger": "orders.read",
    "POST /v1/admin/orders/{order_id}/ship": "orders.ship",
    "PUT /v1/admin/orders/{order_id}/shipments/{n}": "orders.ship",
    "PUT /v1/admin/orders/{order_id}/address": "orders.ship",
    "POST /v1/admin/orders/{order_id}/ask-wechat": "orders.refund",
    "POST /v1/admin/orders/{order_id}/refunds": "orders.refund",
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/approve": "orders.refund",
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/take-back": "orders.refund",
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/reject": "orders.refund",
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/ask-again": "orders.refund",
    # group-buy
    "GET /v1/group-activities": "visitor",
    "GET /v1/group-activities/{activity_id}": "visitor",
    "GET /v1/group-activities/{activity_id}/lobbies": "visitor",
    "GET /v1/group-activities/{activity_id}/draw": "public",
    "GET /v1/lobbies/{lobby_id}": "visitor",
    "GET /v1/lobbies/{lobby_id}/draw": "public",
    "GET /v1/admin/group-activities": "groups.read",
    "POST /v1/admin/group-activities": "groups.write",
    "GET /v1/admin/group-activities/{activity_id}": "groups.read",
    "PUT /v1/admin/group-activities/{activity_id}": "groups.write",
    "POST /v1/admin/group-activities/{activity_id}/end": "groups.write",
    "GET /v1/admin/group-activities/{activity_id}/lobbies": "groups.read",
    "GET /v1/admin/group-activities/{activity_id}/report": "groups.read",
    "GET /v1/admin/settings/group_buy": "settings.read",
    "PUT /v1/admin/settings/group_buy": "settings.write",
    "POST /v1/callbacks/wechat/payment": "callback",
    "POST /v1/callbacks/wechat/refund": "callback",
    # distribution
    "GET /v1/distribution": "member",
    "POST /v1/distributor": "member",
    "GET /v1/distributor": "member",
    "GET /v1/distributor/customers": "member",
    "GET /v1/distributor/commissions": "member",
    "GET /v1/distributor/statements/{month}": "member",
    "GET /v1/distributor/ledger": "member",
    "GET /v1/distributor/leaderboard": "member",
    "POST /v1/distributor/links": "member",
    "GET /v1/links/{token}": "public",
    "GET /v1/links/{token}/code": "public",
    "GET /v1/admin/distributors": "distributors.read",
    "GET /v1/admin/distributors/{member_id}": "distributors.read",
    "GET /v1/admin/distributors/{member_id}/ledger": "distributors.read",
    "GET /v1/admin/distributors/{member_id}/audit": "distributors.read",
    "GET /v1/admin/commissions": "distributors.read",
    "POST /v1/admin/distributors/{member_id}/approve": "distributors.write",
    "POST /v1/admin/distributors/{member_id}/suspend": "distributors.write",
    "PUT /v1/admin/distributors/{member_id}/tier": "distributors.write",
    "POST /v1/admin/distributors/{member_id}/write-off": "withdrawals.review",
    "POST /v1/admin/distribution/off": "settings.write",
    "POST /v1/admin/distribution/on": "settings.write",
    "GET /v1/admin/settings/distribution": "settings.read",
    "PUT /v1/admin/settings/distribution": "settings.write",
    # coupons
    "GET /v1/coupon-templates": "member",
    "POST /v1/coupon-templates/{template_id}/claim": "member",
    "POST /v1/coupon-codes/redeem": "member",
    "GET /v1/me/coupons": "member",
    "POST /v1/me/coupons/share": "member",
    "GET /v1/admin/coupon-templates": "coupons.read",
    "POST /v1/admin/coupon-templates": "coupons.write",
    "GET /v1/admin/coupon-templates/{template_id}": "coupons.read",
    "PUT /v1/admin/coupon-templates/{template_id}": "coupons.write",
    "POST /v1/admin/coupon-templates/{template_id}/publish": "coupons.write",
    "POST /v1/admin/coupon-templates/{template_id}/pause": "coupons.write",
    "POST /v1/admin/coupon-templates/{template_id}/codes": "coupons.write",
    "POST /v1/admin/coupon-templates/{template_id}/codes/{batch_id}/export": "coupons.write",
    "POST /v1/admin/coupon-templates/{template_id}/grants": "coupons.write",
    "GET /v1/admin/coupon-templates/{template_id}/grants/{grant_id}": "coupons.read",
    "POST /v1/admin/coupon-templates/{template_id}/grants/{grant_id}/members": "coupons.write",
    "GET /v1/admin/settings/coupons": "settings.read",
    "PUT /v1/admin/settings/coupons": "settings.write",
    # withdrawals
    "POST /v1/distributor/withdrawals": "member",
    "GET /v1/distributor/withdrawals": "member",
    "GET /v1/distributor/withdrawals/{withdrawal_id}": "member",
    "GET /v1/admin/withdrawals": "withdrawals.read",
    "GET /v1/admin/withdrawals/{withdrawal_id}": "withdrawals.read",
    "GET /v1/admin/withdrawals/{withdrawal_id}/ledger": "withdrawals.read",
    "POST /v1/admin/withdrawals/{withdrawal_id}/approve": "withdrawals.review",
    "POST /v1/admin/withdrawals/{withdrawal_id}/reject": "withdrawals.review",
    "POST /v1/admin/withdrawals/{withdrawal_id}/cancel": "withdrawals.review",
    "POST /v1/admin/withdrawals/{withdrawal_id}/ask-wechat": "withdrawals.review",
    "POST /v1/admin/withdrawals/{withdrawal_id}/conclude": "withdrawals.review",
    "GET /v1/admin/tax-report": "withdrawals.read",
    "GET /v1/admin/settings/withdrawals": "settings.read",
    "PUT /v1/admin/settings/withdrawals": "settings.write",
    "POST /v1/callbacks/wechat/transfer": "callback",
    # the mall
    "GET /v1/admin/freight-templates": "freight.read",
    "PUT /v1/admin/freight-templates/{template_id}": "freight.write",
    "DELETE /v1/admin/freight-templates/{template_id}": "freight.write",
    "GET /v1/promotions": "public",
    "GET /v1/admin/promotions": "promotions.read",
    "PUT /v1/admin/promotions/{promotion_id}": "promotions.write",
    "DELETE /v1/admin/promotions/{promotion_id}": "promotions.write",
    "GET /v1/admin/settings/pricing": "settings.read",
    "PUT /v1/admin/settings/pricing": "settings.write",
    "GET /v1/admin/settings": "settings.read",
    "GET /v1/admin/settings/orders": "settings.read",
    "PUT /v1/admin/settings/orders": "settings.write",
    "GET /v1/admin/reconciliation/days": "reconciliation.read",
    "POST /v1/admin/reconciliation/days/{day}/run": "reconciliation.close",
    "GET /v1/admin/reconciliation/differences": "reconciliation.read",
    "POST /v1/admin/reconciliation/differences/{difference_id}/close": "reconciliation.close",
    "GET /v1/admin/jobs/dead": "jobs.read",
    "POST /v1/admin/jobs/dead/{job_id}/retry": "jobs.retry",
    # operators
    "POST /v1/admin/login": "public",
    "POST /v1/admin/session": "public",
    "POST /v1/admin/session/refresh": "public",
    "DELETE /v1/admin/session": "public",
    "POST /v1/admin/logout": SELF,
    "POST /v1/admin/me/totp": SELF,
    "POST /v1/admin/me/totp/confirm": SELF,
    "GET /v1/admin/me": SELF,
    "PUT /v1/admin/me/password": SELF,
    "GET /v1/admin/operators": "operators.read",
    "POST /v1/admin/operators": "operators.write",
    "PATCH /v1/admin/operators/{name}": "operators.write",
    "GET /v1/admin/audit": "audit.read",
}

#: What an operator calls before anybody knows who it is: a password opens them, or a browser's cookie.
DOORS = {
    "POST /v1/admin/login", "POST /v1/admin/session", "POST /v1/admin/session/refresh", "DELETE /v1/admin/session",
}  # fmt: skip

PASSWORD = "long enough for anyone"
ROUTES = pytest.mark.parametrize("route", AUDIENCES)


@pytest.fixture(scope="module")
def mall(dynamodb: str) -> Iterator[SpiedMall]:
    spied = SpiedMall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", 16)
        spied.open()
        for role in [*ROLES, "disabled"]:
            name = f"{role}-{secrets.token_hex(4)}"
            if role != OWNER or not service.bootstrap(name, PASSWORD):
                service.create(name, PASSWORD, ["auditor" if role == "disabled" else role])
            spied.operators[role] = f"Bearer {tokens.issue('operator', name, in_an_hour())}"
            if role == "disabled":
                service.change(name, disabled=True)
        spied.member = f"Bearer {tokens.issue('member', bare_member(), in_an_hour())}"
    yield spied


def tampered(authorization: str) -> Iterator[str]:
    """The header with its subject, its end or its signature changed, and what is no token at all."""
    scheme, token = authorization.split(" ")
    payload, _, signature = token.rpartition(".")
    yield f"{scheme} {payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    yield f"{scheme} {'A' if payload[0] != 'A' else 'B'}{payload[1:]}.{signature}"
    yield f"{scheme} {payload}"
    yield f"{scheme} {token}x"
    yield f"Basic {token}"
    yield token
    yield "Bearer "
    yield f"Bearer {'A' * 2000}"


def test_every_route_is_in_the_table_and_nothing_else(dynamodb: str) -> None:
    import app

    declared = {
        f"{each.method} {each.path}": each.permission if each.audience is OPERATOR else each.audience.value
        for each in ENDPOINTS
    }
    assert declared == AUDIENCES
    by_shop, by_operators = app.app.routes, app.office().served
    served = {f"{method} {path}" for path, methods in (by_shop | by_operators).items() for method in methods}
    assert served == set(AUDIENCES)
    assert not by_shop.keys() & by_operators.keys()


def test_who_is_an_operator_calls_the_operators_function_and_nobody_else_does(dynamodb: str) -> None:
    import app

    inside = {f"{method} {path}" for path, methods in app.office().served.items() for method in methods}
    told_of = {"GET /docs", "GET /openapi.json"}
    assert inside == {route for route in AUDIENCES if " /v1/admin/" in route} | told_of


def test_every_permission_is_one_that_a_role_can_give() -> None:
    assert set(AUDIENCES.values()) - {"public", "visitor", "member", "callback", SELF} == PERMISSIONS


def test_the_table_is_held_by_the_path() -> None:
    for route, audience in AUDIENCES.items():
        admin = " /v1/admin/" in route and route not in DOORS
        assert (audience not in ("public", "visitor", "member", "callback")) == admin, route


def test_what_a_cdn_may_keep_is_the_same_for_everybody(dynamodb: str) -> None:
    """Its handler is not told who calls, with which token, in which language or from where."""
    import app

    assert app.app.routes
    kept = [each for each in ENDPOINTS if each.shared]
    catalogue = {"/v1/categories", "/v1/products", "/v1/products/{product_id}", "/v1/promotions"}
    assert {each.path for each in kept} == catalogue
    for each in kept:
        assert (each.method, each.audience, "call" in each.wants) == ("GET", PUBLIC, False), each.path
        assert each.cache_seconds is not None, each.path


@ROUTES
def test_without_a_token(mall: SpiedMall, route: str) -> None:
    open_to_all = AUDIENCES[route] in ("public", "visitor", "callback")
    assert mall.call(route, None) == ((200, "", True) if open_to_all else (401, "unauthenticated", False))


@ROUTES
def test_with_a_member_s_token(mall: SpiedMall, route: str) -> None:
    admitted = AUDIENCES[route] in ("public", "callback", "visitor", "member")
    told = mall.call(route, mall.member)
    assert told == ((200, "", True) if admitted else (401, "unauthenticated", False))


@ROUTES
def test_with_an_operator_s_token_of_every_role(mall: SpiedMall, route: str) -> None:
    audience = AUDIENCES[route]
    for role, authorization in mall.operators.items():
        told = mall.call(route, authorization)
        if audience in ("public", "callback"):
            assert told == (200, "", True)
        elif audience in ("visitor", "member") or role == "disabled":
            assert told == (401, "unauthenticated", False), role
        elif audience == SELF or audience in ROLES[role]:
            assert told == (200, "", True), role
        else:
            assert told == (403, "forbidden", False), role


@pytest.mark.parametrize("route", [route for route, audience in AUDIENCES.items() if audience in (SELF, *PERMISSIONS)])
def test_who_must_have_a_second_factor_and_has_none_may_only_set_it_up(mall: SpiedMall, route: str) -> None:
    audience, before = AUDIENCES[route], settings._environment
    settings.use({**before, "YUTANG_TOTP_OBLIGATORY": "true"})
    try:
        for role, authorization in mall.operators.items():
            told = mall.call(route, authorization)
            if role in (OWNER, "finance") and audience != SELF and audience in ROLES[role]:
                assert told == (403, "totp_not_set_up", False), role
            elif role != "disabled" and (audience == SELF or audience in ROLES[role]):
                assert told == (200, "", True), role
    finally:
        settings.use(before)


@ROUTES
def test_with_a_token_that_has_ended_or_was_tampered_with(mall: SpiedMall, route: str) -> None:
    audience = AUDIENCES[route]
    if audience in ("public", "callback"):
        pytest.skip("no token is looked at")
    if audience in ("visitor", "member"):
        good = mall.member
        ended = f"Bearer {tokens.issue('member', tokens.read('member', good).subject, clock.now())}"
    else:
        good = mall.operators[OWNER]
        name = tokens.read("operator", good).subject
        ended = f"Bearer {tokens.issue('operator', name, clock.now())}"
    assert mall.call(route, good) == (200, "", True)
    for bad in (ended, *tampered(good)):
        assert mall.call(route, bad) == (401, "unauthenticated", False), bad


def test_a_token_of_nobody(mall: SpiedMall) -> None:
    nobody = f"Bearer {tokens.issue('operator', 'nobody', in_an_hour())}"
    assert mall.call("GET /v1/admin/me", nobody) == (401, "unauthenticated", False)


def test_refused_operators_are_in_the_log(mall: SpiedMall) -> None:
    name = tokens.read("operator", mall.operators["service"]).subject
    before = time.time()
    assert mall.call("POST /v1/admin/operators", mall.operators["service"])[0] == 403
    items, _ = audit_queries.page(clock.day(clock.now()), name, 1, None)
    assert (items[0].entry.permission, int(items[0].status or 0)) == ("operators.write", 403)
    assert items[0].entry.at.timestamp() >= before - 1


def test_audiences_are_what_their_names_say() -> None:
    assert {each.value for each in (PUBLIC, VISITOR, MEMBER, CALLBACK)} == {"public", "visitor", "member", "callback"}
