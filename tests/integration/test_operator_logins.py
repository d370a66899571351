"""Guessers wait, and nobody who has not guessed: by address, by browser; every try is in the log."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.mall.operators import service
from chalicelib.mall.operators.access import service as attempts
from chalicelib.mall.operators.audit import queries as audit_queries
from chalicelib.mall.operators.sessions import service as sessions
from chalicelib.mall.operators.tables import ATTEMPTS, AuditEntries, Operators
from chalicelib.platform.store import read
from tests.support.operators import Browser

PASSWORD = "long enough for anyone"
GUESS = "a guess"
pytestmark = pytest.mark.usefixtures("nobody")


@pytest.fixture(autouse=True)
def boss(nobody: None) -> None:
    assert service.bootstrap("boss", PASSWORD)


def visit(address: str) -> sessions.Visit:
    return sessions.Visit(method="POST", path="/v1/admin/login", request_id="r1", address=address)


def guess(name: str = "boss", address: str = "192.0.2.1") -> str:
    """What a guess is answered, told in short."""
    try:
        sessions.log_in(name, GUESS, "", visit(address))
    except MallError as refusal:
        return refusal.code if refusal.retry_after is None else f"wait {refusal.retry_after}"
    return "in"


def entries(operator: str) -> list[AuditEntries]:
    found, more = audit_queries.page(clock.day(clock.now()), None, 1000, None)
    assert more is None
    return [item for item in found if item.entry.operator == operator]


def test_wrong_name_and_wrong_password_are_one_answer() -> None:
    anybody = Browser()
    wrong = anybody.log_in("boss", "not the password").refused(401, "login_failed")
    unknown = anybody.log_in("nobody", "not the password").refused(401, "login_failed")
    assert {**wrong, "request_id": ""} == {**unknown, "request_id": ""}
    anybody.post("/v1/admin/login", {"name": "boss"}).refused(400, "malformed")


@pytest.mark.parametrize("name", ["boss", "nobody"])
def test_guessing_costs_a_wait_that_grows(name: str, later: Callable[[float], None]) -> None:
    anybody = Browser()
    for _ in range(5):
        anybody.log_in(name, GUESS).refused(401, "login_failed")
    locked = anybody.log_in(name, PASSWORD)  # even with the right password
    locked.refused(429, "too_many_requests")
    assert locked.headers["retry-after"] == "30"
    later(29)
    assert anybody.log_in(name, GUESS).headers["retry-after"] == "1"
    later(1)
    anybody.log_in(name, GUESS).refused(401, "login_failed")
    assert anybody.log_in(name, GUESS).headers["retry-after"] == "60"
    later(86_400)
    for _ in range(5):  # a day later all is forgotten
        anybody.log_in(name, GUESS).refused(401, "login_failed")
    anybody.log_in(name, GUESS).refused(429, "too_many_requests")


def test_the_right_password_forgives_the_failures(later: Callable[[float], None]) -> None:
    for _ in range(3):
        anybody = Browser()
        for _ in range(4):
            anybody.log_in("boss", GUESS).refused(401, "login_failed")
        anybody.log_in("boss", PASSWORD).ok()
    total = read.get(Operators, ATTEMPTS, f"boss/day/{clock.day(clock.now()).isoformat()}")
    assert total is not None and total.failures == 12  # what was right is not among them


def test_guesses_made_at_once_all_count() -> None:
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda _: guess(), range(32)))
    assert 1 <= told.count("login_failed") <= 5
    assert len([one for one in told if one.startswith("wait ")]) == 32 - told.count("login_failed")


def test_two_hours_of_attack_keep_no_owner_out(later: Callable[[float], None]) -> None:
    """H1: an anonymous client asks under the owner's name, every minute and at the end of each wait, for two hours."""
    known = Browser("192.0.2.1")
    known.log_in("boss", PASSWORD).ok()
    attacker = Browser("192.0.2.1")  # even at the owner's own address
    looked_at = 0
    for minute in range(120):
        looked_at += attacker.log_in("boss", GUESS).status == 401
        for host in range(2, 4):
            looked_at += guess(address=f"198.51.100.{minute * 2 + host}") == "login_failed"
        if minute % 10 == 9:
            assert attacker.log_in("boss", PASSWORD).status == 429
            Browser("203.0.113.7").log_in("boss", PASSWORD).ok()  # from another address
            known.log_in("boss", PASSWORD).ok()  # from the address that is attacked, by its cookie
        later(60)
    assert looked_at > 200  # the attack went on all the time


