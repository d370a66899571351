"""Logging out, and the session of a browser: its cookie, its page's tokens, and whose pages may refresh them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.core import clock, settings
from chalicelib.mall.operators import service
from chalicelib.mall.operators.audit import queries as audit_queries
from chalicelib.platform.web import edge, tokens
from tests.support.operators import Browser

PASSWORD = "long enough for anyone"
SESSION = "/v1/admin/session"
LOGIN = {"name": "ann", "password": PASSWORD}
pytestmark = pytest.mark.usefixtures("nobody")
Later = Callable[[float], None]


@pytest.fixture(autouse=True)
def ann(nobody: None, later: Later) -> None:
    assert service.bootstrap("boss", PASSWORD)
    service.create("ann", PASSWORD, ["auditor"])


@pytest.fixture
def https() -> Iterator[None]:
    before = settings._environment
    settings.use({**before, "YUTANG_PUBLIC_URL": "https://mall.example.com"})
    edge._transport.cache_clear()
    yield
    settings.use(before)
    edge._transport.cache_clear()


def page() -> Browser:
    """A browser's page, logged in."""
    browser = Browser()
    browser.token = browser.post(SESSION, LOGIN).ok()["token"]
    return browser


def refreshed(browser: Browser) -> str:
    return str(browser.post(f"{SESSION}/refresh").ok()["token"])


def test_logging_out_ends_every_login(later: Later) -> None:
    tool, browser = Browser(), page()
    tool.log_in("ann", PASSWORD).ok()
    later(1)
    browser.post("/v1/admin/logout").ok(204)
    assert "yutang" not in browser.cookies
    for each in (tool, browser):
        each.call("GET", "/v1/admin/me").refused(401, "unauthenticated")
    tool.log_in("ann", PASSWORD).ok()
    tool.call("GET", "/v1/admin/me").ok()
    log = audit_queries.page(clock.day(clock.now()), None, 100, None)[0]
    assert [item.entry.operator for item in log if item.entry.path == "/v1/admin/logout"][-1] == "ann"


def test_a_page_s_token_ends_soon_and_its_cookie_brings_the_next(later: Later) -> None:
    browser = page()
    session = [cookie for cookie in browser.told if cookie.startswith("yutang=")]
    assert [cookie.partition("; ")[2] for cookie in session] == ["Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"]
    later(899)
    browser.call("GET", "/v1/admin/me").ok()
    later(1)
    browser.call("GET", "/v1/admin/me").refused(401, "unauthenticated")
    browser.token = ""
    browser.token = refreshed(browser)
    assert browser.told == []  # the cookie stays as it is: two tabs do not take it from each other
    assert browser.call("GET", "/v1/admin/me").ok()["name"] == "ann"
    other_tab = refreshed(browser)
    assert browser.call("GET", "/v1/admin/me", Authorization=f"Bearer {other_tab}").ok()["name"] == "ann"
    later(12 * 3600 - 901)
    refreshed(browser)
    later(1)
    browser.post(f"{SESSION}/refresh").refused(401, "unauthenticated")


def test_over_https_no_other_host_can_set_the_cookies(https: None) -> None:
    browser = Browser(origin="https://localhost")
    browser.post(SESSION, LOGIN).ok()
    assert len(browser.told) == 2
    for cookie in browser.told:
        assert cookie.startswith("__Host-yutang")
        assert cookie.endswith("; HttpOnly; SameSite=Strict; Secure") and "; Path=/; " in cookie
        assert "domain" not in cookie.lower()
    refreshed(browser)
    browser.origin = "http://localhost"
    browser.post(f"{SESSION}/refresh").refused(403, "origin_refused")


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://evil.example", "http://localhost.evil.example", "http://localhost:81", "https://localhost"],
)
def test_only_a_page_of_the_mall_s_own_refreshes_or_leaves(origin: str) -> None:
    browser = page()
    browser.token, browser.origin = "", origin
    browser.post(f"{SESSION}/refresh").refused(403, "origin_refused")
    browser.call("DELETE", SESSION).refused(403, "origin_refused")
    assert "yutang" in browser.cookies
    answer = browser.post(SESSION, LOGIN)  # a tool sends no origin; another's page shall not log its visitor in
    assert answer.status == (403 if origin else 200)


def test_leaving_takes_the_cookie(later: Later) -> None:
    browser = page()
    browser.call("DELETE", SESSION).ok(204)
    assert browser.told == ["yutang=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"]
    browser.post(f"{SESSION}/refresh").refused(401, "unauthenticated")
    browser.call("DELETE", SESSION).ok(204)  # once more is no fault
    log = audit_queries.page(clock.day(clock.now()), None, 100, None)[0]
    left = [item.entry for item in log if (item.entry.method, item.entry.path) == ("DELETE", SESSION)]
    assert [(entry.operator, entry.permission, entry.address) for entry in left] == [("ann", "logout", "192.0.2.1")]


@pytest.mark.parametrize("what", ["disabled", "password", "log_out", "drop_totp"])
def test_the_cookie_is_void_with_all_tokens(what: str, later: Later) -> None:
    browser = page()
    later(1)
    change: dict[str, Any] = {what: "another that is long" if what == "password" else True}
    service.change("ann", **change)
    browser.post(f"{SESSION}/refresh").refused(401, "unauthenticated")


def test_a_change_of_roles_holds_at_once(later: Later) -> None:
    browser = page()
    browser.call("GET", "/v1/admin/operators").ok()
    service.change("ann", roles=["service"])
    browser.call("GET", "/v1/admin/operators").refused(403, "forbidden")
    assert browser.post(f"{SESSION}/refresh").ok()["operator"]["roles"] == ["service"]


def test_a_cookie_is_no_token_and_a_token_no_cookie(later: Later) -> None:
    browser = page()
    token, cookie = browser.token, browser.cookies["yutang"]
    browser.call("GET", "/v1/admin/me", Authorization=f"Bearer {cookie}").refused(401, "unauthenticated")
    for made_up in (token, "", "x", cookie + "x", "A" * 2000):
        browser.cookies["yutang"] = made_up
        browser.post(f"{SESSION}/refresh").refused(401, "unauthenticated")
    browser.cookies["yutang"] = tokens.issue("session", "nobody", clock.now().replace(year=2040))
    browser.post(f"{SESSION}/refresh").refused(401, "unauthenticated")


def test_a_session_wants_what_a_login_wants(later: Later) -> None:
    browser = Browser()
    for _ in range(5):
        browser.post(SESSION, LOGIN | {"password": "a guess"}).refused(401, "login_failed")
    browser.post(SESSION, LOGIN).refused(429, "too_many_requests")
    browser.log_in("ann", PASSWORD).refused(429, "too_many_requests")  # one count for both doors
    assert browser.cookies == {}
