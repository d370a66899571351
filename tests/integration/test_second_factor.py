"""The second factor: who must have one, setting it up, codes that are good once, and what becomes of who loses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators import service
from chalicelib.mall.operators.audit import queries as audit_queries
from chalicelib.mall.operators.second_factor import service as second_factor
from tests.support.operators import Authenticator, Browser

PASSWORD = "long enough for anyone"
NEW = "another that is long"
pytestmark = pytest.mark.usefixtures("nobody", "totp_obligatory")
Later = Callable[[float], None]


@pytest.fixture
def boss(nobody: None, later: Later) -> Browser:
    """The owner, who has just logged in for the first time."""
    assert service.bootstrap("boss", PASSWORD)
    return logged_in("boss")


def logged_in(name: str) -> Browser:
    browser = Browser()
    browser.log_in(name, PASSWORD).ok()
    return browser


def enrol(browser: Browser, later: Later, **proof: str) -> tuple[Authenticator, list[str]]:
    """Set up an authenticator; half a minute later its next code is not used yet."""
    shown = browser.post("/v1/admin/me/totp", proof).ok()
    phone = Authenticator(shown["secret"])
    done = browser.post("/v1/admin/me/totp/confirm", {"code": phone.code()}).ok()
    browser.token = done["token"]
    later(30)
    return phone, done["recovery_codes"]


def test_an_owner_s_first_login_may_only_set_one_up(boss: Browser, later: Later) -> None:
    assert boss.call("GET", "/v1/admin/me").ok()["totp_due"] is True
    for route in ("GET /v1/admin/operators", "POST /v1/admin/operators", "GET /v1/admin/orders", "GET /v1/admin/audit"):
        boss.call(*route.split(" ")).refused(403, "totp_not_set_up")
    enrol(boss, later)
    boss.call("GET", "/v1/admin/operators").ok()
    me = boss.call("GET", "/v1/admin/me").ok()
    assert (me["totp"], me["totp_due"]) == (True, False)


def test_until_then_the_password_can_be_changed_and_one_can_leave(boss: Browser, later: Later) -> None:
    later(1)
    boss.call("PUT", "/v1/admin/me/password", {"password": PASSWORD, "new_password": NEW}).ok(204)
    boss.call("GET", "/v1/admin/me").refused(401, "unauthenticated")
    boss.log_in("boss", NEW).ok()
    boss.post("/v1/admin/logout").ok(204)


@pytest.mark.parametrize(
    ("roles", "must"),
    [
        (["finance"], True),
        (["auditor", "finance"], True),
        (["merchandiser"], False),
        (["service", "fulfilment"], False),
    ],
)
def test_who_must_have_one(roles: list[str], must: bool, boss: Browser) -> None:
    service.create("ann", PASSWORD, roles)
    ann = logged_in("ann")
    path = "/v1/admin/orders" if "merchandiser" not in roles else "/v1/admin/products"
    assert ann.call("GET", path).status == (403 if must else 200)
    assert ann.call("GET", "/v1/admin/me").ok()["totp_due"] is must


def test_who_is_given_a_great_role_sets_one_up_at_once(boss: Browser) -> None:
    service.create("ann", PASSWORD, ["auditor"])
    ann = logged_in("ann")
    ann.call("GET", "/v1/admin/operators").ok()
    service.change("ann", roles=["finance"])
    ann.call("GET", "/v1/admin/orders").refused(403, "totp_not_set_up")


def test_who_need_not_may(boss: Browser, later: Later) -> None:
    service.create("ann", PASSWORD, ["auditor"])
    phone, _ = enrol(logged_in("ann"), later)
    Browser().log_in("ann", PASSWORD).refused(401, "totp_required")
    Browser().log_in("ann", PASSWORD, totp=phone.code()).ok()


def test_the_address_for_authenticators(boss: Browser) -> None:
    shown = boss.post("/v1/admin/me/totp").ok()
    assert len(shown["secret"]) == 32
    assert shown["uri"] == (
        f"otpauth://totp/127.0.0.1:boss?secret={shown['secret']}&issuer=127.0.0.1&algorithm=SHA1&digits=6&period=30"
    )


def test_a_login_wants_password_and_code(boss: Browser, later: Later) -> None:
    phone, _ = enrol(boss, later)
    anybody = Browser()
    anybody.log_in("boss", PASSWORD).refused(401, "totp_required")
    anybody.log_in("boss", "a guess", totp=phone.code()).refused(401, "login_failed")
    anybody.log_in("boss", PASSWORD, totp="000000").refused(401, "totp_wrong")
    code = phone.code()
    anybody.log_in("boss", PASSWORD, totp=f"{code[:3]} {code[3:]}").ok()
    anybody.call("GET", "/v1/admin/operators").ok()


def test_each_code_is_good_once(boss: Browser, later: Later) -> None:
    phone, _ = enrol(boss, later)
    code, before = phone.code(), phone.code(-1)
    Browser().log_in("boss", PASSWORD, totp=before).refused(401, "totp_wrong")  # it confirmed the set-up
    Browser().log_in("boss", PASSWORD, totp=code).ok()
    Browser().log_in("boss", PASSWORD, totp=code).refused(401, "totp_wrong")
    Browser().log_in("boss", PASSWORD, totp=phone.code(1)).ok()  # a clock that is fast
    Browser().log_in("boss", PASSWORD, totp=code).refused(401, "totp_wrong")
    later(60)
    Browser().log_in("boss", PASSWORD, totp=phone.code(-2)).refused(401, "totp_wrong")
    Browser().log_in("boss", PASSWORD, totp=phone.code(2)).refused(401, "totp_wrong")


@pytest.mark.parametrize("which", ["totp", "recovery"])
def test_of_a_code_used_twice_at_once_one_gets_in(which: str, boss: Browser, later: Later) -> None:
    phone, codes = enrol(boss, later)
    code = phone.code() if which == "totp" else codes[3]

    def prove(_: int) -> str:
        try:
            return second_factor.prove("boss", code, second_factor.count("boss", code))
        except MallError as refusal:
            return refusal.code

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(prove, range(4)))
    assert told.count(which) == 1
    assert set(told) <= {which, "totp_wrong"}


def test_a_recovery_code_stands_in_once(boss: Browser, later: Later) -> None:
    _, codes = enrol(boss, later)
    assert len(set(codes)) == 10
    for typed in (codes[0], codes[1].upper().replace("-", " "), codes[2].replace("-", "")):
        Browser().log_in("boss", PASSWORD, totp=typed).ok()
    for typed in (*codes[:3], "aaaa-aaaa-aaaa-aaaa", "鱼"):
        Browser().log_in("boss", PASSWORD, totp=typed).refused(401, "totp_wrong")
    Browser().log_in("boss", PASSWORD, totp=codes[3]).refused(429, "too_many_requests")
    later(30)
    for typed in codes[3:]:
        Browser().log_in("boss", PASSWORD, totp=typed).ok()


def test_wrong_recovery_codes_wait_by_name_and_a_timed_one_goes_past(boss: Browser, later: Later) -> None:
    phone, codes = enrol(boss, later)
    boss.log_in("boss", PASSWORD, totp=codes[0]).ok()
    wrong = "aaaa-aaaa-aaaa-aaaa"
    for host in range(5):
        Browser(f"192.0.2.{host}").log_in("boss", PASSWORD, totp=wrong).refused(401, "totp_wrong")
    waits = Browser("192.0.2.9").log_in("boss", PASSWORD, totp=codes[1])
    waits.refused(429, "too_many_requests")
    assert waits.headers["retry-after"] == "30"
    Browser("192.0.2.9").log_in("boss", PASSWORD, totp=phone.code()).ok()
    boss.log_in("boss", PASSWORD, totp=codes[1]).ok()  # a browser that is known
    later(30)
    Browser("192.0.2.9").log_in("boss", PASSWORD, totp=wrong).refused(401, "totp_wrong")
    assert Browser("192.0.2.9").log_in("boss", PASSWORD, totp=wrong).headers["retry-after"] == "60"


@pytest.mark.parametrize("code", ["", "000000", "aaaa-aaaa-aaaa-aaaa"])
def test_who_has_stolen_a_password_does_not_fill_the_log(code: str, boss: Browser, later: Later) -> None:
    enrol(boss, later)
    for host in range(20):
        given = {"totp": code} if code else {}
        assert Browser(f"198.51.100.{host}").log_in("boss", PASSWORD, **given).status in (401, 429)
    found = audit_queries.page(clock.day(clock.now()), "boss", 1000, None)[0]
    refused = [item for item in found if "refused" in item.entry.parameters]
    assert sorted(item.times or 1 for item in refused) == [1, 1, 1, 1, 1, 15]
    assert {item.entry.address for item in refused if not item.times} == {f"198.51.100.{n}" for n in range(5)}


def test_wrong_codes_wait_apart_from_passwords_and_recovery_goes_past(boss: Browser, later: Later) -> None:
    phone, codes = enrol(boss, later)
    for host in range(5):  # by name: who gets here has the password
        Browser(f"192.0.2.{host}").log_in("boss", PASSWORD, totp="000000").refused(401, "totp_wrong")
    Browser("192.0.2.9").log_in("boss", PASSWORD, totp=phone.code()).refused(429, "too_many_requests")
    Browser("192.0.2.9").log_in("boss", "a guess").refused(401, "login_failed")  # passwords are another count
    Browser("192.0.2.9").log_in("boss", PASSWORD, totp=codes[0]).ok()
    boss.log_in("boss", PASSWORD, totp=phone.code()).ok()  # a browser that is known
    later(30)
    Browser("192.0.2.9").log_in("boss", PASSWORD, totp=phone.code()).ok()


def test_a_token_that_was_found_sets_none_up(boss: Browser, later: Later) -> None:
    later(600)
    boss.post("/v1/admin/me/totp").ok()
    later(1)
    told = boss.post("/v1/admin/me/totp").refused(401, "login_failed")
    assert [(each["field"], each["code"]) for each in told["errors"]] == [("password", "log_in_anew")]
    for _ in range(5):
        boss.post("/v1/admin/me/totp", {"password": "a guess"}).refused(401, "login_failed")
    boss.post("/v1/admin/me/totp", {"password": PASSWORD}).refused(429, "too_many_requests")
    logged_in("boss").post("/v1/admin/me/totp").ok()
    later(30)
    enrol(boss, later, password=PASSWORD)
    later(601)
    boss.post("/v1/admin/me/totp", {"password": PASSWORD}).refused(401, "totp_required")


def test_a_refreshed_token_is_as_old_as_its_session(boss: Browser, later: Later) -> None:
    page = Browser()
    page.post("/v1/admin/session", {"name": "boss", "password": PASSWORD}).ok()
    later(500)
    page.token = page.post("/v1/admin/session/refresh").ok()["token"]
    page.post("/v1/admin/me/totp").ok()
    later(101)
    page.token = ""
    page.token = page.post("/v1/admin/session/refresh").ok()["token"]
    page.post("/v1/admin/me/totp").refused(401, "login_failed")
    page.post("/v1/admin/me/totp", {"password": PASSWORD}).ok()
    later(899)
    page.call("GET", "/v1/admin/me").ok()  # and yet it lasts as long as any


def test_logins_from_before_are_void(boss: Browser, later: Later) -> None:
    """Somebody who knew the password alone may have one."""
    early = logged_in("boss")
    later(1)
    enrol(boss, later)
    early.call("GET", "/v1/admin/me").refused(401, "unauthenticated")
    boss.call("GET", "/v1/admin/operators").ok()
    later(900)
    boss.call("GET", "/v1/admin/operators").refused(401, "unauthenticated")


def test_nothing_holds_before_it_is_confirmed(boss: Browser, later: Later) -> None:
    boss.post("/v1/admin/me/totp/confirm", {"code": "123456"}).refused(422, "invalid")
    first = Authenticator(boss.post("/v1/admin/me/totp").ok()["secret"])
    second = Authenticator(boss.post("/v1/admin/me/totp").ok()["secret"])
    refusal = boss.post("/v1/admin/me/totp/confirm", {"code": first.code()}).refused(422, "invalid")
    assert (refusal["errors"][0]["field"], refusal["errors"][0]["code"]) == ("code", "wrong_code")
    Browser().log_in("boss", PASSWORD).ok()
    boss.post("/v1/admin/me/totp/confirm", {"code": second.code()}).ok()


def test_another_one_is_set_up_by_who_proves_the_first(boss: Browser, later: Later) -> None:
    old, codes = enrol(boss, later)
    boss.post("/v1/admin/me/totp").refused(401, "totp_required")
    boss.post("/v1/admin/me/totp", {"totp": "000000"}).refused(401, "totp_wrong")
    new, fresh = enrol(boss, later, totp=codes[0])
    Browser().log_in("boss", PASSWORD, totp=old.code()).refused(401, "totp_wrong")
    Browser().log_in("boss", PASSWORD, totp=codes[1]).refused(401, "totp_wrong")
    Browser().log_in("boss", PASSWORD, totp=fresh[1]).ok()
    Browser().log_in("boss", PASSWORD, totp=new.code()).ok()


def test_an_owner_takes_away_what_another_has_lost(boss: Browser, later: Later) -> None:
    service.create("ann", PASSWORD, ["finance"])
    ann = logged_in("ann")
    enrol(ann, later)
    enrol(boss, later)
    later(1)
    dropped = boss.call("PATCH", "/v1/admin/operators/ann", {"drop_totp": True}).ok()
    assert (dropped["totp"], dropped["totp_due"]) == (False, True)
    ann.call("GET", "/v1/admin/me").refused(401, "unauthenticated")
    ann.log_in("ann", PASSWORD).ok()
    ann.call("GET", "/v1/admin/orders").refused(403, "totp_not_set_up")
    own = boss.call("PATCH", "/v1/admin/operators/boss", {"drop_totp": True}).refused(422, "invalid")
    assert own["errors"][0]["field"] == "drop_totp"


def test_neither_secret_nor_codes_are_shown_again_or_logged(
    boss: Browser, later: Later, caplog: pytest.LogCaptureFixture
) -> None:
    shown = boss.post("/v1/admin/me/totp").ok()
    phone = Authenticator(shown["secret"])
    used = phone.code()
    codes = boss.post("/v1/admin/me/totp/confirm", {"code": used}).ok()["recovery_codes"]
    later(30)
    Browser().log_in("boss", PASSWORD, totp=codes[0]).ok()
    later(1)
    boss.log_in("boss", PASSWORD, totp=phone.code()).ok()
    boss.call("PUT", "/v1/admin/me/password", {"password": PASSWORD, "x": NEW}).refused(400, "malformed")
    audit: list[Any] = [item.entry for item in audit_queries.page(clock.day(clock.now()), None, 100, None)[0]]
    assert {(entry.permission, entry.path) for entry in audit} >= {
        ("self", "/v1/admin/me/totp"), ("self", "/v1/admin/me/totp/confirm"), ("login", "/v1/admin/login"),
    }  # fmt: skip
    assert [entry.parameters for entry in audit if entry.permission == "login"] == [
        {"second_factor": "totp"}, {"second_factor": "recovery"}, {},
    ]  # fmt: skip
    everything = f"{audit} {caplog.text} {json.dumps(boss.call('GET', '/v1/admin/operators').ok())}"
    assert "answered" in everything
    for secret in (shown["secret"], used, *codes, PASSWORD, NEW, *boss.cookies.values()):
        assert secret not in everything
    item = operator_queries.item("boss")
    assert item is not None and not set(codes) & set(item.recovery or ())