def test_under_attack_who_has_not_failed_may_send_the_right_password_twice_at_once(monkeypatch: Any) -> None:
    for host in range(100):
        assert guess(address=f"198.51.100.{host}") == "login_failed"
    both, real = Barrier(2), attempts.count_login

    def counted(*args: str) -> attempts.Attempt:
        attempt = real(*args)
        both.wait(10)  # neither is looked at before both are counted
        return attempt

    monkeypatch.setattr(attempts, "count_login", counted)
    with ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(sessions.log_in, "boss", PASSWORD, "", visit("203.0.113.7")) for _ in range(2)]
        assert [one.result().operator.name for one in sent] == ["boss", "boss"]
    monkeypatch.undo()
    assert guess(address="203.0.113.7") == "login_failed"


def test_slips_of_the_finger_under_attack_wait_and_are_over(later: Callable[[float], None]) -> None:
    for host in range(100):
        assert guess(address=f"198.51.100.{host}") == "login_failed"
    owner = Browser("203.0.113.7")
    for _ in range(2):
        owner.log_in("boss", GUESS).refused(401, "login_failed")
    wait = owner.log_in("boss", PASSWORD)
    wait.refused(429, "too_many_requests")
    assert int(wait.headers["retry-after"]) == 480
    for second in range(479):  # whoever else fails meanwhile, the wait is the owner's own
        if second % 60 == 0:
            guess(address=f"198.51.101.{second // 60}")
        later(1)
    assert owner.log_in("boss", PASSWORD).headers["retry-after"] == "1"
    later(1)
    owner.log_in("boss", PASSWORD).ok()


def test_many_addresses_that_guess_one_name_are_slowed(later: Callable[[float], None]) -> None:
    addresses = [f"198.51.100.{host}" for host in range(30)]
    first = [guess(address=address) for address in addresses]
    assert first == ["login_failed"] * 30
    again = [guess(address=address) for address in addresses]
    assert again == ["login_failed"] * 30
    once_more = [guess(address=address) for address in addresses]
    assert once_more == ["wait 30"] * 9 + ["wait 60"] * 20 + ["wait 120"]
    assert guess(address="203.0.113.1") == "login_failed"  # who has not failed is not made to wait
    assert guess("ann", "198.51.100.29") == "login_failed"  # and no other name is slowed


def test_an_ipv6_household_is_one_guesser() -> None:
    told = [guess(address=f"2001:db8:1:2::{host}") for host in range(1, 7)]
    assert told[:5] == ["login_failed"] * 5 and told[5].startswith("wait ")
    assert guess(address="2001:db8:1:3::1") == "login_failed"
    assert [guess(address=each) for each in ("::ffff:192.0.2.9",) * 3 + ("192.0.2.9",) * 3][-1].startswith("wait ")


def test_a_known_browser_is_good_for_five_failures(later: Callable[[float], None]) -> None:
    known = Browser()
    known.log_in("boss", PASSWORD).ok()
    (cookie,) = known.told
    assert cookie.endswith("; Path=/; Max-Age=15552000; HttpOnly; SameSite=Strict")
    for _ in range(6):
        guess()
    assert guess().startswith("wait")
    for _ in range(5):
        known.log_in("boss", GUESS).refused(401, "login_failed")
    known.log_in("boss", PASSWORD).refused(429, "too_many_requests")  # it counts as no cookie now
    later(31)
    known.log_in("boss", PASSWORD).ok()
    guess()
    known.log_in("boss", PASSWORD).ok()  # which made it known anew


def test_a_browser_is_known_under_one_name_only(later: Callable[[float], None]) -> None:
    service.create("ann", PASSWORD, ["auditor"])
    shared = Browser()
    shared.log_in("boss", PASSWORD).ok()
    (boss_s,) = shared.cookies
    for _ in range(6):
        guess("ann")
    shared.log_in("ann", PASSWORD).refused(429, "too_many_requests")
    renamed = Browser()
    renamed.log_in("ann", PASSWORD).refused(429, "too_many_requests")
    later(31)
    shared.log_in("ann", PASSWORD).ok()
    (ann_s,) = shared.cookies.keys() - {boss_s}
    for _ in range(6):
        guess("ann"), guess("boss")
    for name in ("ann", "boss"):
        shared.log_in(name, PASSWORD).ok()  # two operators at one desk
    shared.cookies[ann_s] = shared.cookies[boss_s]
    shared.log_in("ann", PASSWORD).refused(429, "too_many_requests")
    shared.cookies[ann_s] = shared.token  # a token is no cookie, nor is one that was made up
    shared.log_in("ann", PASSWORD).refused(429, "too_many_requests")


def test_a_browser_is_forgotten_after_half_a_year(later: Callable[[float], None]) -> None:
    known = Browser()
    known.log_in("boss", PASSWORD).ok()
    later(180 * 86_400)
    for _ in range(6):
        guess()
    known.log_in("boss", PASSWORD).refused(429, "too_many_requests")


def test_a_cookie_opens_nothing() -> None:
    known = Browser()
    known.log_in("boss", PASSWORD).ok()
    (value,) = known.cookies.values()
    known.call("GET", "/v1/admin/me", Authorization=f"Bearer {value}").refused(401, "unauthenticated")
    known.post("/v1/admin/session/refresh").refused(401, "unauthenticated")


def test_guesses_of_one_s_own_password_are_counted_apart(later: Callable[[float], None]) -> None:
    boss = Browser()
    boss.log_in("boss", PASSWORD).ok()
    change = {"password": GUESS, "new_password": "another that is long"}
    for _ in range(5):
        boss.call("PUT", "/v1/admin/me/password", change).refused(401, "login_failed")
    boss.call("PUT", "/v1/admin/me/password", change | {"password": PASSWORD}).refused(429, "too_many_requests")
    Browser().log_in("boss", PASSWORD).ok()  # logging in is another matter
    for _ in range(6):
        guess()
    later(30)
    boss.call("PUT", "/v1/admin/me/password", change | {"password": PASSWORD}).ok(204)  # and so is this


def test_each_failed_login_is_in_the_log_with_its_address(later: Callable[[float], None]) -> None:
    for _ in range(5):
        guess(address="192.0.2.1")
    guess(address="192.0.2.1")
    later(1)
    guess(address="192.0.2.1")
    guess(address="2001:db8::5")
    log = entries("boss")
    listed = [item for item in log if item.times is None]
    assert {(item.entry.permission, item.entry.parameters["refused"], int(item.status)) for item in listed} == {
        ("login", "login_failed", 401)
    }
    assert sorted(item.entry.address for item in listed) == ["192.0.2.1"] * 5 + ["2001:db8::5"]
    (counted,) = [item for item in log if item.times is not None]
    assert (counted.entry.parameters, counted.status, counted.times) == ({"refused": "too_many_requests"}, 429, 2)
    boss = Browser("203.0.113.7")
    boss.log_in("boss", PASSWORD).ok()
    shown = boss.call("GET", "/v1/admin/audit?operator=boss").ok()["items"]
    assert {(each["address"], each["times"]) for each in shown} == {
        ("192.0.2.1", 1), ("192.0.2.1", 2), ("2001:db8::5", 1), ("203.0.113.7", 1),
    }  # fmt: skip


def test_many_failed_logins_are_few_entries(later: Callable[[float], None]) -> None:
    for host in range(120):
        assert guess(address=f"198.51.100.{host}") == "login_failed"
    log = entries("boss")
    assert len(log) == 101
    assert sum(int(item.times or 1) for item in log) == 120


def test_a_name_that_nobody_has_is_not_kept(later: Callable[[float], None], caplog: pytest.LogCaptureFixture) -> None:
    """Somebody types their password where the name goes."""
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.2"):
        guess("my-secret-password", address)
    (counted,) = entries("-")
    assert (counted.times, counted.entry.address) == (3, "192.0.2.2")
    everything, _ = audit_queries.page(clock.day(clock.now()), None, 1000, None)
    assert "my-secret-password" not in str([item.entry for item in everything])
    Browser().log_in("my-secret-password", GUESS).refused(401, "login_failed")
    assert "answered" in caplog.text and "my-secret-password" not in caplog.text


def test_log_lines_say_from_where(caplog: pytest.LogCaptureFixture) -> None:
    boss = Browser("203.0.113.7")
    boss.log_in("boss", GUESS).refused(401, "login_failed")
    boss.log_in("boss", PASSWORD).ok()
    boss.call("GET", "/v1/admin/me").ok()
    lines = [line for line in caplog.text.splitlines() if '"answered"' in line]
    assert len(lines) == 3
    for line in lines:
        assert '"ip":"203.0.113.7"' in line and '"caller":"operator:' in line
        assert PASSWORD not in line and GUESS not in line and "boss" not in line


def test_a_counter_that_is_too_busy_keeps_nobody_out(
    monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    """What counts failures may be too busy with guessers: who has none of their own gets in all the same."""
    real: Any = attempts.write

    def busy(table: Any, key: tuple[str, ...], *rest: Any) -> Any:
        if "/day/" in key[1]:
            raise MallError("unavailable", retry_after=1)
        return real(table, key, *rest)

    monkeypatch.setattr(attempts, "write", busy)
    Browser("203.0.113.7").log_in("boss", PASSWORD).ok()
    assert [guess(address="203.0.113.8") for _ in range(2)] == ["login_failed"] * 2
    assert guess(address="203.0.113.8") == "wait 480"
